"""The cache of standings: a look-up in memory, never behind the log, and bounded."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from overworld.domains.trust.messages import TrustChanged
from overworld.domains.trust.standings import Standings
from overworld.kernel.standing import UNSUSPECTED, Gate, Standing
from tests.domains.trust.court import ANN, BEN, CAT, enclosed, mocked


class Counted:
    """A database that counts how often it is read, and does something while it is."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.reads = 0
        self.meanwhile: Any = None

    @asynccontextmanager
    async def read(self):
        self.reads += 1
        async with self._database.read() as tx:
            yield tx
        if self.meanwhile is not None:
            await self.meanwhile()


def changed(player_id: UUID, score: float, gate: Gate) -> TrustChanged:
    return TrustChanged(player_id=player_id, score=score, gate=gate, gate_before=Gate.NORMAL)


async def test_the_second_question_about_a_player_asks_no_database(court):
    await court.fold([mocked(BEN, minute) for minute in range(3)])
    database: Any = Counted(court.database)
    known = Standings(database=database, cached_max=100)
    expected = [UNSUSPECTED, Standing(0.55, Gate.REDUCED), UNSUSPECTED]
    for _ in range(3):
        found = await known.standings([ANN, BEN, ANN])
        assert [(one.gate, round(one.score, 1)) for one in found] == [
            (one.gate, round(one.score, 1)) for one in expected
        ]
    assert database.reads == 1
    await known.standings([ANN, CAT, BEN])
    assert database.reads == 2


async def test_what_the_log_tells_replaces_what_was_read(court, ids, clock):
    known = Standings(database=court.database, cached_max=100)
    await known.standings([ANN])
    await known.on_events([enclosed(changed(ANN, 0.4, Gate.REVIEW), ids=ids, at=clock.now())])
    assert await known.standings([ANN]) == [Standing(0.4, Gate.REVIEW)]


async def test_what_the_log_tells_while_the_table_is_read_is_the_newer(court, ids, clock):
    database: Any = Counted(court.database)
    known = Standings(database=database, cached_max=100)

    async def meanwhile() -> None:
        await known.on_events([enclosed(changed(ANN, 0.2, Gate.REFUSED), ids=ids, at=clock.now())])

    database.meanwhile = meanwhile
    assert await known.standings([ANN]) == [Standing(0.2, Gate.REFUSED)]


async def test_it_holds_no_more_players_than_it_may_and_stays_right(court):
    await court.fold([mocked(ANN, minute) for minute in range(4)])
    known = Standings(database=court.database, cached_max=100)
    before = await known.standings([ANN])
    for number in range(500):
        await known.standings([UUID(int=1_000 + number)])
    assert len(known) == 100
    assert await known.standings([ANN]) == before


async def test_a_cache_fed_by_the_log_says_what_the_table_says(court, ids):
    """Through convictions, decisions and recoveries: at no gate does memory differ from the table."""
    known = court.parts.standings
    heard = 0
    for step in range(12):
        await court.fold([mocked(one, 10 * step + minute) for one in (ANN, BEN)[: 1 + step % 2] for minute in range(3)])
        if step == 5:
            await court.decide("clear")
        court.clock.advance(timedelta(hours=step))
        await court.trust.recover(rows_max=10)
        envelopes = await court.envelopes()
        await known.on_events(envelopes[heard:])
        heard = len(envelopes)
        held = await known.standings([ANN, BEN])
        table = await court.server().standings.standings([ANN, BEN])
        assert [one.gate for one in held] == [one.gate for one in table]
        assert all(abs(one.score - other.score) < 0.05 for one, other in zip(held, table, strict=True))
