"""Who shows whom where they are: by a grant, as exactly as granted, until it ends, and never after."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.world.shares.errors import NoHome, NoSuchPlayer, NoSuchShare, ShareWithOneself, TooManyShares
from overworld.domains.world.shares.messages import HomeBody
from overworld.geo import cells
from overworld.platform.postgres.idempotency import KeyReused
from tests.audited import staff
from tests.domains.world.joined import ANN, BOB, CARL, logged
from tests.domains.world.journeys import HOME

COARSE = cells.centre_deg(cells.cell_of(*HOME, 16))


async def received(server, viewer=BOB, **more):
    return await server.shares.service.received(viewer, after=None, limit=50, **more)


async def place(server, viewer=BOB):
    """The one place that a player is shown, if any."""
    [share] = await received(server, viewer)
    return share.place


async def topics(server):
    async with server.database.read() as tx:
        return [event.topic for event in await logged(tx)]


async def test_a_live_share_shows_the_place_and_its_age(server):
    await server.field.stand(1)
    share = await server.share()
    server.field.wait(12)
    [seen] = await received(server)
    assert (seen.id, seen.player_id, seen.sight, seen.expires_at) == (share.id, ANN, "live", share.expires_at)
    assert (seen.place.lat, seen.place.lng, seen.place.exact, seen.place.age_s) == (*HOME, True, 12.0)
    assert await received(server, CARL) == []
    assert await received(server, ANN) == []


async def test_a_coarse_share_shows_the_centre_of_a_coarse_cell(server):
    await server.field.stand(1)
    await server.share(sight="coarse")
    shown = await place(server)
    assert (shown.lat, shown.lng, shown.exact) == (*COARSE, False)


async def test_an_invisible_player_who_shares_is_seen_by_those_it_chose_and_nobody_else(server):
    server.world.show(ANN, visible=False)
    await server.field.stand(1)
    await server.share()
    assert (await place(server)).exact
    assert server.world.engine.present_count == 0


async def test_where_the_last_five_minutes_know_no_place_there_is_none(server):
    await server.share()
    assert await place(server) is None
    await server.field.stand(1)
    server.field.wait(301)
    assert await place(server) is None


async def test_a_share_ends_at_its_time_to_the_microsecond(server):
    await server.field.stand(1)
    share = await server.share(expires_in_s=900)
    server.clock.advance(timedelta(seconds=900) - timedelta(microseconds=1))
    await server.field.stand(1)
    assert len(await received(server)) == 1
    server.clock.advance(timedelta(microseconds=1))
    assert await received(server) == []
    assert await server.shares.service.given(ANN) == []
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(ANN, share.id)


@pytest.mark.parametrize("by", [ANN, BOB])
async def test_either_of_the_two_may_end_a_share_once(server, by):
    share = await server.share()
    await server.shares.service.end(by, share.id)
    assert await received(server) == []
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(by, share.id)


async def test_a_share_is_nobody_elses_to_end(server):
    share = await server.share()
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(CARL, share.id)
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(ANN, UUID(int=99))
    assert len(await received(server)) == 1


async def test_a_share_ended_on_one_server_shows_nothing_on_the_other_at_once(start_server):
    """Over HTTP every server asks what is kept, so not even the news has to come first."""
    here, there = start_server(), start_server()
    await there.field.stand(1)
    share = await here.share()
    assert (await place(there)).exact
    await here.shares.service.end(ANN, share.id)
    assert await received(there) == []


async def test_a_new_share_to_the_same_player_takes_the_place_of_the_old_one(server):
    old = await server.share(sight="live")
    new = await server.share(sight="coarse", expires_in_s=900)
    assert [share.id for share in await server.shares.service.given(ANN)] == [new.id]
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(ANN, old.id)


async def test_a_share_asked_for_twice_under_one_key_is_one(server):
    first, again = await server.share(key="k"), await server.share(key="k")
    assert first == again
    assert await topics(server) == ["events.share.changed"]
    with pytest.raises(KeyReused):
        await server.share(sight="coarse", key="k")


async def test_the_key_of_an_ended_share_does_not_bring_it_back(server):
    share = await server.share(key="k")
    await server.shares.service.end(ANN, share.id)
    assert (await server.share(key="k")).id == share.id
    assert await received(server) == []


@pytest.mark.parametrize(("to", "refusal"), [("nobody", NoSuchPlayer), ("ann", ShareWithOneself)])
async def test_shares_go_to_another_player_and_a_refusal_is_an_answer_too(server, to, refusal):
    for _ in range(2):
        with pytest.raises(refusal):
            await server.share(to, key="k")
    assert await topics(server) == []


async def test_an_id_names_a_player_as_well_as_a_name(server):
    assert (await server.share(str(CARL))).to == CARL


async def test_a_player_shows_its_place_to_so_many_and_what_ended_does_not_count(start_server):
    server = start_server(shares_max=1)
    await server.share("bob", expires_in_s=900)
    await server.share("bob", expires_in_s=901)
    with pytest.raises(TooManyShares) as refused:
        await server.share("carl")
    assert refused.value.public_fields() == {"shares_max": 1}
    server.field.wait(901)
    await server.share("carl")


async def test_shares_given_at_once_on_two_servers_do_not_pass_the_bound(start_server):
    servers = [start_server(shares_max=1), start_server(shares_max=1)]
    asked = [server.share(to) for server in servers for to in ("bob", "carl") for _ in range(3)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in outcomes if isinstance(each, Exception)} <= {TooManyShares}
    given = await servers[0].shares.service.given(ANN)
    assert len(given) == 1
    assert [each.to for each in given] == [CARL] or [each.to for each in given] == [BOB]


async def test_ending_and_granting_at_once_leaves_what_was_kept_last(start_server):
    here, there = start_server(), start_server()
    for _ in range(5):
        share = await here.share()
        await asyncio.gather(there.share(), here.shares.service.end(ANN, share.id), return_exceptions=True)
        given = await here.shares.service.given(ANN)
        assert [each.id for each in await received(there)] == [each.id for each in given]
        assert share.id not in {each.id for each in given}


async def test_a_change_is_told_in_the_transaction_that_made_it(server):
    share = await server.share()
    await server.shares.service.end(BOB, share.id)
    with pytest.raises(NoSuchShare):
        await server.shares.service.end(BOB, share.id)
    assert await topics(server) == ["events.share.changed", "events.share.changed"]


async def test_a_look_by_staff_is_kept(server):
    share = await server.share()
    assert await server.shares.service.given_by(ANN, staff=staff(CARL)) == [share]
    assert server.trail.did == [("location.read_shares", str(ANN))]


async def test_shares_that_are_over_are_deleted_and_others_stay(server):
    await server.share("bob", expires_in_s=900)
    kept = await server.share("carl", expires_in_s=901)
    server.field.wait(900)
    await server.shares.service.delete_ended()
    async with server.database.read() as tx:
        assert [row["id"] for row in await tx.fetch("SELECT id FROM world.share")] == [kept.id]


async def test_at_home_others_get_another_place_and_a_home_that_is_forgotten_hides_nothing(server):
    await server.field.stand(1)
    await server.share()
    home = HomeBody(lat=HOME[0], lng=HOME[1], radius_m=200)
    await server.shares.service.set_home(ANN, home)
    assert await server.shares.service.home(ANN) == home
    blurred = await place(server)
    assert not blurred.exact
    assert (blurred.lat, blurred.lng) != HOME
    server.field.wait(2)
    await server.field.stand(1, 30)
    moved = await place(server)
    assert (moved.lat, moved.lng) == (blurred.lat, blurred.lng)
    await server.shares.service.forget_home(ANN)
    assert (await place(server)).exact
    for refused in (server.shares.service.home(ANN), server.shares.service.forget_home(ANN)):
        with pytest.raises(NoHome):
            await refused


async def test_no_event_tells_where_a_home_is(server):
    await server.shares.service.set_home(ANN, HomeBody(lat=HOME[0], lng=HOME[1], radius_m=200))
    async with server.database.read() as tx:
        [event] = await logged(tx)
    assert bytes(event.data) == f'{{"player_id":"{ANN}"}}'.encode()
