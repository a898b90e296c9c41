"""Who does not want to be seen is seen by nobody, at once and for as long as that, and plays on as ever."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from uuid import UUID

import numpy as np
import pytest

from overworld.domains.world.messages import VisibilityChanged
from overworld.domains.world.wiring import SCHEMA
from overworld.geo import cells
from overworld.geo.box import Box
from overworld.geo.sphere import destination_deg
from overworld.kernel import packed
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource
from overworld.kernel.refusals import Fault
from overworld.platform.eventlog import SCHEMA as LOG_SCHEMA
from overworld.platform.eventlog import PostgresOutbox
from tests.domains.world.journeys import HOME
from tests.domains.world.test_packed import frame_of, now_us, record

ANN, BOB = UUID(int=1), UUID(int=2)
ROOM = cells.cell_of(*HOME, 15)
EVERYWHERE = Box(west_deg=-180, south_deg=-90, east_deg=180, north_deg=90)


async def sighted(field, *, by=BOB):
    """Whether anything that tells of players tells of somebody else than `by`."""
    near = await field.world.nearby(
        viewer_id=by, scopes=frozenset({"world.read"}), lat_deg=HOME[0], lng_deg=HOME[1], radius_m=2_000.0, limit=9
    )
    room = field.world.players_in([ROOM], viewer_id=by)
    located = field.world.located(EVERYWHERE, limit=9)
    answers = {bool(near), bool(room), located.count > 0, field.world.engine.present_count > 0}
    assert len(answers) == 1, "every answer is about the same world"
    return answers.pop()


async def test_who_becomes_invisible_is_gone_at_once_and_seen_again_with_its_next_fix(field):
    await field.stand(1)
    assert await sighted(field)
    field.world.show(ANN, visible=False)
    assert not await sighted(field)
    field.wait(1)
    await field.stand(1)
    assert not await sighted(field)
    field.world.show(ANN, visible=True)
    assert not await sighted(field), "a place that is old news is not told"
    field.wait(1)
    await field.stand(1)
    assert await sighted(field)


async def test_those_who_watch_the_cell_are_told_that_somebody_left_and_nothing_after(open_field):
    field = open_field(interest_hz=60, interest_slices=1)
    told: asyncio.Queue[list[int]] = asyncio.Queue()
    field.world.on_cells_changed = told.put_nowait
    elsewhere = cells.cell_of(*destination_deg(*HOME, 90.0, 2_000), 15)
    await field.stand(1)
    assert await asyncio.wait_for(told.get(), 5) == [ROOM]
    field.world.show(ANN, visible=False)
    assert await asyncio.wait_for(told.get(), 5) == [ROOM]
    field.wait(1)
    await field.stand(1, 3)
    await field.stand(2, 2_000)
    assert await asyncio.wait_for(told.get(), 5) == [elsewhere], "not even that something moved in the room"


async def test_watchers_are_told_by_packed_frames_that_somebody_left_and_nothing_after(field):
    told: list[bytes] = []
    interest = field.world.interest
    interest.on_frames = lambda _, starts, ends, data: told.append(bytes(data[starts[0] : ends[0]]))
    watcher = interest.open()
    interest.watch(watcher, [ROOM])

    def published():
        interest.encode(now_ms=now_us(field) // 1_000)
        for part in range(20):
            interest.serve(part)
        frames = told[:]
        told.clear()
        return frames

    await field.stand(1)
    assert any(ANN.bytes in frame for frame in published())
    field.world.show(ANN, visible=False)
    [frame] = published()
    section = np.frombuffer(frame, packed.SECTION, count=1, offset=packed.SURROUNDINGS_HEADER.size)[0]
    assert (section["left"], section["entered"], section["moved"]) == (1, 0, 0)
    field.wait(1)
    await field.stand(1, 3)
    assert published() == []
    interest.resend(watcher)
    assert not any(ANN.bytes in frame for frame in published())
    field.world.show(ANN, visible=True)
    field.wait(1)
    await field.stand(1, 3)
    assert any(ANN.bytes in frame for frame in published())


async def test_an_invisible_player_is_judged_and_keeps_its_last_fix(field):
    field.world.show(ANN, visible=False)
    verdict = await field.stand(1)
    assert (verdict.accepted, verdict.cell) == (True, cells.token(ROOM))
    fix = field.world.last_fix(ANN)
    assert fix is not None
    assert (fix.lat_deg, fix.lng_deg) == HOME
    assert (await field.world.get([ANN])).known == [True]
    await field.world.require_in_sight(ANN, *HOME, frozenset())
    field.wait(1)
    assert (await field.stand(1, 100_000)).reason == "teleport"


async def test_an_invisible_player_sees_others(field):
    await field.stand(1)
    await field.stand(2)
    field.world.show(ANN, visible=False)
    assert [player.id for player in field.world.players_in([ROOM], viewer_id=ANN)] == [BOB]
    assert await sighted(field, by=ANN)
    assert not await sighted_of_ann(field)


async def sighted_of_ann(field):
    return ANN in {player.id for player in field.world.players_in([ROOM])}


async def test_a_fix_that_waits_when_the_player_becomes_invisible_shows_it_to_nobody(field):
    """It was put before and is judged after."""
    verdict = field.world.submit(ANN, field.report())
    reporter = field.world.open(BOB, tell=lambda frame: None)
    reporter.put(frame_of(record(now_us(field), flags=packed.FLAG_ACK)), 0.0)
    for player in (ANN, BOB):
        field.world.show(player, visible=False)
    field.world.tick.flush()
    assert (await verdict).accepted
    assert field.world.last_fix(BOB) is not None
    assert not await sighted(field, by=UUID(int=3))


async def test_a_player_is_invisible_before_it_is_first_heard_of(field):
    field.world.show(ANN, visible=False)
    assert not field.world.is_visible(ANN)
    await field.stand(1)
    assert not await sighted(field)


async def test_the_slot_of_a_forgotten_invisible_player_hides_nobody_else(open_field):
    field = open_field(players_max=1_024, track_kept_s=3_600)
    field.world.show(ANN, visible=False)
    await field.stand(1)
    slot = field.world.engine.players.slot(ANN)
    field.wait(7_200)
    field.world.forget()
    await field.stand(2)
    assert field.world.engine.players.slot(BOB) == slot
    assert await sighted(field, by=ANN)
    await field.stand(1)
    assert [player.id for player in field.world.players_in([ROOM])] == [BOB], "who is invisible stays so without a slot"


async def test_columns_that_grow_keep_who_is_hidden(field):
    field.world.show(ANN, visible=False)
    await field.stand(1)
    await asyncio.gather(*(field.stand(number) for number in range(2, 1_200)))
    field.wait(1)
    await field.stand(1)
    assert not await sighted_of_ann(field)
    assert field.world.engine.present_count == 1_198


class Servers:
    """Two worlds on one database, and what the log has for each."""

    def __init__(self, database, open_field, ids: IdSource) -> None:
        self.database = database
        self.ids = ids
        self.here, self.there = (self.started(open_field) for _ in range(2))

    def started(self, open_field):
        outbox = PostgresOutbox(ids=self.ids, game=lambda: "game")
        return open_field(database=self.database, outbox=outbox)

    async def told(self):
        """The topics of each batch in the log."""
        async with self.database.read() as tx:
            return [row["topics"] for row in await tx.fetch("SELECT topics FROM eventlog.outbox")]

    def news(self, player_id, *, visible):
        event = VisibilityChanged(player_id=player_id, visible=visible)
        return enclose(event, id=self.ids(), at=self.here.clock.now())


@pytest.fixture
async def servers(open_database, open_field, ids):
    async with open_database(SCHEMA, LOG_SCHEMA) as database:
        yield Servers(database, open_field, ids)


async def test_a_choice_is_kept_over_a_restart(servers, open_field):
    await servers.here.parts.hiding.choose(ANN, visible=False)
    await servers.here.parts.hiding.choose(BOB, visible=False)
    await servers.here.parts.hiding.choose(BOB, visible=True)
    again = servers.started(open_field)
    await again.parts.load()
    await again.stand(1)
    await again.stand(2)
    assert [player.id for player in again.world.players_in([ROOM])] == [BOB]
    assert [await again.parts.hiding.chosen(one) for one in (ANN, BOB)] == [False, True]


async def test_the_other_server_follows_when_it_hears_of_it(servers):
    here, there = servers.here, servers.there
    await there.stand(1)
    await here.parts.hiding.choose(ANN, visible=False)
    assert await sighted(there), "it has not heard yet"
    await there.parts.on_events([servers.news(ANN, visible=False)])
    assert not await sighted(there)
    await here.parts.hiding.choose(ANN, visible=True)
    await there.parts.on_events([servers.news(ANN, visible=True)])
    there.wait(1)
    await there.stand(1)
    assert await sighted(there)


async def test_old_news_changes_nothing(servers):
    """What is kept counts: news may come late, twice, or in another order."""
    here, there = servers.here, servers.there
    await here.parts.hiding.choose(ANN, visible=False)
    await there.parts.on_events([servers.news(ANN, visible=True)])
    assert not there.world.is_visible(ANN)
    await there.parts.on_events([servers.news(ANN, visible=False), servers.news(ANN, visible=False)])
    assert not there.world.is_visible(ANN)


async def test_only_a_change_is_told_in_the_transaction_that_made_it(servers):
    hiding = servers.here.parts.hiding
    await hiding.choose(ANN, visible=True)
    assert await servers.told() == []
    for _ in range(2):
        await hiding.choose(ANN, visible=False)
    assert await servers.told() == [["events.visibility.changed"]]


async def test_choices_at_once_on_both_servers_end_in_what_is_kept(servers):
    for _ in range(5):
        await asyncio.gather(
            *(
                server.parts.hiding.choose(ANN, visible=visible)
                for server in (servers.here, servers.there)
                for visible in (False, True, False)
            )
        )
        kept = await servers.here.parts.hiding.chosen(ANN)
        for server in (servers.here, servers.there):
            await server.parts.on_events([servers.news(ANN, visible=True)])
            assert server.world.is_visible(ANN) == kept


async def test_news_is_not_passed_over_while_the_database_is_away(servers, monkeypatch):
    there = servers.there
    await servers.here.parts.hiding.choose(ANN, visible=False)
    tries = 0
    read = servers.database.read

    @asynccontextmanager
    async def away():
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Fault("the database is gone")
        async with read() as tx:
            yield tx

    monkeypatch.setattr(servers.database, "read", away)
    monkeypatch.setattr("overworld.domains.world.consumers._AGAIN_S", 0.0)
    await there.parts.on_events([servers.news(ANN, visible=False)])
    assert tries == 2
    assert not there.world.is_visible(ANN)
