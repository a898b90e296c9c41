"""The shipped game, played: one bot from its registration to level 5, through the API and the socket alone."""

from __future__ import annotations

import asyncio
import re
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import overworld
from bench.servers import ServerProcess
from overworld.app.game import Game, check
from overworld.client import Place
from tests.system.bot import Bot
from tests.system.player import LJUBLJANA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio,
]

ORE = Path(overworld.__file__).parent / "games" / "ore"
LEVEL = 5
TOOL = "copper"
SEED = 6
# The same game where coins lie close and players are fast: a test has no days to walk.
DENSE = {"cell_level": "16", "mean_per_cell": "64.0"}
FAST = "\n[movement]\nspeed_max_km_h = 1000\nteleport_km_h = 2000\nacceleration_max_m_s2 = 1000\n"


def dense(folder: Path) -> Path:
    """A copy of the shipped game as it is, but dense and fast."""
    shutil.copytree(ORE, folder)
    file = folder / "game.toml"
    text = file.read_text()
    for name, value in DENSE.items():
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert count == 1, name
    file.write_text(text + FAST)
    return folder


def way_to(tool: str, game: Game) -> set[str]:
    """The quest whose reward is a tool, and all those that have to be done before it."""
    way = {name for name, quest in game.quests.items() if tool in quest.rewards.tools}
    while more := {needed for name in way for needed in game.quests[name].requires.quests} - way:
        way |= more
    return way


async def test_a_bot_plays_from_registration_to_level_5_and_finishes_its_daily_quests(tmp_path: Path):
    if datetime.now(UTC) + timedelta(minutes=2) > datetime.now(UTC).replace(hour=23, minute=59, second=59):
        pytest.skip("the game's day ends while the bot would play")
    game = check(dense(tmp_path / "ore"))
    dailies = {name for name, quest in game.quests.items() if quest.type == "daily"}
    story = way_to(TOOL, game)
    assert len(dailies) == 4 and len(story) == 4
    async with (
        ServerProcess(tmp_path / "data", game=str(tmp_path / "ore")) as server,
        Bot(
            server.http,
            seed=SEED,
            place=LJUBLJANA,
            speed_m_s=game.movement.speed_max_km_h / 3.6,
            reach_m=game.collectibles.reach_m,
        ) as bot,
    ):
        while bot.level < LEVEL or not bot.diary.completed >= dailies | story:
            await bot.round()
            await bot.pursue(dailies | story)
        assert (await bot.take_best_tool()).type == TOOL
        await bot.round()
        await _assert_all_say_the_same(bot, completed=dailies | story)


async def _assert_all_say_the_same(bot: Bot, *, completed: set[str]) -> None:
    """Levels, quests, ranks and money are what the bot did: by the API, the socket and the bot's own count."""
    api, diary = bot.player.api, bot.diary
    await diary.until(lambda: bool(diary.levels) and diary.levels[-1].data.level == bot.level)
    climbed = [(told.data.level_before, told.data.level) for told in diary.levels]
    assert climbed[0][0] == 1 and all(before == up for (_, up), (before, _) in pairwise(climbed))
    assert (await api.me()).level == bot.level >= LEVEL
    assert diary.completed == completed
    assert {quest.id for quest in await api.quests() if quest.state == "completed"} == completed
    [tool] = [tool for tool in await api.tools() if tool.equipped]
    assert (tool.type, tool.wear > 0) == (TOOL, True)
    assert await bot.balance() == bot.earned - bot.paid
    assert bot.paid > 0
    score = str(sum(int(one.amount) for one in bot.collected))
    for board in ("daily", "global"):
        place = await _place_once_counted(bot, board, score)
        assert (place.rank, place.player_id) == (1, api.session.user.id)


async def _place_once_counted(bot: Bot, board: str, score: str) -> Place:
    """The bot's place when all it collected is counted, and the bot was told of a place. Raises: TimeoutError."""
    await bot.diary.until(lambda: board in bot.diary.places)
    assert bot.diary.places[board].data.rank == 1
    async with asyncio.timeout(10):
        while True:
            place = (await bot.player.api.leaderboard(board, around_me=True)).me
            if place is not None and place.score == score:
                return place
