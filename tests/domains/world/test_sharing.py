"""Several servers on one database: a fix that one accepted counts on the other."""

from __future__ import annotations

from uuid import UUID

import pytest

from overworld.domains.world import store
from overworld.domains.world.errors import OutOfSight
from overworld.domains.world.messages import Fix
from overworld.domains.world.wiring import SCHEMA
from overworld.kernel.refusals import Fault
from tests.domains.world.journeys import HOME

ANN, BOB = UUID(int=1), UUID(int=2)


@pytest.fixture
async def pair(open_database, open_field):
    """Two worlds that share a database."""
    async with open_database(SCHEMA) as database:
        yield open_field(database=database, share_fixes=True), open_field(database=database, share_fixes=True)


async def test_a_fix_accepted_by_one_server_is_read_by_the_other(pair):
    here, there = pair
    await here.stand(1)
    await here.parts.sharing.write()
    columns = await there.world.get([BOB, ANN])
    assert columns.known == [False, True]
    assert (columns.lat_deg[1], columns.lng_deg[1]) == pytest.approx(HOME)
    assert columns.at_us[1] == here.clock.now_us()


async def test_a_player_may_look_around_through_another_server(pair):
    here, there = pair
    await here.stand(1)
    question = {"viewer_id": ANN, "scopes": frozenset(), "lat_deg": HOME[0], "lng_deg": HOME[1], "radius_m": 100.0}
    with pytest.raises(OutOfSight):
        await there.world.nearby(**question, limit=5)
    await here.parts.sharing.write()
    assert await there.world.nearby(**question, limit=5) == []
    await there.world.require_in_sight(ANN, *HOME, frozenset())
    with pytest.raises(OutOfSight):
        await there.world.require_in_sight(ANN, HOME[0] + 1, HOME[1], frozenset())
    assert [place is not None for place in await there.world.places([ANN, BOB])] == [True, False]


async def test_the_newer_of_two_servers_fixes_counts(pair):
    here, there = pair
    await there.stand(1, 1_000)
    await there.parts.sharing.write()
    for field in pair:
        field.wait(60)
    await here.stand(1, 0)
    await here.parts.sharing.write()
    assert (await there.world.get([ANN])).at_us == [here.clock.now_us()]
    await there.parts.sharing.write()
    assert (await there.world.get([ANN])).at_us == [here.clock.now_us()]


async def test_an_older_fix_never_replaces_a_newer_one(pair):
    here, there = pair
    await here.stand(1)
    there.wait(30)
    await there.stand(1, 500)
    await there.parts.sharing.write()
    await here.parts.sharing.write()
    here.wait(30)
    assert (await here.world.get([ANN])).at_us == [there.clock.now_us()]


async def test_a_fix_that_no_longer_speaks_for_the_player_is_not_read(pair):
    here, there = pair
    await here.stand(1)
    await here.parts.sharing.write()
    for at_m in (900_000, 900_001):
        here.wait(2)
        await here.stand(1, at_m)
    await here.parts.sharing.write()
    assert (await there.world.get([ANN])).known == [False]
    assert (await here.world.get([ANN])).known == [False]


async def test_who_earns_nothing_for_now_is_still_where_it_is_on_the_other_server(pair):
    """It looks around from there, holds its cells, and shows friends the place."""
    here, there = pair
    await here.stand(1)
    for at_m in (900_000, 900_001):
        here.wait(2)
        await here.stand(1, at_m)
    await here.parts.sharing.write()
    assert (await there.world.get([ANN])).known == [False]
    assert await there.world.places([ANN]) == await here.world.places([ANN]) != [None]


async def test_everybody_has_a_turn_when_more_fixes_come_than_can_be_written(pair, monkeypatch):
    here, there = pair
    monkeypatch.setattr(store, "FIXES_MAX", 2)
    players = [1, 2, 3, 4, 5]
    known: set[int] = set()
    for _ in range(3):
        here.wait(10)
        for player in players:
            await here.stand(player)
        await here.parts.sharing.write()
        columns = await there.world.get([UUID(int=player) for player in players])
        known |= {player for player, is_known in zip(players, columns.known, strict=True) if is_known}
    assert known == set(players)


async def test_fresh_fixes_need_no_round_trip(pair):
    here, _ = pair
    await here.stand(1)
    fixes: list[Fix | None] = [here.world.last_fix(ANN)]
    here.parts.sharing._database = None
    await here.parts.sharing.take_newer([ANN], fixes, now_us=here.clock.now_us(), anchored=True)
    assert (await here.world.get([ANN])).known == [True]


async def test_only_what_is_new_is_written(pair):
    here, there = pair
    await here.stand(1)
    await here.parts.sharing.write()
    here.parts.sharing._database = None
    await here.parts.sharing.write()
    assert (await there.world.get([ANN])).known == [True]


async def test_fixes_that_could_not_be_written_are_written_later(pair):
    here, there = pair
    await here.stand(1)
    database = here.parts.sharing._database

    class Gone:
        def transaction(self):
            raise Fault("the database is gone")

    here.parts.sharing._database = Gone()
    with pytest.raises(Fault):
        await here.parts.sharing.write()
    here.parts.sharing._database = database
    await here.parts.sharing.write()
    assert (await there.world.get([ANN])).known == [True]


async def test_shared_fixes_older_than_five_minutes_count_no_more_and_are_deleted(pair):
    here, there = pair
    await here.stand(1)
    await here.parts.sharing.write()
    there.wait(301)
    assert (await there.world.get([ANN])).known == [False]
    await there.parts.sharing.delete_old()
    here.wait(10)
    async with here.parts.sharing._database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM world.last_fix") == 0


async def test_deleting_old_fixes_waits_for_nobody(pair):
    """A server that writes goes by id, one that deletes by where the rows lie: waiting, they could wait in a ring."""
    here, there = pair
    for player in (ANN, BOB):
        await here.stand(player.int)
        await here.parts.sharing.write()
    here.wait(301)
    there.wait(301)
    async with here.parts.sharing._database.transaction() as tx:
        fresh = store.SharedFixes([ANN], [HOME[0]], [HOME[1]], [here.clock.now_us()], [True])
        await store.write_fixes(tx, fresh)
        await there.parts.sharing.delete_old()
    assert (await there.world.get([ANN, BOB])).known == [True, False]
    async with here.parts.sharing._database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM world.last_fix") == 1
