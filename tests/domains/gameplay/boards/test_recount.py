"""Scores counted again from the ledger and the log are those of the fold, and what is wrong is found and put right."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from overworld.app.boards_tools import lines, recount_of
from overworld.domains.gameplay.boards.rules import Calendar, boards_of
from overworld.domains.gameplay.boards.scoring import NAME, TOPICS
from overworld.domains.gameplay.boards.types import BoardRules
from overworld.domains.gameplay.held.types import Order
from overworld.kernel.standing import Gate
from tests.domains.gameplay.boards.stadium import CURRENCIES, REGION_LEVEL, Stadium
from tests.domains.gameplay.field import Field, code_of

DECLARED = {"gems": BoardRules(counts="gem", resets="monthly"), "grown": BoardRules(counts="experience")}


class Season:
    """Players who really collect, and the real fold of the log."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.stadium = Stadium(field.database, field.clock, field.ids, DECLARED)
        self.players = sorted(field.ids() for _ in range(4))
        calendar = Calendar(boards_of(DECLARED, CURRENCIES).values())
        self.recount = recount_of(field.database, calendar=calendar, region_level=REGION_LEVEL)

    async def collect(self, *, first: int = 0) -> None:
        """Everybody takes some of what there is; some of it somebody else has. What two of them take is held, of which
        one part is released, one denied, and one neither.
        """
        gates = self.field.trust.gates
        server = await self.field.server()
        lying = self.field.all_at()[first : first + 12]
        for i, spawn in enumerate(lying):
            gates |= dict.fromkeys(self.players[2:], Gate.REVIEW if i % 4 == 1 else Gate.REDUCED)
            if i == len(lying) // 2:
                await self.decide()
            for player_id in self.players[i % 3 :]:
                await asyncio.gather(server.collect(self.field.claim(player_id, spawn)), return_exceptions=True)
            self.field.clock.advance(timedelta(seconds=1))
        await server.close()

    async def decide(self) -> None:
        """Releases what is held of one player and denies what is held of another."""
        now = self.field.clock.now()
        orders = [Order(player_id=self.players[i], release=i == 2, held_by=now) for i in (2, 3)]
        await self.field.held().carry_out(orders)

    async def fold(self) -> None:
        """Lets the fold read the log to its end."""
        log = self.stadium.log
        await log.start()
        fold = log.fold(NAME, topics=TOPICS, apply=self.stadium.parts.scoring.apply)
        running = asyncio.create_task(fold.run())
        async with asyncio.timeout(20):
            while not any(lag.consumer == NAME and lag.batches_behind == 0 for lag in await log.lag()):  # noqa: ASYNC110
                await asyncio.sleep(0)
        fold.stop()
        await running
        await log.close()

    async def run(self, query: str, *arguments: Any) -> None:
        async with self.field.database.transaction() as tx:
            await tx.execute(query, *arguments)


@pytest.fixture
async def season(field):
    season = Season(field)
    await season.collect()
    await season.fold()
    return season


async def test_what_was_folded_is_what_is_counted_again_while_claims_go_on(season):
    """Also of what the fold has not read yet: it is left out, whichever of equal amounts it was."""
    found = await season.recount.check()
    assert found.agrees and found.collections > 10 and found.scores > 20 and found.unknown == 0
    await season.collect(first=12)
    assert (await season.recount.check()).agrees
    await season.fold()
    again = await season.recount.check()
    assert again.agrees and again.collections > found.collections
    assert list(lines(again, repaired=False))[-1].endswith("everything agrees")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE gameplay.board_score SET score = score + 1 WHERE board = 'global'",
        "UPDATE gameplay.board_score SET reached_at = reached_at - interval '1 us' WHERE board = 'daily'",
        "UPDATE gameplay.board_score SET region = region + 16 WHERE board = 'region'",
        "UPDATE gameplay.board_score SET score = 1 WHERE board = 'grown'",
        "DELETE FROM gameplay.board_score",
        "INSERT INTO gameplay.board_score SELECT gen_random_uuid(), board, starts_at, region, score, reached_at"
        " FROM gameplay.board_score WHERE board IN ('weekly', 'region')",
    ],
)
async def test_any_damage_is_found_and_put_right(season, damage):
    sound = await season.stadium.score_rows()
    await season.run(damage)
    found = await season.recount.check()
    assert found.differences and not found.agrees
    assert any("should have" in line for line in lines(found, repaired=False))
    assert (await season.recount.rebuild()).differences == found.differences
    assert await season.stadium.score_rows() == sound
    assert (await season.recount.check()).agrees


async def test_a_rebuild_beside_a_running_fold_loses_and_doubles_nothing(season):
    await season.run("DELETE FROM gameplay.board_score")
    await season.collect(first=12)
    await asyncio.gather(season.fold(), season.recount.rebuild())
    assert (await season.recount.check()).agrees


async def test_results_of_windows_are_counted_again_too(season):
    season.field.clock.advance(timedelta(days=10))
    assert await season.stadium.parts.archive.turn() == 2
    assert (await season.recount.check()).agrees
    await season.run("UPDATE gameplay.board_result SET score = score + 1")
    found = await season.recount.check()
    assert {board for board, _ in found.results} == {"daily", "weekly"} and not found.differences
    await season.recount.rebuild()
    assert (await season.recount.check()).agrees
    season.field.clock.advance(timedelta(days=2))
    await season.stadium.parts.archive.turn()
    assert (await season.recount.check()).agrees


async def test_where_the_log_has_forgotten_the_books_still_say_what_they_can(season):
    """Regions of whom the log has lost something stay as they are, and at least have to add up."""
    await season.run("CREATE TABLE public.kept AS SELECT * FROM eventlog.outbox")
    await season.run("DELETE FROM eventlog.outbox")
    found = await season.recount.check()
    assert found.agrees and found.unknown == 4
    await season.run("UPDATE gameplay.board_score SET score = score + 1 WHERE board IN ('global', 'region')")
    found = await season.recount.check()
    assert {one.key.board for one in found.differences} == {"global"}
    assert sorted(found.sums) == season.players
    await season.recount.rebuild()
    found = await season.recount.check()
    assert not found.differences and sorted(found.sums) == season.players
    await season.run("INSERT INTO eventlog.outbox SELECT * FROM public.kept")


async def test_claims_were_won_and_lost(season):
    server = await season.field.server()
    taken = season.field.shared()[0]
    claims = [season.field.claim(player_id, taken) for player_id in season.players]
    outcomes = [code_of(one) for one in await asyncio.gather(*map(server.collect, claims), return_exceptions=True)]
    assert set(outcomes) <= {"ok", "already_collected"}
    await server.close()
