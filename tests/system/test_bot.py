"""The shipped game, played: one bot from its registration to level 5, through the API and the socket alone."""

from __future__ import annotations

import asyncio
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

import overworld
from bench.servers import ServerProcess
from overworld.app.game import check
from overworld.client import Place
from tests.system.bot import Bot
from tests.system.player import LJUBLJANA

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

ORE = Path(overworld.__file__).parent / "games" / "ore"
LEVEL = 5
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


async def test_a_bot_plays_from_registration_to_level_5_and_finishes_its_daily_quests(tmp_path: Path):
    game = check(dense(tmp_path / "ore"))
    dailies = sorted(name for name, quest in game.quests.items() if quest.type == "daily" and quest.requires.level == 1)
    assert len(dailies) >= 2
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
        left = set(dailies)
        while left or bot.level < LEVEL:
            await bot.round()
            await bot.take_best_tool()
            for quest in await bot.quests("daily"):
                if quest.id in left and quest.met:
                    await bot.complete(quest.id)
                    left.discard(quest.id)
                else:
                    await bot.work_on(quest)
        await _assert_all_is_told(bot, dailies)


async def _assert_all_is_told(bot: Bot, dailies: list[str]) -> None:
    """Levels, quests, ranks and money: the socket, the API and what the bot did say the same."""
    api, diary = bot.player.api, bot.diary
    await diary.until(lambda: bool(diary.levels) and diary.levels[-1].data.level == bot.level)
    climbed = [(told.data.level_before, told.data.level) for told in diary.levels]
    assert climbed[0][0] == 1 and all(before == up for (_, up), (before, _) in pairwise(climbed))
    assert (await api.me()).level == bot.level >= LEVEL
    assert sorted(diary.completed) == dailies
    assert sorted(quest.id for quest in await api.quests() if quest.state == "completed") == dailies
    assert await bot.balance() == bot.earned - bot.paid
    score = str(sum(int(one.amount) for one in bot.collected))
    for board in ("daily", "global"):
        place = await _place_once_counted(bot, board, score)
        assert (place.rank, place.player_id) == (1, api.session.user.id)
    assert diary.heard["inventory.changed"] > 0


async def _place_once_counted(bot: Bot, board: str, score: str) -> Place:
    """The bot's place when all it collected is counted, and the bot was told of a place. Raises: TimeoutError."""
    await bot.diary.until(lambda: board in bot.diary.places)
    assert bot.diary.places[board].data.rank == 1
    async with asyncio.timeout(10):
        while True:
            place = (await bot.player.api.leaderboard(board, around_me=True)).me
            if place is not None and place.score == score:
                return place
