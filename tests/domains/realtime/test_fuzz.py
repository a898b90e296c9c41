"""Whatever text comes in: an answer or a close, and the gateway lives on."""

import asyncio
import json

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TYPES = ("auth", "subscribe", "unsubscribe", "location.update", "game.action", "ping", "resume", "")
KEYS = ("type", "cid", "token", "key", "channels", "data", "ack", "action", "target", "request_id")
OURS = {"error", "pong", "subscribed", "auth_result", "location.verdict", "game.result", "coins.nearby"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=12,
)
near_messages = st.builds(
    lambda kind, rest: json.dumps({"type": kind} | rest).encode(),
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS[1:]), values, max_size=5),
)
frames = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass"))
frames = frames | near_messages | values.map(lambda value: json.dumps(value).encode())


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(authenticated=st.booleans(), sent=st.lists(frames, min_size=1, max_size=20))
def test_no_frame_breaks_the_gateway(open_site, authenticated, sent):
    """Every answer is one of ours, every close is 4400 or 4401, no refusal is a bug, and a new peer is served."""

    async def attack() -> None:
        async with open_site(close_s=0.2) as site:
            peer = await (site.player() if authenticated else site.connect())
            for payload in sent:
                peer.send(payload)
            peer.send({"type": "ping", "cid": "the end"})
            while not peer.closed.done() or not peer.inbox.empty():
                frame = await answer_or_end(peer)
                if frame is None or frame.get("cid") == "the end":
                    break
                assert frame["type"] in OURS
                assert frame.get("error", {}).get("status", 0) < 500
            if peer.closed.done():
                assert peer.closed.result()[0] in {4400, 4401}
            assert (await (await site.connect()).ask({"type": "ping"}))["type"] == "pong"

    uvloop.run(attack())


async def answer_or_end(peer):
    """The next frame; None when the connection ended without one."""
    frame = asyncio.ensure_future(peer.inbox.get())
    await asyncio.wait({frame, peer.closed}, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    if not frame.done():
        frame.cancel()
        assert peer.closed.done(), "neither an answer nor a close"
        return None
    return frame.result()
