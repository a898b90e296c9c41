"""The client's socket against a server that tells it anything: typed events, packed frames, nonsense."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from overworld.client import (
    AroundChanged,
    ChatMessage,
    Closed,
    CollectibleCollected,
    CollectiblesNearby,
    Event,
    Fix,
    FixesJudged,
    LocationVerdict,
    PeerMessage,
    PlayersNearby,
    Problem,
    Reconnect,
    Socket,
    SurroundingsChanged,
    TokensSent,
    Unsubscribed,
)
from overworld.client.packed import encode_fixes
from overworld.geo import cells
from overworld.kernel.clock import to_us
from tests.client import frames
from tests.client.scripted import WAIT_S, until

AT = datetime(2026, 11, 21, tzinfo=UTC)
FIX = Fix(lat=48.2, lng=16.37, accuracy_m=5.0, timestamp=AT)
LATER = replace(FIX, timestamp=AT + timedelta(seconds=1))
CELL = cells.cell_of(48.2, 16.37, 15)
COIN = {
    "id": "c1",
    "type": "gold",
    "value": "1",
    "currency": "coin",
    "lat": 1.0,
    "lng": 2.0,
    "expires_at": "2026-11-25T15:00:00Z",
}
SAID = {"channel": "chat:global", "from": "ann", "text": "hi", "at": "2026-11-25T15:00:00Z", "id": "m1"}
GIFT = {
    "id": "t1",
    "from": "ann",
    "to": "bob",
    "currency": "coin",
    "amount": "1",
    "note": None,
    "at": "2026-11-25T15:00:00Z",
}
TYPED = {
    PlayersNearby: ("players.nearby", {"cells": ["89c"], "items": [{"id": "p", "type": "player", "lat": 1, "lng": 2}]}),
    CollectiblesNearby: ("coins.nearby", {"cells": ["89c"], "items": [COIN]}),
    CollectibleCollected: ("gems.collected", {"id": "g1", "type": "ruby"}),
    ChatMessage: ("chat.message", SAID),
    PeerMessage: ("peer.message", {"from": "bob", "payload": {"any": ["thing", 1]}}),
    TokensSent: ("tokens.sent", GIFT),
    Unsubscribed: ("unsubscribed", {"channels": ["a"], "code": "world.out_of_sight"}),
    AroundChanged: ("around.changed", {"cells": ["89c"]}),
    Reconnect: ("reconnect", {"after_ms": 500}),
    LocationVerdict: ("location.verdict", {"accepted": False, "reason": "teleport"}),
}


async def connected(gateway, **options):
    async def token():
        return "token"

    return await Socket.connect(gateway.url, token=token, **options)


async def told(socket):
    async with asyncio.timeout(WAIT_S):
        return await socket.events.get()


@pytest.mark.parametrize("subprotocol", ["json", "msgpack"])
async def test_every_known_event_has_its_type(gateway, subprotocol):
    async with await connected(gateway, subprotocol=subprotocol) as socket:
        for seq, (kind, (type_, data)) in enumerate(TYPED.items(), 1):
            gateway.lines[0].send({"type": type_, "seq": seq, "channel": "c", "data": data})
            event = await told(socket)
            assert (type(event), event.type, event.seq, event.channel) == (kind, type_, seq, "c")
    assert socket.seq == len(TYPED)


async def test_what_an_event_tells_is_read_by_name(gateway):
    async with await connected(gateway) as socket:
        gateway.lines[0].send({"type": "chat.message", "seq": 1, "data": SAID})
        gateway.lines[0].send({"type": "coins.nearby", "seq": 2, "data": {"cells": [], "items": [COIN]}})
        match await told(socket):
            case ChatMessage(data=said):
                assert (said.sender, said.text, said.at.year) == ("ann", "hi", 2026)
        match await told(socket):
            case CollectiblesNearby(data=nearby):
                assert (nearby.items[0].id, nearby.items[0].expires_at.hour) == ("c1", 15)


@pytest.mark.parametrize(
    ("type_", "data"),
    [("postcards.received", {"text": "hi"}), ("chat.message", {"words": "of another kind"}), ("a", None), ("b.c", 5)],
)
async def test_an_event_of_another_kind_stays_as_it_came(gateway, type_, data):
    async with await connected(gateway) as socket:
        gateway.lines[0].send({"type": type_, "seq": 1, "data": data})
        assert await told(socket) == Event(type=type_, seq=1, data=data)


async def test_a_refusal_of_what_nobody_waits_for_is_an_event(gateway):
    async with await connected(gateway) as socket:
        gateway.lines[0].send({"type": "error", "error": {"code": "realtime.bad_frame"}})
        assert await told(socket) == Problem(type="error", data={"code": "realtime.bad_frame"})


@pytest.mark.parametrize("subprotocol", ["json", "msgpack"])
async def test_packed_fixes_get_their_own_verdicts_whatever_comes_between(gateway, subprotocol):
    async with await connected(gateway, subprotocol=subprotocol) as socket:
        first, second = socket.report_packed([FIX, LATER]), socket.report_packed([LATER])
        socket.stream_packed([FIX])
        line = gateway.lines[0]
        await until(lambda: len(line.packed) == 3)
        assert line.packed == [
            encode_fixes([FIX, LATER], ack=True),
            encode_fixes([LATER], ack=True),
            encode_fixes([FIX]),
        ]
        one, two = to_us(FIX.timestamp), to_us(LATER.timestamp)
        line.send_packed(frames.verdicts((one, 0, 4, 9)))
        line.send_packed(frames.verdicts((two, 1, 0, 8)))
        line.send_packed(frames.verdicts((one, 1, 0, 7), (two, 0, 3, 7)))
        assert [(verdict.accepted, verdict.reason, verdict.tick) for verdict in await first] == [
            (True, None, 7),
            (False, "teleport", 7),
        ]
        assert [verdict.tick for verdict in await second] == [8]
        judged = await told(socket)
        assert isinstance(judged, FixesJudged)
        assert [(verdict.at, verdict.reason) for verdict in judged.data] == [(AT, "time_order")]


async def test_packed_fixes_that_are_never_judged_time_out_and_are_forgotten(gateway):
    async with await connected(gateway, timeout_s=0.05) as socket:
        with pytest.raises(TimeoutError):
            await socket.report_packed([FIX])
        gateway.lines[0].send_packed(frames.verdicts((to_us(AT), 1, 0, 1)))
        assert isinstance(await told(socket), FixesJudged)


async def test_when_the_line_is_cut_who_waits_for_packed_verdicts_hears_of_it(gateway):
    async with await connected(gateway) as socket:
        verdicts = socket.report_packed([FIX])
        gateway.lines[0].cut()
        with pytest.raises(Closed):
            await verdicts
        with pytest.raises(Closed):
            socket.stream_packed([FIX])


async def test_surroundings_are_kept_and_only_one_event_waits_to_say_so(gateway):
    async with await connected(gateway) as socket:
        for number in range(3):
            entered = [(number, 0, 0, 0, 0, bytes(16))]
            gateway.lines[0].send_packed(frames.surroundings([frames.section(CELL, entered=entered)]))
        await socket.ask("ping")
        assert len(socket.surroundings) == 3
        assert [type(event) for event in socket.events.waiting()] == [SurroundingsChanged]
        gateway.lines[0].send_packed(frames.surroundings([frames.section(CELL, left=[1])]))
        assert isinstance(await told(socket), SurroundingsChanged)
        assert {one.id for one in socket.surroundings.everybody()} == {0, 2}


async def test_who_goes_on_with_another_stream_begins_with_an_empty_picture(gateway):
    """What the connection watched before was given up; of the stream that it stayed with everything goes on."""
    gateway.handlers["resume"] = lambda _, message: {
        "type": "resumed",
        "epoch": message["epoch"],
        "seq": 0,
        "channels": [],
    }
    async with await connected(gateway) as socket:
        for epoch, left in (("e0", 1), ("another", 0)):
            entered = [(1, 0, 0, 0, 0, bytes(16))]
            gateway.lines[0].send_packed(frames.surroundings([frames.section(CELL, entered=entered)]))
            await socket.resume(epoch=epoch, seq=0)
            assert len(socket.surroundings) == left


async def test_packed_frames_of_a_later_kind_are_passed_over(gateway):
    async with await connected(gateway) as socket:
        gateway.lines[0].send_packed(b"\x0f\x01\x00\x00")
        await socket.ask("ping")
        assert socket.events.waiting() == []


@pytest.mark.parametrize("payload", [b"\x03\x01\x01\x00", b"\x02\x01\x01\x00", b"\x80", b"\xc1", b"{}"])
async def test_a_binary_frame_that_is_no_message_ends_the_connection(gateway, payload):
    socket = await connected(gateway, subprotocol="msgpack")
    gateway.lines[0].send_packed(payload)
    async with asyncio.timeout(WAIT_S):
        assert "no message" in (await socket.ended).reason
    await until(lambda: gateway.lines[0].close_code == 1007)
    await socket.close()


async def test_a_text_that_is_no_message_ends_the_connection(gateway):
    socket = await connected(gateway)
    gateway.lines[0].send({"seq": 1})
    with pytest.raises(Closed, match="no message"):
        await told(socket)
    await socket.close()


async def test_events_end_with_what_the_server_said(gateway):
    async with await connected(gateway) as socket:
        gateway.lines[0].send({"type": "n", "seq": 1})
        gateway.lines[0].close(4409)
        assert (await anext(socket.events)).seq == 1
        with pytest.raises(Closed, match="4409"):
            await anext(socket.events)
