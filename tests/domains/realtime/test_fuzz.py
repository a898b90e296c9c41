"""Whatever comes in, on either subprotocol: an answer or a close, and the gateway lives on."""

import asyncio
import json
from datetime import UTC

import msgspec
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picows import WSMsgType

from overworld.kernel.packed import HEADER

from .conftest import MSGPACK

TYPES = ("auth", "subscribe", "unsubscribe", "location.update", "game.action", "ping", "resume", "")
KEYS = ("type", "cid", "epoch", "seq", "token", "key", "channels", "data", "ack", "action", "target", "request_id")
OURS = {
    "error",
    "resumed",
    "resync",
    "pong",
    "subscribed",
    "auth_result",
    "location.verdict",
    "game.result",
    "coins.nearby",
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)
packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.just(UTC))
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=4))
    | st.text(max_size=20)
    | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.binary(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
near_messages = st.builds(
    lambda kind, rest: json.dumps({"type": kind} | rest).encode(),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS[1:]), values, max_size=5),
)
frames = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
texts = frames | near_messages | values.map(lambda value: json.dumps(value).encode())
packed = st.builds(
    lambda kind, version, count, rest: HEADER.pack(kind, version, count) + rest,
    st.sampled_from([1, 1, 1, 2, 3, 15]),
    st.sampled_from([1, 1, 0, 255]),
    st.integers(0, 3) | st.integers(0, 2**16 - 1),
    st.integers(0, 3).map(lambda count: bytes(24 * count)) | st.binary(max_size=80),
)
near_packs = st.builds(
    lambda kind, rest: msgspec.msgpack.encode({"type": kind} | rest),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS[1:]) | st.integers(-1, 2**40) | st.binary(max_size=3), packable, max_size=5),
)
cut_packs = st.builds(lambda whole, at: whole[: at % (len(whole) + 1)], near_packs, st.integers(0, 400))
binaries = frames | packed | near_packs | cut_packs
pieces = st.tuples(
    st.sampled_from([WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION]), texts | binaries, st.booleans()
)
sendings = (
    st.tuples(st.just(WSMsgType.TEXT), texts, st.just(True))
    | st.tuples(st.just(WSMsgType.BINARY), binaries, st.just(True))
    | pieces
)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subprotocol=st.sampled_from([None, MSGPACK]),
    authenticated=st.booleans(),
    patient=st.booleans(),
    sent=st.lists(sendings, min_size=1, max_size=20),
)
def test_no_frame_breaks_the_gateway(open_site, subprotocol, authenticated, patient, sent):
    """Every answer is one of ours, every close is 4400 or 4401, no refusal is a bug, and another is not disturbed."""
    troubles = []

    async def attack() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
        async with open_site(close_s=0.2, bad_frames_max=1_000 if patient else 3) as site:
            other = await site.player("other")
            await other.ask({"type": "subscribe", "channels": ["system"]})
            peer = await site.connect(subprotocol=subprotocol)
            if authenticated:
                site.house.token()
                await peer.ask({"type": "auth", "token": "token"})
            for kind, payload, fin in sent:
                peer.transport.send(kind, payload, fin=fin)
            peer.transport.send(WSMsgType.CONTINUATION, b"", fin=True)  # ends what was begun, else it is malformed
            peer.send({"type": "ping", "cid": "the end"})
            while not peer.closed.done() or not peer.inbox.empty():
                frame = await answer_or_end(peer)
                if frame is None or frame.get("cid") == "the end":
                    break
                assert frame["type"] in OURS
                assert frame.get("error", {}).get("status", 0) < 500
            if peer.closed.done():
                assert peer.closed.result()[0] in {4400, 4401}
            site.gateway.publish("system", b'{"type":"n","data":1}')
            assert [frame["seq"] for frame in await other.settled()] == [1]
            assert (await (await site.connect()).ask({"type": "ping"}))["type"] == "pong"

    uvloop.run(attack())
    assert troubles == []


async def answer_or_end(peer):
    """The next frame; None when the connection ended without one."""
    frame = asyncio.ensure_future(peer.inbox.get())
    await asyncio.wait({frame, peer.closed}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    if not frame.done():
        frame.cancel()
        assert peer.closed.done(), "neither an answer nor a close"
        return None
    return frame.result()
