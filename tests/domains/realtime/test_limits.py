"""What one connection may cost, and how it ends when it costs more."""

import asyncio
import base64
import json
import os
import struct

import picows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.realtime import RealtimeSettings
from overworld.domains.realtime.limits import FrameRate


@given(
    per_s=st.floats(0.1, 10_000),
    burst=st.integers(1, 1_000),
    start_s=st.floats(0, 1e6),
)
def test_a_burst_is_exact_and_refills_at_the_rate(per_s, burst, start_s):
    rate = FrameRate(per_s=per_s, burst=burst)
    assert [rate.take(start_s) for _ in range(burst + 1)] == [True] * burst + [False]
    assert rate.take(start_s + 1.001 / per_s)
    assert not rate.take(start_s + 1.001 / per_s)


async def test_a_flood_is_closed(open_site):
    async with open_site(frames_burst=20, frames_per_s=0.001) as site:
        peer = await site.connect()
        for _ in range(21):
            peer.send({"type": "ping"})
        assert await peer.end() == (4429, "too many frames")
        assert peer.inbox.qsize() == 20
        assert site.gateway.counters.closes == {4429: 1}


async def test_pings_of_the_websocket_count_as_frames(open_site):
    """Else a flood of them would be answered for free."""
    async with open_site(frames_burst=20, frames_per_s=0.001) as site:
        peer = await site.connect()
        for _ in range(21):
            peer.transport.send_ping(b"x")
        assert (await peer.end())[0] == 4429


async def test_with_limits_off_no_rate_holds(open_site):
    async with open_site(limits_enabled=False, frames_burst=1, frames_per_s=0.001) as site:
        peer = await site.connect()
        for _ in range(500):
            peer.send({"type": "ping"})
        assert len(await peer.settled()) == 500


@pytest.mark.parametrize("size", [16_385, 65_000])
async def test_a_frame_too_big_is_closed(site, size):
    peer = await site.player()
    peer.send(b" " * size)
    assert await peer.end() == (4413, "frame too big")


async def test_a_huge_frame_is_cut_at_its_header(site):
    """Nothing is read or allocated for it; picows answers with the code of the WebSocket standard."""
    reader, writer = await raw_connection(site)
    writer.write(bytes([0x81, 0xFF]) + struct.pack("!Q", 10_000_000) + b"mask")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert struct.unpack("!H", answer[2:4])[0] == 1009
    await site.until(lambda: site.gateway.counters.closes == {1009: 1})


async def test_the_largest_frame_is_served(site):
    peer = await site.player()
    message = json.dumps({"type": "ping", "cid": "big"})
    peer.send(message + " " * (16_384 - len(message)))
    assert (await peer.receive())["cid"] == "big"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"{",
        b"",
        b"[]",
        b"17",
        b'"text"',
        b"{}",
        b'{"type":7}',
        b'{"type":"ping","cid":7}',
        b'{"type":"ping","cid":"%b"}' % (b"x" * 65),
        b'{"type":"ping","unknown":1}',
        b'{"type":"auth"}',
        b'{"type":"auth","token":["x"]}',
        b'{"type":"subscribe","channels":"system"}',
        b'{"type":"subscribe","channels":[]}',
        b'{"type":"subscribe","channels":["%b"]}' % (b"x" * 200),
        b'{"type":"location.update"}',
        b'{"type":"location.update","data":' + b"[" * 8_000,
        b"[" * 16_000,
        b'{"type":"ping","cid":"\\ud800"}',
    ],
)
async def test_malformed_messages_are_told_and_the_third_closes(site, payload):
    peer = await site.player()
    for _ in range(3):
        peer.send(payload)
    for _ in range(3):
        problem = (await peer.receive())["error"]
        assert problem["code"] in {"realtime.bad_frame", "realtime.unknown_type"}
    assert await peer.end() == (4400, "malformed frames")


async def test_a_binary_frame_is_malformed_on_json(site):
    peer = await site.player()
    peer.transport.send(picows.WSMsgType.BINARY, b'{"type":"ping"}')
    assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_fragments_are_put_together(site):
    peer = await site.connect()
    pieces = [b'{"type":"pi', b'ng","c', b'id":"f"}']
    for i, piece in enumerate(pieces):
        kind = picows.WSMsgType.TEXT if i == 0 else picows.WSMsgType.CONTINUATION
        peer.transport.send(kind, piece, fin=i == 2)
        peer.transport.send_ping()
    assert await peer.receive() == {"type": "pong", "cid": "f"}


async def test_fragments_are_bounded_together(site):
    peer = await site.connect()
    peer.transport.send(picows.WSMsgType.TEXT, b" " * 10_000, fin=False)
    peer.transport.send(picows.WSMsgType.CONTINUATION, b" " * 10_000, fin=False)
    assert (await peer.end())[0] == 4413


@pytest.mark.parametrize("first", [picows.WSMsgType.TEXT, None])
async def test_fragments_out_of_order_are_malformed(site, first):
    peer = await site.connect()
    if first is not None:
        peer.transport.send(first, b"{", fin=False)
    peer.transport.send(picows.WSMsgType.TEXT if first else picows.WSMsgType.CONTINUATION, b"{}")
    assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"


async def test_reserved_bits_are_malformed(site):
    peer = await site.connect()
    peer.transport.send(picows.WSMsgType.TEXT, b'{"type":"ping"}', rsv1=True)
    assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"


async def test_a_silent_peer_is_pinged_and_closed_as_idle(open_site):
    async with open_site(ping_s=0.02, idle_s=0.1) as site:
        peer = await site.connect()
        peer.answers_pings = False
        assert await peer.end() == (4408, "idle")
        assert peer.pings >= 1


def test_pings_that_would_come_after_the_idle_time_are_no_settings():
    with pytest.raises(ValueError, match="ping_s must be less"):
        RealtimeSettings(ping_s=60.0, idle_s=60.0)


async def test_a_peer_that_answers_pings_stays(open_site):
    """Several idle times pass, told by another peer's close; the one that pongs is still served."""
    async with open_site(ping_s=0.02, idle_s=0.25, auth_s=0.6) as site:
        quiet = await site.player()
        silent = await site.connect()
        assert (await silent.end())[0] == 4401
        assert (await quiet.ask({"type": "ping"}))["type"] == "pong"
        assert quiet.pings > 5


async def raw_connection(site, *, options="Upgrade"):
    """A TCP connection that has made the upgrade by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        "GET /v1/realtime HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        f"Connection: {options}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer
    return reader, writer


@pytest.mark.parametrize(
    "frame",
    [
        bytes([0x83, 0x80, 0, 0, 0, 0]),
        bytes([0x81, 0x02]) + b"{}",
        bytes([0x09, 0x80, 0, 0, 0, 0]),
        bytes([0x89, 0xFE, 0x01, 0x00, 0, 0, 0, 0]),
        bytes([0x81, 0xFF]) + b"\xff" * 8,
        bytes([0x81, 0xFE, 0x00, 0x01, 0, 0, 0, 0]),
        bytes([0x88, 0x81, 0, 0, 0, 0, 0]),
    ],
    ids=["opcode", "unmasked", "split control", "long control", "huge length", "padded length", "half a close code"],
)
async def test_a_broken_websocket_frame_ends_its_connection_alone(site, frame):
    other = await site.player()
    reader, writer = await raw_connection(site)
    writer.write(frame)
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer[0] == 0x88
    assert struct.unpack("!H", answer[2:4])[0] in {1002, 1009}
    assert (await other.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("options", ["upgrade", "keep-alive, Upgrade"])
async def test_the_connection_header_may_list_more_than_the_upgrade(site, options):
    """Firefox sends the second."""
    await raw_connection(site, options=options)


async def test_who_does_not_finish_the_upgrade_is_cut(open_site):
    async with open_site(handshake_s=0.02) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
        writer.write(b"GET /v1/realtime HTTP/1.1\r\n")
        async with asyncio.timeout(5):
            assert await reader.read() == b""


async def test_who_does_not_answer_a_close_is_cut(open_site):
    async with open_site(auth_s=0.02, close_s=0.02) as site:
        reader, _ = await raw_connection(site)
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert struct.unpack("!H", answer[2:4])[0] == 4401
        await site.until(lambda: site.gateway.connections == 0)


async def test_a_client_that_closes_gets_its_answer_and_is_counted(site):
    reader, writer = await raw_connection(site)
    writer.write(bytes([0x88, 0x82, 0, 0, 0, 0]) + struct.pack("!H", 1000))
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert (answer[0], struct.unpack("!H", answer[2:4])[0]) == (0x88, 1000)
    await site.until(lambda: site.gateway.counters.left == 1)
