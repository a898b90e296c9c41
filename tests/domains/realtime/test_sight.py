"""Cell channels follow their listener: what has gone out of sight is taken away, and the client is told."""

from uuid import uuid4

from overworld.domains.realtime import Event
from overworld.geo import cells
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Fault

from .conftest import PLAYER_SCOPES, Place

FAR = Place(48.3, 16.5)
FAR_TOKEN = cells.token(cells.cell_of(FAR.lat_deg, FAR.lng_deg, 15))


async def watcher(site, square, *, name="token", **fields):
    """A player that listens to the square, and the player's account."""
    peer = await site.player(name, **fields)
    assert (await peer.ask({"type": "subscribe", "channels": [square[2], "system"]}))["refused"] == []
    await peer.receive("coins.nearby")
    return peer, site.house.principals[name].account_id


def goes_far(site, square, account_id):
    site.house.stands[account_id] = FAR
    site.house.hidden.add(square[0])


def fix(number, cell):
    return {"type": "location.update", "data": {"number": number, "cell": cell}, "ack": True}


async def test_who_walks_away_loses_the_cell_and_is_told(site, square):
    peer, account_id = await watcher(site, square)
    goes_far(site, square, account_id)
    await peer.ask(fix(1, FAR_TOKEN))
    lost = await peer.receive("unsubscribed")
    assert lost["data"] == {"channels": [square[2]], "code": "fake.out_of_sight"}
    site.gateway.publish(square[2], Event(type="coins.collected", data={}))
    site.gateway.publish("system", Event(type="genesis.announcement", data={}))
    assert [frame["type"] for frame in await peer.settled()] == ["genesis.announcement"]


async def test_a_fix_in_the_same_room_cell_looks_at_nothing(site, square, monkeypatch):
    peer, _ = await watcher(site, square)
    asked = []
    refusal = site.house.sight_refusal

    def looked(*args):
        asked.append(args)
        return refusal(*args)

    monkeypatch.setattr(site.house, "sight_refusal", looked)
    for number in (1, 2, 3):
        await peer.ask(fix(number, square[1]))
    await site.until(lambda: not site.gateway.in_flight)
    assert len(asked) == 1


async def test_a_refused_fix_takes_nothing_away(site, square):
    peer, account_id = await watcher(site, square)
    goes_far(site, square, account_id)
    await peer.ask(fix(-1, FAR_TOKEN))
    assert await peer.settled() == []


async def test_every_connection_of_the_player_follows(site, square):
    account_id = uuid4()
    moving, _ = await watcher(site, square, name="a", account=account_id)
    other, _ = await watcher(site, square, name="b", account=account_id)
    goes_far(site, square, account_id)
    await moving.ask(fix(1, FAR_TOKEN))
    assert (await other.receive("unsubscribed"))["data"]["channels"] == [square[2]]


async def test_who_moved_by_another_way_or_was_lost_is_found_from_time_to_time(open_site, square):
    """Fixes over HTTP, on another server, or none for so long that the last one counts no more."""
    async with open_site(sight_every_s=0.01) as site:
        moved, account_id = await watcher(site, square, name="a")
        lost, lost_id = await watcher(site, square, name="b")
        site.house.stands[lost_id] = None
        assert (await lost.receive("unsubscribed"))["data"]["channels"] == [square[2]]
        goes_far(site, square, account_id)
        assert (await moved.receive("unsubscribed"))["data"]["channels"] == [square[2]]


async def test_nothing_is_taken_while_it_cannot_be_known_where_the_player_is(site, square, monkeypatch):
    peer, _ = await watcher(site, square)

    async def gone(player_ids):
        raise Fault

    monkeypatch.setattr(site.house, "places", gone)
    await peer.ask(fix(1, FAR_TOKEN))
    await site.until(lambda: not site.gateway.in_flight)
    assert await peer.settled() == []


async def test_subscriptions_take_effect_in_the_order_in_which_they_were_asked(site, square):
    """Also when it takes a while to learn where the player is."""
    peer = await site.player()
    site.house.sight_gate.clear()
    peer.send({"type": "subscribe", "channels": [square[2]], "cid": "1"})
    peer.send({"type": "unsubscribe", "channels": [square[2]], "cid": "2"})
    peer.send({"type": "subscribe", "channels": ["system"], "cid": "3"})
    assert await peer.settled() == []
    site.house.sight_gate.set()
    replies = [await peer.receive("subscribed") for _ in range(3)]
    assert [(reply["cid"], reply["channels"]) for reply in replies] == [
        ("1", [square[2]]),
        ("2", []),
        ("3", ["system"]),
    ]


async def test_a_subscription_whose_client_left_meanwhile_holds_nothing(site, square):
    peer = await site.player()
    site.house.sight_gate.clear()
    peer.send({"type": "subscribe", "channels": [square[2]]})
    await site.until(lambda: site.gateway.in_flight)
    peer.transport.disconnect()
    await site.until(lambda: site.gateway.connections == 0)
    site.house.sight_gate.set()
    await site.until(lambda: not site.gateway.in_flight)
    assert site.gateway.channels == 0


async def test_who_authenticates_with_fewer_scopes_loses_what_needs_them(site, square):
    account_id = uuid4()
    channels = [square[2], "location:around", "chat:global", "system"]
    peer = await site.player("wide", account=account_id)
    assert (await peer.ask({"type": "subscribe", "channels": channels, "radius_m": 300}))["refused"] == []
    await peer.settled()
    site.house.token("narrow", account=account_id, scopes=frozenset({Scope.REALTIME_CONNECT, Scope.LOCATION_WRITE}))
    assert (await peer.ask({"type": "auth", "token": "narrow"}))["success"]
    [lost] = await peer.settled()
    assert lost["data"]["code"] == "realtime.scope_missing"
    assert sorted(lost["data"]["channels"]) == sorted(channels[:-1])
    assert site.gateway.channels == 1
    site.gateway.publish(square[2], Event(type="coins.collected", data={}))
    assert await peer.settled() == []


async def test_who_gives_up_the_right_to_look_anywhere_keeps_only_what_is_in_sight(site, square, monkeypatch):
    refusal = site.house.sight_refusal
    monkeypatch.setattr(
        site.house, "sight_refusal", lambda *args: None if Scope.WORLD_READ in args[-1] else refusal(*args)
    )
    site.house.hidden.add(square[0])
    account_id = uuid4()
    peer, _ = await watcher(site, square, account=account_id, scopes=PLAYER_SCOPES | {Scope.WORLD_READ})
    await peer.ask(fix(1, square[1]))
    await site.until(lambda: not site.gateway.in_flight)
    site.house.token("narrow", account=account_id)
    await peer.ask({"type": "auth", "token": "narrow"})
    lost = await peer.receive("unsubscribed")
    assert lost["data"] == {"channels": [square[2]], "code": "fake.out_of_sight"}


async def test_a_bug_in_one_look_ends_no_later_one(open_site, square, monkeypatch):
    async with open_site(sight_every_s=0.01) as site:
        peer, account_id = await watcher(site, square)
        places = site.house.places
        failed: list[object] = []

        async def broken_once(player_ids):
            if not failed:
                failed.append(player_ids)
                raise RuntimeError("a bug")
            return await places(player_ids)

        monkeypatch.setattr(site.house, "places", broken_once)
        await site.until(lambda: failed)
        site.house.stands[account_id] = None
        assert (await peer.receive("unsubscribed"))["data"]["channels"] == [square[2]]


async def test_who_may_have_one_thing_under_way_is_shown_what_it_subscribed_to(open_site, square):
    async with open_site(in_flight_max=1) as site:
        peer = await site.player()
        assert (await peer.ask({"type": "subscribe", "channels": [square[2]]}))["refused"] == []
        assert [(await peer.receive())["type"] for _ in range(2)] == ["players.nearby", "coins.nearby"]
