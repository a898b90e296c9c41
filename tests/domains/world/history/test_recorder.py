"""Which fixes become history, and that none is lost uncounted on the way."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import pytest

from overworld.domains.world.engine.engine import Pass
from overworld.domains.world.history import store
from overworld.domains.world.history.days import maintain
from overworld.domains.world.history.types import HistorySettings
from overworld.geo import cells
from overworld.kernel.refusals import Fault
from tests.domains.world.conftest import START
from tests.domains.world.joined import ANN, BOB, kept
from tests.domains.world.journeys import HOME

pytestmark = pytest.mark.usefixtures("database")


async def walk(server, *, player=1, steps=5, metres=2.0):
    """A step a second to the east; the places that were accepted."""
    for step in range(steps):
        verdict = await server.field.stand(player, step * metres, accuracy_m=3)
        assert verdict.accepted, verdict
        server.field.wait(1)


async def test_a_walk_is_sampled_as_its_events_are(server):
    await walk(server, steps=61, metres=1.5)
    await server.history.recorder.write()
    rows = await kept(server.database)
    assert [row[0] for row in rows] == [ANN] * len(rows)
    assert len(rows) == 4, "the first fix, and one every 25 m of 90"
    assert server.history.recorder.written == 4


async def test_a_fix_is_kept_with_its_place_its_room_and_its_accuracy(server):
    await server.field.stand(1, accuracy_m=7)
    await server.field.stand(2)
    await server.history.recorder.write()
    async with server.database.read() as tx:
        rows = await tx.fetch("SELECT * FROM world.location ORDER BY player_id")
    first, second = (dict(row) for row in rows)
    assert (first["lat_deg"], first["lng_deg"]) == HOME
    assert (first["player_id"], first["recorded_at"], first["accuracy_m"]) == (ANN, START, 7.0)
    assert first["cell"] % 2**64 == cells.cell_of(*HOME, 15)
    assert (second["player_id"], second["accuracy_m"]) == (BOB, None)


async def test_refused_fixes_and_replayed_tracks_are_no_history(server):
    await server.field.stand(1, mock=True)
    long_ago = datetime(2019, 5, 1, tzinfo=UTC)
    verdict = await server.world.submit(BOB, server.field.report(at=long_ago), own_timeline=True)
    assert verdict.accepted
    assert server.history.recorder.waiting == 0


async def test_where_places_are_kept_coarse_nothing_finer_reaches_the_database(start_server):
    server = start_server(precision="coarse")
    await server.field.stand(1, 30, accuracy_m=4)
    await server.history.recorder.write()
    async with server.database.read() as tx:
        row = await tx.fetchrow("SELECT lat_deg, lng_deg, accuracy_m FROM world.location")
    fix = server.world.last_fix(ANN)
    assert fix is not None
    assert tuple(row) == (*cells.centre_deg(cells.cell_of(fix.lat_deg, fix.lng_deg, 16)), None)


async def test_where_nothing_is_to_be_kept_nothing_is_and_what_was_kept_is_not_told(start_server):
    before, server = start_server(), start_server(precision="none")
    await before.field.stand(1)
    await before.history.recorder.write()
    await server.field.stand(1)
    assert server.history.recorder.waiting == 0
    assert await server.history.service.own(ANN, start=None, end=None, limit=5) == []


async def test_a_batch_over_midnight_and_the_end_of_a_month_lands_in_both_days(server):
    server.field.wait((datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC) - START).total_seconds())
    for number in (1, 2, 3, 4):
        await server.field.stand(number)
        server.field.wait(1)
    await server.history.recorder.write()
    assert {row[1].date() for row in await kept(server.database)} == {date(2026, 11, 30), date(2026, 12, 1)}
    assert len(await kept(server.database)) == 4


async def test_days_that_were_not_made_ahead_are_made_when_they_are_needed(server):
    await server.field.stand(1)
    await server.history.recorder.write()
    async with server.database.read() as tx:
        assert await store.days(tx) == [START.date()]


async def test_two_servers_that_need_the_same_new_day_at_once_both_write(start_server):
    servers = [start_server() for _ in range(4)]
    for number, server in enumerate(servers, start=1):
        await server.field.stand(number)
    await asyncio.gather(*(server.history.recorder.write() for server in servers))
    assert len(await kept(servers[0].database)) == 4


async def test_while_the_database_is_away_fixes_wait_and_are_written_once_later(server, monkeypatch):
    await server.field.stand(1)
    await server.field.stand(2)

    @asynccontextmanager
    async def away():
        raise Fault("the database is gone")
        yield

    monkeypatch.setattr(server.database, "transaction", away)
    with pytest.raises(Fault):
        await server.history.recorder.write()
    assert (server.history.recorder.waiting, server.history.recorder.written) == (2, 0)
    monkeypatch.undo()
    await server.history.recorder.write()
    assert [row[0] for row in await kept(server.database)] == [ANN, BOB]
    assert (server.history.recorder.waiting, server.history.recorder.written) == (0, 2)


async def test_a_copy_that_fails_half_way_keeps_every_row_for_the_next_one(server, monkeypatch):
    """COPY is all or nothing, and rows leave the queue after the commit."""
    await walk(server, steps=20, metres=30 / 4)
    waiting = server.history.recorder.waiting
    assert waiting > 2
    add = store.add

    async def broken(tx, samples):
        rows = list(samples)
        rows[-1] = rows[-1]._replace(recorded_at="not a time")
        await add(tx, rows)

    monkeypatch.setattr(store, "add", broken)
    with pytest.raises(Exception, match=r"not a time|datetime"):
        await server.history.recorder.write()
    assert (await kept(server.database), server.history.recorder.waiting) == ([], waiting)
    monkeypatch.undo()
    await server.history.recorder.write()
    assert len(await kept(server.database)) == waiting


async def test_fixes_of_days_that_are_not_kept_are_counted_and_left_out(server):
    await server.field.stand(1)
    server.field.wait(9 * 86_400)
    await server.field.stand(2)
    await server.history.recorder.write()
    assert [row[0] for row in await kept(server.database)] == [BOB]
    assert server.history.recorder.late == 1


async def test_a_day_that_another_server_takes_out_is_not_believed_in(server, start_server):
    """This one keeps 7 days and has seen the day; the other one has it that fixes are kept for 1."""
    await server.field.stand(1)
    await server.history.recorder.write()
    server.field.wait(3 * 86_400)
    await maintain(server.database, now=server.clock.now(), settings=HistorySettings(fix_days=1))
    server.history.recorder.tell(batch_of(server, at=START + timedelta(hours=1)))
    await server.history.recorder.write()
    assert [row[1] for row in await kept(server.database)] == [START + timedelta(hours=1)]


def batch_of(server, *, at):
    """A pass with one fix of BOB's that is told, as if it had waited for long."""
    told: list[Pass] = []
    keep, server.world.on_told = server.world.on_told, told.append
    server.world.submit(BOB, server.field.report())
    server.world.tick.flush()
    server.world.on_told = keep
    [batch] = told
    batch.fix["time_us"] = int(at.timestamp() * 1_000_000)
    return batch


async def test_more_fixes_than_may_wait_are_dropped_and_counted(start_server):
    server = start_server(waiting_max=3)
    for player in range(1, 6):
        await server.field.stand(player)
    assert (server.history.recorder.waiting, server.history.recorder.dropped) == (3, 2)
    await server.history.recorder.write()
    assert len(await kept(server.database)) == 3


async def test_stopping_writes_the_last_fixes(server):
    await server.field.parts.start()
    await server.field.stand(1)
    await server.field.parts.stop()
    assert [row[0] for row in await kept(server.database)] == [ANN]


async def test_stopping_with_the_database_gone_counts_what_is_lost(server, monkeypatch):
    await server.field.parts.start()
    await server.field.stand(1)

    @asynccontextmanager
    async def away():
        raise Fault("the database is gone")
        yield

    monkeypatch.setattr(server.database, "transaction", away)
    await server.field.parts.stop()
    assert (server.history.recorder.waiting, server.history.recorder.dropped) == (0, 1)
