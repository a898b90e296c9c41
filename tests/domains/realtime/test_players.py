"""`players.nearby`: who is in a cell, for those who watch it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.realtime.msgpack import MsgpackSubprotocol
from overworld.domains.realtime.protocol import JsonSubprotocol


class Other(msgspec.Struct):
    id: str
    note: str = ""


async def watching(site, name, channel):
    peer = await site.player(name)
    await peer.ask({"type": "subscribe", "channels": [channel]})
    await peer.receive("coins.nearby")
    return peer


def ids(frame):
    return [item["id"] for item in frame["data"]["items"]]


async def test_watchers_are_told_who_is_there_without_themselves(site, seen, square):
    cell, _, channel = square
    one, two = await watching(site, "a", channel), await watching(site, "b", channel)
    account = {name: str(site.house.principals[name].account_id) for name in "ab"}
    site.house.players_in[cell] = [seen(account["a"]), seen("c"), seen(account["b"])]
    site.gateway.publish_players([cell])
    assert ids(await one.receive("players.nearby")) == ["c", account["b"]]
    assert ids(await two.receive("players.nearby")) == [account["a"], "c"]


async def test_changes_are_gathered_and_each_cell_is_asked_once(open_site, seen, square):
    cell, _, channel = square
    async with open_site(players_interval_s=0.02) as site:
        peers = [await watching(site, name, channel) for name in "abc"]
        asked = site.house.views_asked
        for number in range(50):
            site.house.players_in[cell] = [seen("p", lat=float(number))]
            site.gateway.publish_players([cell, cell])
        for peer in peers:
            assert (await peer.receive("players.nearby"))["data"]["items"] == [{"id": "p", "lat": 49.0}]
        assert site.house.views_asked == asked + 1


async def test_what_has_not_changed_for_a_watcher_is_not_sent_again(open_site, seen, square):
    """A lone walker's own steps change the cell ten times a second and tell the walker nothing."""
    cell, _, channel = square
    async with open_site(players_interval_s=0) as site:
        walker, watcher = await watching(site, "a", channel), await watching(site, "b", channel)
        account = str(site.house.principals["a"].account_id)
        for step in range(3):
            site.house.players_in[cell] = [seen(account, lat=float(step))]
            site.gateway.publish_players([cell])
            assert (await watcher.receive("players.nearby"))["data"]["items"][0]["lat"] == step
        assert await walker.settled() == []


async def test_cells_nobody_watches_cost_nothing(site, square):
    asked = site.house.views_asked
    site.gateway.publish_players([square[0]])
    peer = await site.connect()
    await peer.settled()
    assert site.house.views_asked == asked


async def test_a_view_that_fails_stops_nobody_else(open_site, square, seen, monkeypatch):
    cell, _, channel = square
    async with open_site(players_interval_s=0) as site:
        peer = await watching(site, "a", channel)
        with monkeypatch.context() as broken:
            broken.setattr(site.house, "players", lambda cell: 1 / 0)
            site.gateway.publish_players([cell])
            await site.until(lambda: site.gateway.publications_waiting == 1)
            await site.until(lambda: site.gateway.publications_waiting == 0)
        site.house.players_in[cell] = [seen("p")]
        site.gateway.publish_players([cell])
        assert ids(await peer.receive("players.nearby")) == ["p"]


@pytest.mark.parametrize(
    "protocol", [JsonSubprotocol(), MsgpackSubprotocol(JsonSubprotocol())], ids=["json", "msgpack"]
)
@pytest.mark.parametrize("own", [0, 1, 2, None])
@given(notes=st.lists(st.text(max_size=8), min_size=0, max_size=4))
def test_leaving_one_out_is_the_same_as_encoding_without_it(protocol, own, notes):
    """The cut through the shared bytes is exact, whatever stands in the entries."""
    seen = [Other(f"p{i}", note) for i, note in enumerate(notes)]
    player = f"p{own}"
    expected = protocol.players_frame(cell="89c", seen=[one for one in seen if one.id != player]).whole
    assert protocol.players_frame(cell="89c", seen=seen).without(player) == expected


async def test_a_burst_is_written_in_slices_in_order(open_site, square):
    """More listeners than fit into a slice: later events queue behind, and each listener gets them in order."""
    async with open_site(slice_sends=2, sockets_per_account_max=100) as site:
        peers = [await site.player() for _ in range(5)]
        for peer in peers:
            await peer.ask({"type": "subscribe", "channels": ["system"]})
        for number in range(4):
            site.gateway.publish("system", b'{"type":"n","data":%d}' % number)
        assert site.gateway.publications_waiting == 4
        for peer in peers:
            assert [(await peer.receive("n"))["data"] for _ in range(4)] == [0, 1, 2, 3]


async def test_a_full_queue_makes_the_publisher_wait_and_loses_nothing(open_site):
    async with open_site(slice_sends=1, publish_queue_max=2, sockets_per_account_max=100) as site:
        peers = [await site.player() for _ in range(3)]
        for peer in peers:
            await peer.ask({"type": "subscribe", "channels": ["system"]})
        for number in range(10):
            site.gateway.publish("system", b'{"type":"n","data":%d}' % number)
            assert site.gateway.publications_waiting <= 2
        assert site.gateway.counters.publications_hurried == 8
        for peer in peers:
            assert [(await peer.receive("n"))["data"] for _ in range(10)] == list(range(10))
