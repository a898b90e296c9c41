"""Packed surroundings and `location:around`: who watches what, over every way in which that changes."""

from __future__ import annotations

import asyncio
import json

import pytest

from overworld.domains.realtime.messages import Event
from overworld.domains.realtime.streams import Streams
from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.refusals import Fault
from tests.domains.realtime.conftest import HOME, Place, Seen

FRAME = b"\x03\x01\x00\x00surroundings"


def channel(cell):
    return f"location:cell:{cells.token(cell)}"


async def watching(site, names, *, name="token", **more):
    """A player who reads packed surroundings of some channels."""
    peer = await site.player(name)
    reply = await peer.ask({"type": "subscribe", "channels": names, "positions": "packed", **more})
    assert reply["refused"] == []
    await peer.settled()
    return peer


def watched(site):
    """What each watcher watches, as one list of lists."""
    return list(site.house.interest.cells.values())


async def test_the_cells_named_are_watched_in_the_order_of_their_names(site):
    wanted = [cells.cell_of(HOME.lat_deg + 0.004 * i, HOME.lng_deg, 15) for i in (2, 0, 1)]
    await watching(site, [channel(cell) for cell in wanted])
    assert watched(site) == [wanted]


async def test_frames_go_to_their_readers_byte_by_byte(site, square):
    one = await watching(site, [square[2]], name="a")
    two = await watching(site, [square[2]], name="b")
    first, second = site.house.interest.cells
    site.house.interest.publish({first: FRAME + b"1", second: FRAME + b"22"})
    await one.settled()
    await two.settled()
    assert (one.packed, two.packed) == ([FRAME + b"1"], [FRAME + b"22"])


async def test_who_watches_gets_no_lists_and_who_listens_no_frames(site, square):
    packed = await watching(site, [square[2]], name="a")
    lists = await site.player("b")
    await lists.ask({"type": "subscribe", "channels": [square[2]]})
    await lists.settled()
    assert site.house.listened[square[0]] == 1
    site.house.players_in[square[0]] = [Seen("someone")]
    site.gateway.publish_players([square[0]])
    assert (await lists.receive("players.nearby"))["data"]["items"]
    assert [frame["type"] for frame in await packed.settled()] == []
    assert len(watched(site)) == 1


async def test_for_who_watches_nobody_looks_who_is_there(site):
    peer, account_id = await around(site)
    walks(site, account_id, 900.0)
    await peer.receive("around.changed")
    await peer.settled()
    assert site.house.views_asked == 0


async def test_the_way_of_reading_may_be_changed(site, square):
    peer = await watching(site, [square[2]])
    site.house.players_in[square[0]] = [Seen("someone")]
    await peer.ask({"type": "subscribe", "channels": ["system"], "positions": "list"})
    assert (await peer.receive("players.nearby"))["data"]["items"] == [{"id": "someone", "lat": 1.5}]
    assert (watched(site), site.house.listened[square[0]]) == ([], 1)
    await peer.ask({"type": "subscribe", "channels": ["system"], "positions": "packed"})
    await peer.settled()
    assert (watched(site), site.house.listened[square[0]]) == ([[square[0]]], 0)


async def test_who_comes_back_to_lists_is_told_what_the_last_list_said(site, square):
    """Between the two the client kept another picture."""
    site.house.players_in[square[0]] = [Seen("someone")]
    peer = await site.player()
    await peer.ask({"type": "subscribe", "channels": [square[2]]})
    await peer.settled()
    await peer.ask({"type": "subscribe", "channels": ["system"], "positions": "packed"})
    assert [frame["type"] for frame in await peer.settled()] == []
    await peer.ask({"type": "subscribe", "channels": ["system"], "positions": "list"})
    assert [frame["type"] for frame in await peer.settled()] == ["players.nearby"]


@pytest.mark.parametrize("asked", ["cell", "around"])
async def test_who_subscribes_again_is_told_everything_anew(site, square, asked):
    """The remedy of a client that has lost its picture."""
    again = {"type": "subscribe", "channels": [square[2] if asked == "cell" else "location:around"], "radius_m": 300}
    peer = await site.player()
    await peer.ask(again | {"positions": "packed"})
    await peer.settled()
    [number] = site.house.interest.cells
    await peer.ask({"type": "subscribe", "channels": ["system"]})
    await peer.settled()
    assert site.house.interest.resent == []
    await peer.ask(again)
    assert "coins.nearby" in [frame["type"] for frame in await peer.settled()]
    assert site.house.interest.resent == [number]


async def test_who_subscribes_again_to_a_list_is_shown_it_again(site, square):
    site.house.players_in[square[0]] = [Seen("someone")]
    peer = await site.player()
    for _ in range(2):
        await peer.ask({"type": "subscribe", "channels": [square[2]]})
        assert [frame["type"] for frame in await peer.settled()] == ["players.nearby", "coins.nearby"]


async def test_a_stream_resumed_on_its_own_line_is_told_everything_anew(site, square):
    peer = await site.player()
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    await peer.ask({"type": "subscribe", "channels": [square[2]], "positions": "packed"})
    await peer.settled()
    [number] = site.house.interest.cells
    assert (await peer.ask({"type": "resume", "epoch": epoch, "seq": 1}))["type"] == "resumed"
    await peer.settled()
    assert site.house.interest.resent == [number]


async def test_events_of_a_cell_come_to_watchers_too(site, square):
    peer = await watching(site, [square[2]])
    site.gateway.publish(square[2], Event(type="coins.collected", data={}))
    assert (await peer.receive("coins.collected"))["channel"] == square[2]


async def test_nothing_is_watched_for_those_who_have_left(site, square):
    peer = await watching(site, [square[2]])
    listener = await site.player("b")
    await listener.ask({"type": "subscribe", "channels": [square[2]]})
    await listener.settled()
    peer.leave()
    listener.leave()
    await site.until(lambda: not watched(site) and not site.house.listened[square[0]])
    assert await peer.end()


async def test_a_broken_line_watches_nothing_and_a_resumed_one_everything_anew(site, square):
    peer = await site.player()
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    await peer.ask({"type": "subscribe", "channels": [square[2]], "positions": "packed"})
    await peer.settled()
    [before] = site.house.interest.cells
    peer.drop()
    await site.until(lambda: not watched(site))
    back = await site.connect()
    await back.ask({"type": "auth", "token": "token"})
    assert (await back.ask({"type": "resume", "epoch": epoch, "seq": 1}))["type"] == "resumed"
    await back.settled()
    assert watched(site) == [[square[0]]]
    assert before not in site.house.interest.cells


async def test_a_line_taken_over_alive_is_told_everything_anew(site, square):
    peer = await site.player()
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    await peer.ask({"type": "subscribe", "channels": [square[2]], "positions": "packed"})
    await peer.settled()
    [number] = site.house.interest.cells
    back = await site.connect()
    await back.ask({"type": "auth", "token": "token"})
    assert (await back.ask({"type": "resume", "epoch": epoch, "seq": 1}))["type"] == "resumed"
    await back.settled()
    assert site.house.interest.resent == [number]
    site.house.interest.publish({number: FRAME})
    await back.settled()
    assert (peer.packed, back.packed) == ([], [FRAME])


async def test_a_new_line_reads_nothing_of_what_was_meant_for_the_old_one(site, square, monkeypatch):
    """A difference without the whole before it would be a picture that is wrong."""
    peer = await site.player()
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    await peer.ask({"type": "subscribe", "channels": [square[2]], "positions": "packed"})
    await peer.settled()
    [number] = site.house.interest.cells
    attach = Streams.attach

    def attached(*args):
        attach(*args)
        site.house.interest.publish({number: FRAME})

    monkeypatch.setattr(Streams, "attach", attached)
    back = await site.connect()
    await back.ask({"type": "auth", "token": "token"})
    assert (await back.ask({"type": "resume", "epoch": epoch, "seq": 1}))["type"] == "resumed"
    await back.settled()
    assert (peer.packed, back.packed, site.house.interest.resent) == ([], [], [number])


async def test_a_slow_reader_is_paused_and_told_everything_anew_when_it_reads_on(open_site, square):
    async with open_site(unsent_bytes_max=16_384, send_buffer_bytes=4_096) as site:
        peer = await watching(site, [square[2]])
        [number] = site.house.interest.cells
        peer.transport.underlying_transport.pause_reading()
        sent = 0
        while number not in site.house.interest.paused:
            site.house.interest.publish({number: FRAME + bytes(4_096)})
            sent += 1
            assert sent < 10_000
            await asyncio.sleep(0)
        assert site.gateway.counters.positions_dropped == 1
        peer.transport.underlying_transport.resume_reading()
        await site.until(lambda: site.house.interest.resent == [number])
        await peer.settled()
        assert len(peer.packed) == sent - 1


async def test_around_holds_the_cells_within_the_radius_and_names_them(site):
    peer = await site.player()
    assert (await peer.ask({"type": "subscribe", "channels": ["location:around"], "radius_m": 300}))["refused"] == []
    changed = await peer.receive("around.changed")
    expected = site.house.around_cells(HOME.lat_deg, HOME.lng_deg, 300.0, 64)
    assert changed["data"]["cells"] == [cells.token(cell) for cell in expected]
    site.gateway.publish(channel(expected[-1]), Event(type="coins.collected", data={}))
    assert (await peer.receive("coins.collected"))["channel"] == channel(expected[-1])


async def around(site, **more):
    peer = await site.player("token", **more)
    await peer.ask({"type": "subscribe", "channels": ["location:around"], "radius_m": 300, "positions": "packed"})
    await peer.settled()
    return peer, site.house.principals["token"].account_id


def walks(site, account_id, metres):
    lat_deg, lng_deg = destination_deg(HOME.lat_deg, HOME.lng_deg, 90.0, metres)
    site.house.stands[account_id] = Place(lat_deg, lng_deg)
    site.gateway.crossed([account_id])
    return site.house.around_cells(lat_deg, lng_deg, 300.0, 64)


async def test_around_moves_with_its_player(site):
    peer, account_id = await around(site)
    [before] = watched(site)
    after = walks(site, account_id, 900.0)
    assert (await peer.receive("around.changed"))["data"]["cells"] == [cells.token(cell) for cell in after]
    assert (await peer.receive("coins.nearby"))["data"]["cells"]
    await peer.settled()
    assert watched(site) == [after]
    left = next(cell for cell in before if cell not in after)
    site.gateway.publish(channel(left), Event(type="coins.collected", data={}))
    assert await peer.settled() == []


async def test_around_moves_with_a_player_whose_fixes_go_to_another_server(open_site):
    async with open_site(sight_every_s=0.01) as site:
        peer, account_id = await around(site)
        lat_deg, lng_deg = destination_deg(HOME.lat_deg, HOME.lng_deg, 90.0, 900.0)
        site.house.stands[account_id] = Place(lat_deg, lng_deg)
        after = site.house.around_cells(lat_deg, lng_deg, 300.0, 64)
        assert (await peer.receive("around.changed"))["data"]["cells"] == [cells.token(cell) for cell in after]
        assert (await peer.receive("coins.nearby"))["data"]["cells"]
        await peer.settled()
        assert watched(site) == [after]


async def test_a_cell_named_stays_when_around_moves_away(site):
    peer, account_id = await around(site)
    home = cells.cell_of(HOME.lat_deg, HOME.lng_deg, 15)
    await peer.ask({"type": "subscribe", "channels": [channel(home)]})
    after = walks(site, account_id, 2_000.0)
    await peer.receive("around.changed")
    await peer.settled()
    assert watched(site) == [[*after, home]]
    await peer.ask({"type": "unsubscribe", "channels": ["location:around"]})
    await peer.settled()
    assert watched(site) == [[home]]


async def test_around_ends_with_the_last_fix_and_says_so(site):
    peer, account_id = await around(site)
    site.house.stands[account_id] = None
    site.gateway.crossed([account_id])
    lost = await peer.receive("unsubscribed")
    assert lost["data"] == {"channels": ["location:around"], "code": "fake.out_of_sight"}
    await peer.settled()
    assert watched(site) == []


async def test_around_needs_a_place_to_be_around(site):
    peer = await site.player()
    site.house.stands[site.house.principals["token"].account_id] = None
    reply = await peer.ask({"type": "subscribe", "channels": ["location:around"]})
    assert reply["refused"] == [{"channel": "location:around", "code": "fake.out_of_sight"}]


async def test_cells_held_by_around_do_not_count_as_channels_asked_for(open_site):
    async with open_site(channels_max=2) as site:
        peer, _ = await around(site)
        reply = await peer.ask({"type": "subscribe", "channels": ["system", "chat:global"]})
        assert [one["channel"] for one in reply["refused"]] == ["chat:global"]


async def test_around_holds_no_more_cells_than_it_may(open_site):
    async with open_site(around_cells_max=3) as site:
        await around(site)
        [held] = watched(site)
        assert held == site.house.around_cells(HOME.lat_deg, HOME.lng_deg, 300.0, 3)


@pytest.mark.parametrize("radius_m", [0, -1, 3_001, "wide", None])
async def test_a_radius_out_of_bounds_is_no_message(site, radius_m):
    peer = await site.player()
    reply = await peer.ask({"type": "subscribe", "channels": ["location:around"], "radius_m": radius_m})
    assert reply["error"]["code"] == "realtime.bad_frame"


async def test_a_resumed_stream_is_around_where_its_player_is_now(site):
    peer, account_id = await around(site)
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    peer.drop()
    await site.until(lambda: not watched(site))
    lat_deg, lng_deg = destination_deg(HOME.lat_deg, HOME.lng_deg, 0.0, 1_500.0)
    site.house.stands[account_id] = Place(lat_deg, lng_deg)
    back = await site.connect()
    await back.ask({"type": "auth", "token": "token"})
    await back.ask({"type": "resume", "epoch": epoch, "seq": 2})
    expected = [site.house.around_cells(lat_deg, lng_deg, 300.0, 64)]
    await site.until(lambda: watched(site) == expected)
    assert watched(site) == expected


async def test_cells_held_by_around_count_once_they_are_asked_for(open_site):
    async with open_site(channels_max=3) as site:
        peer, _ = await around(site)
        [held] = watched(site)
        reply = await peer.ask({"type": "subscribe", "channels": [channel(cell) for cell in held[:4]]})
        assert [one["code"] for one in reply["refused"]] == ["realtime.too_many_channels"] * 2


async def test_a_cell_around_that_is_given_up_is_watched_no_more(site):
    peer, _ = await around(site)
    [held] = watched(site)
    await peer.ask({"type": "unsubscribe", "channels": [channel(held[1])]})
    await peer.settled()
    assert watched(site) == [[held[0], *held[2:]]]


async def test_a_cell_around_that_is_out_of_sight_is_watched_no_more(open_site):
    async with open_site(sight_every_s=0.01) as site:
        peer, _ = await around(site)
        [held] = watched(site)
        site.house.hidden.add(held[-1])
        for stream in site.gateway._streams:
            stream.seen_from = None
        assert (await peer.receive("unsubscribed"))["data"]["channels"] == [channel(held[-1])]
        await peer.settled()
        assert watched(site) == [held[:-1]]


async def test_around_holds_no_cell_out_of_sight(site):
    near = site.house.around_cells(HOME.lat_deg, HOME.lng_deg, 300.0, 64)
    site.house.hidden.add(near[-1])
    await around(site)
    assert watched(site) == [near[:-1]]


async def test_who_goes_to_and_fro_is_looked_at_once_at_a_time_and_shown_the_newest_place(site, monkeypatch):
    peer, account_id = await around(site)
    opened, asked = asyncio.Event(), []
    collectibles = site.house.collectibles

    async def slow(cells, *, player_id):
        asked.append(list(cells))
        await opened.wait()
        return await collectibles(cells, player_id=player_id)

    monkeypatch.setattr(site.house, "collectibles", slow)
    for metres in (700.0, 1_500.0, 2_500.0, 900.0, 2_000.0):
        after = walks(site, account_id, metres)
        await peer.receive("around.changed")
    assert len(asked) == 1
    opened.set()
    await peer.receive("coins.nearby")
    shown = (await peer.receive("coins.nearby"))["data"]["cells"]
    assert len(asked) == 2
    assert set(shown) <= {cells.token(cell) for cell in after}
    await site.until(lambda: not site.gateway.in_flight)


async def test_others_follow_their_players_when_one_cannot_be_shown_anything(site, monkeypatch):
    first, first_id = await around(site)
    second = await site.player("second")
    await second.ask({"type": "subscribe", "channels": ["location:around"], "radius_m": 300})
    await second.settled()
    second_id = site.house.principals["second"].account_id
    collectibles = site.house.collectibles

    async def broken(cells, *, player_id):
        if player_id == first_id:
            raise Fault
        return await collectibles(cells, player_id=player_id)

    monkeypatch.setattr(site.house, "collectibles", broken)
    lat_deg, lng_deg = destination_deg(HOME.lat_deg, HOME.lng_deg, 90.0, 900.0)
    site.house.stands[first_id] = site.house.stands[second_id] = Place(lat_deg, lng_deg)
    site.gateway.crossed([first_id, second_id])
    for peer in (first, second):
        await peer.receive("around.changed")
    await second.receive("coins.nearby")
    assert [frame["type"] for frame in await first.settled()] == []


async def test_a_resumed_stream_is_shown_what_lies_in_cells_that_came_around_meanwhile(site):
    peer, account_id = await around(site)
    epoch = (await peer.ask({"type": "auth", "token": "token"}))["epoch"]
    seq = max(frame.get("seq", 0) for frame in map(json.loads, peer.raw))
    peer.drop()
    await site.until(lambda: site.gateway.detached == 1)
    after = walks(site, account_id, 2_000.0)
    await site.until(lambda: not site.gateway.in_flight)
    back = await site.connect()
    await back.ask({"type": "auth", "token": "token"})
    assert (await back.ask({"type": "resume", "epoch": epoch, "seq": seq}))["type"] == "resumed"
    shown = (await back.receive("coins.nearby"))["data"]["cells"]
    assert sorted(shown) == sorted(cells.token(cell) for cell in after)
