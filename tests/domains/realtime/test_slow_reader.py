"""A reader that does not read costs a bounded amount and delays nobody."""

import socket

import pytest

from overworld.domains.realtime import Event
from tests.domains.realtime.conftest import MSGPACK

FILLER = "x" * 4_000
SMALL = {"unsent_bytes_max": 65_536, "send_buffer_bytes": 4_096, "players_interval_s": 0, "close_s": 0.1}


async def deaf(site, channel):
    """A peer that subscribes, and then reads no more."""
    peer = await site.player("deaf")
    peer.transport.underlying_transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    await peer.ask({"type": "subscribe", "channels": [channel]})
    peer.transport.underlying_transport.pause_reading()
    return peer


async def congest(site, channel):
    """Publishes events until the deaf peer's share stays in our buffer; the number published.

    Positions are dropped from a quarter of the bound on. Three quarters are filled, because a kernel that is late takes
    some kilobytes more after we looked.
    """
    for published in range(10_000):
        site.gateway.publish(channel, Event(type="filler", data=FILLER))
        connection = next(iter(site.gateway._roster.connections))
        if connection.waiting_bytes > 65_536 * 3 // 4:
            return published + 1
    raise AssertionError("the buffer never filled")


async def test_a_reader_that_never_reads_is_closed_within_its_bound(open_site):
    async with open_site(**SMALL) as site:
        await deaf(site, "system")
        connection = next(iter(site.gateway._roster.connections))
        most = 0
        for _ in range(10_000):
            site.gateway.publish("system", Event(type="filler", data=FILLER))
            most = max(most, connection.waiting_bytes)
            if connection.closing:
                break
        assert connection.closing == 4408
        assert most <= 65_536
        await site.until(lambda: site.gateway.connections == 0)
        assert site.gateway.counters.closes == {4408: 1}


async def test_a_reader_that_only_asks_is_closed_too(open_site):
    """Pongs and replies are bounded like events."""
    async with open_site(limits_enabled=False, **SMALL) as site:
        peer = await deaf(site, "system")
        for _ in range(2_000):
            peer.transport.send_ping(b"p" * 100)
            peer.send({"type": "ping", "cid": "c" * 64})
        await site.until(lambda: site.gateway.counters.closes == {4408: 1})


async def test_others_are_served_while_one_does_not_read(open_site):
    async with open_site(**SMALL) as site:
        await deaf(site, "system")
        good = await site.player("good")
        await good.ask({"type": "subscribe", "channels": ["system"]})
        for number in range(5_000):
            site.gateway.publish("system", Event(type="n", data={"number": number, "filler": FILLER}))
            assert (await good.receive("n"))["data"]["number"] == number
            if site.gateway.counters.closes:
                break
        assert site.gateway.counters.closes == {4408: 1}


async def test_positions_are_dropped_first_and_replaced_by_the_newest(open_site, square, seen):
    """Hundreds of snapshots pass by; the reader that wakes up gets the last one, and nothing is closed."""
    cell, _, channel = square
    async with open_site(**SMALL) as site:
        peer = await deaf(site, channel)
        published = await congest(site, channel)
        connection = next(iter(site.gateway._roster.connections))
        waiting = connection.waiting_bytes
        counters = site.gateway.counters
        for number in range(300):
            site.house.players_in[cell] = [seen("p", lat=float(number))]
            site.gateway.publish_players([cell])
            await site.until(lambda: counters.positions_dropped == number + 1)  # noqa: B023
        assert connection.waiting_bytes <= waiting
        peer.transport.underlying_transport.resume_reading()
        for _ in range(published):
            await peer.receive("filler")
        newest = await peer.receive("players.nearby")
        assert newest["data"]["items"] == [{"id": "p", "lat": 299.0}]
        assert await peer.settled() == []
        assert "seq" not in newest
        assert site.gateway.counters.closes == {}


@pytest.mark.parametrize("subprotocol", [None, MSGPACK], ids=["json", "msgpack"])
async def test_events_of_every_size_reach_a_late_reader_whole_and_in_order(open_site, subprotocol):
    sizes = [*range(940, 1_060), *range(8_150, 8_200, 7), 30_000]
    async with open_site(**SMALL | {"unsent_bytes_max": 1_048_576}) as site:
        peer = await site.player("late", subprotocol=subprotocol)
        await peer.ask({"type": "subscribe", "channels": ["system"]})
        peer.transport.underlying_transport.pause_reading()
        for size in sizes:
            site.gateway.publish("system", Event(type="filler", data=chr(97 + size % 26) * size))
        assert next(iter(site.gateway._roster.connections)).waiting_bytes > 0
        peer.transport.underlying_transport.resume_reading()
        for seq, size in enumerate(sizes, 1):
            event = await peer.receive()
            assert (event["seq"], event["data"]) == (seq, chr(97 + size % 26) * size)
