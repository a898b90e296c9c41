"""Who hears what."""

import uuid

import pytest

from overworld.domains.realtime import Event
from overworld.geo import cells
from overworld.kernel.identity import Scope


async def refused(peer, channel):
    reply = await peer.ask({"type": "subscribe", "channels": [channel]})
    assert reply["channels"] == []
    return [one["code"] for one in reply["refused"]]


async def test_a_cell_is_granted_with_snapshots_of_what_is_there(site, seen, square):
    cell, token, channel = square
    site.house.players_in[cell] = [seen("p1"), seen("p2")]
    peer = await site.player()
    peer.send({"type": "subscribe", "channels": [channel], "cid": "7"})
    assert await peer.receive() == {"type": "subscribed", "channels": [channel], "refused": [], "cid": "7"}
    players, coins = await peer.receive(), await peer.receive()
    assert "seq" not in players
    assert (players["type"], players["data"]["cells"]) == ("players.nearby", [token])
    assert [player["id"] for player in players["data"]["items"]] == ["p1", "p2"]
    assert coins == {
        "seq": 1,
        "type": "coins.nearby",
        "data": {"cells": [token], "items": [{"id": "c1"}, {"id": "c2"}]},
    }


async def test_own_and_system_channels_are_granted(site):
    peer = await site.player()
    own = f"user:{site.house.principals['token'].account_id}"
    reply = await peer.ask({"type": "subscribe", "channels": [own, "system", own]})
    assert (reply["channels"], reply["refused"]) == ([own, "system"], [])


async def test_others_channels_and_missing_ones_get_one_answer(site):
    """Nobody learns from the answer which accounts, chats or matches exist."""
    peer = await site.player()
    known = await site.player("other")
    assert known
    channels = [
        f"user:{site.house.principals['other'].account_id}",
        f"user:{uuid.uuid4()}",
        "user:",
        "chat:team",
        "chat:global:1",
        "system:1",
        "match:1",
        "location:region:1",
        "nonsense",
    ]
    assert {code for channel in channels for code in await refused(peer, channel)} == {"realtime.channel_refused"}


@pytest.mark.parametrize("change", [str.upper, lambda token: token + "0", lambda token: token[:-1], lambda _: "xyz"])
async def test_a_cell_has_one_name(site, square, change):
    """Upper case, trailing zeros and other levels would be second names of one place."""
    _, token, _ = square
    assert await refused(await site.player(), f"location:cell:{change(token)}") == ["realtime.bad_channel"]


async def test_a_cell_out_of_sight_is_refused_with_the_ports_code(site, square):
    cell, _, channel = square
    site.house.hidden.add(cell)
    assert await refused(await site.player(), channel) == ["fake.out_of_sight"]


async def test_a_cell_needs_the_scope_to_read_locations(site, square):
    peer = await site.player(scopes=frozenset({Scope.REALTIME_CONNECT}))
    assert await refused(peer, square[2]) == ["realtime.scope_missing"]


async def test_channels_per_connection_are_bounded_and_given_back(open_site, square):
    cell = square[0]
    around = [f"location:cell:{cells.token(one)}" for one in cells.neighbours(cell)[:3]]
    async with open_site(channels_max=2) as site:
        peer = await site.player()
        reply = await peer.ask({"type": "subscribe", "channels": around})
        assert reply["channels"] == around[:2]
        assert reply["refused"] == [{"channel": around[2], "code": "realtime.too_many_channels"}]
        held = await peer.ask({"type": "unsubscribe", "channels": [around[0], "system"]})
        assert held["channels"] == [around[1]]
        assert (await peer.ask({"type": "subscribe", "channels": [around[2]]}))["channels"] == [around[2]]


async def test_subscribing_waits_for_the_fix_sent_before(site, square):
    """The fix may be what brings the cell into sight."""
    cell, _, channel = square
    site.house.judge_at_once = False
    site.house.hidden.add(cell)
    peer = await site.player()
    peer.send({"type": "location.update", "data": {"number": 1}})
    peer.send({"type": "subscribe", "channels": [channel], "cid": "s"})
    assert await peer.settled() == []
    site.house.hidden.clear()
    site.house.verdicts[0].set_result(type("V", (), {"accepted": True, "cell": None})())
    assert (await peer.receive("subscribed"))["channels"] == [channel]


async def test_an_event_reaches_the_listeners_of_its_channel_only(site, square):
    near, far = await site.player("a"), await site.player("b")
    await near.ask({"type": "subscribe", "channels": ["system"]})
    site.gateway.publish("system", Event(type="genesis.announcement", data={"text": "hello"}))
    event = await near.receive("genesis.announcement")
    assert event == {"seq": 1, "channel": "system", "type": "genesis.announcement", "data": {"text": "hello"}}
    assert await far.settled() == []


async def test_bytes_are_published_as_they_are(site):
    peer = await site.player()
    await peer.ask({"type": "subscribe", "channels": ["system"]})
    site.gateway.publish("system", b'{"type":"x","data":[1]}')
    assert await peer.receive() == {"seq": 1, "channel": "system", "type": "x", "data": [1]}


async def test_each_connection_counts_its_own_events(site):
    """Replies carry no number; events are numbered 1, 2, 3 on each connection, whatever else happens."""
    first, second = await site.player("a"), await site.player("b")
    await first.ask({"type": "subscribe", "channels": ["system"]})
    site.gateway.publish("system", Event(type="n", data=1))
    await second.ask({"type": "subscribe", "channels": ["system"]})
    for number in (2, 3):
        site.gateway.publish("system", Event(type="n", data=number))
    got = [(frame["seq"], frame["data"]) for frame in await first.settled()]
    assert got == [(1, 1), (2, 2), (3, 3)]
    assert [(frame["seq"], frame["data"]) for frame in await second.settled()] == [(1, 2), (2, 3)]


async def test_the_one_who_caused_an_event_can_be_left_out(site):
    causer, other = await site.player("a"), await site.player("b")
    for peer in (causer, other):
        await peer.ask({"type": "subscribe", "channels": ["system"]})
    site.gateway.publish(
        "system", Event(type="coins.collected", data={}), except_account=site.house.principals["a"].account_id
    )
    assert (await other.receive())["type"] == "coins.collected"
    assert await causer.settled() == []


async def test_unsubscribing_ends_the_events(site):
    peer = await site.player()
    await peer.ask({"type": "subscribe", "channels": ["system"]})
    await peer.ask({"type": "unsubscribe", "channels": ["system"]})
    site.gateway.publish("system", Event(type="n", data=1))
    assert await peer.settled() == []
    assert site.gateway.channels == 0


async def test_a_connection_that_left_holds_no_channel(site, square):
    peer = await site.player()
    await peer.ask({"type": "subscribe", "channels": [square[2], "system"]})
    peer.leave()
    await site.until(lambda: site.gateway.connections == 0)
    assert site.gateway.channels == 0
