"""Live figures as server-sent events: one computation for all, the newest for the slow, an end for every stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from overworld.kernel.refusals import Busy
from tests.platform.graphql.conftest import Desk, Figures

STAFF = "staff"
FIGURES = "subscription { figures { count } }"


class Listener:
    """A client of a stream, as the server sees one. `reads` is cleared to read no more for a while."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.reads = asyncio.Event()
        self.reads.set()
        self.left = asyncio.Event()
        self._came = asyncio.Condition()
        self._body: list[bytes] = []

    def asks(self, body: bytes) -> None:
        self._body = [body]

    async def receive(self) -> Any:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(), "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        async with self._came:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                self.text += message["body"].decode()
            self._came.notify_all()

    async def until(self, is_so: Callable[[Listener], bool]) -> None:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: is_so(self))

    @property
    def events(self) -> list[tuple[str, Any]]:
        """The whole events that came, heartbeats left out."""
        found: list[tuple[str, Any]] = []
        for block in self.text.split("\n\n")[:-1]:
            lines = dict(line.split(":", 1) for line in block.splitlines())
            if "event" in lines:
                data = lines["data"].strip()
                found.append((lines["event"].strip(), json.loads(data) if data else None))
        return found

    @property
    def counts(self) -> list[int]:
        """The figures that came."""
        return [told["data"]["figures"]["count"] for event, told in self.events if event == "next" and "data" in told]


@asynccontextmanager
async def listening(
    desk: Desk, query: str = FIGURES, *, token: str | None = STAFF, address: str = "203.0.113.9", **headers: str
) -> AsyncIterator[Listener]:
    """A stream that is open while the block runs."""
    listener = Listener()
    listener.asks(json.dumps({"query": query}).encode())
    given = {"content-type": "application/json", "accept": "text/event-stream"}
    given |= ({} if token is None else {"authorization": f"Bearer {token}"}) | headers
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql/stream",
        "raw_path": b"/graphql/stream",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": (address, 5000),
        "server": ("test", 80),
    }
    task = asyncio.create_task(desk.app(scope, listener.receive, listener.send))
    try:
        await listener.until(lambda it: bool(it.status))
        yield listener
    finally:
        listener.left.set()
        listener.reads.set()
        async with asyncio.timeout(10):
            await task


async def test_a_subscription_is_told_figures_again_and_again(desk):
    async with listening(desk) as listener:
        await listener.until(lambda it: len(it.counts) >= 3)
        assert listener.status == 200
        assert listener.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert listener.headers["cache-control"] == "no-store"
        assert listener.counts[:3] == [1, 2, 3]
        assert desk.parts.streams.open == 1
    assert desk.parts.streams.open == 0
    assert desk.ticker.listening == 0


async def test_a_frame_is_worked_out_and_written_once_for_all(make_desk, monkeypatch):
    from overworld.platform.graphql import engine

    desk, written = make_desk(streams_each_max=50), []
    render = engine.Engine.render

    def counted(self: Any, listening: Any, frame: Any) -> Any:
        written.append(frame)
        return render(self, listening, frame)

    monkeypatch.setattr(engine.Engine, "render", counted)
    async with listening(desk) as first, listening(desk) as second, listening(desk) as third:
        for listener in (first, second, third):
            await listener.until(lambda it: len(it.counts) >= 5)
        told = {count for listener in (first, second, third) for count in listener.counts}
    assert len(told) <= desk.ticker.worked_out, "nobody was told what was worked out for them alone"
    assert len(written) == len({id(frame) for frame in written}), "the same words are written once a frame"


async def test_nothing_is_worked_out_when_nobody_listens(desk):
    async with listening(desk) as listener:
        await listener.until(lambda it: len(it.counts) >= 2)
    before = desk.ticker.worked_out
    await asyncio.sleep(0.05)  # pace: five frames' time in which there should be none
    assert desk.ticker.worked_out == before


async def test_a_slow_client_gets_the_newest_frame_and_not_those_between(desk):
    async with listening(desk) as slow, listening(desk) as quick:
        await slow.until(lambda it: bool(it.counts))
        slow.reads.clear()
        seen = slow.counts[-1]
        await quick.until(lambda it: it.counts[-1] >= seen + 20)
        newest = quick.counts[-1]
        slow.reads.set()
        await slow.until(lambda it: it.counts[-1] >= newest)
        missed = [count for count in range(seen + 3, newest - 1) if count in slow.counts]
    assert missed == [], "one was being written and one waited; the others were never told"


async def test_a_stream_that_has_nothing_to_say_says_so(make_desk):
    desk = make_desk(every_s=60.0, heartbeat_s=0.1)
    async with listening(desk) as listener:
        await listener.until(lambda it: it.text.count(":\n\n") >= 2)
        assert listener.counts == [1]


async def test_who_comes_later_gets_the_newest_frame_at_once(make_desk):
    desk = make_desk(every_s=60.0)
    async with listening(desk) as first:
        await first.until(lambda it: bool(it.counts))
        async with listening(desk) as second:
            await second.until(lambda it: it.counts == [1])
    assert desk.ticker.worked_out == 1


async def test_a_refusal_is_told_in_the_place_of_a_frame_and_the_stream_goes_on(make_desk):
    tries: list[int] = []

    async def work() -> Figures:
        tries.append(1)
        if len(tries) == 1:
            raise Busy
        if len(tries) == 2:
            raise ValueError("hunter2")
        return Figures(len(tries))

    async with listening(make_desk(work=work)) as listener:
        await listener.until(lambda it: bool(it.counts))
        codes = [told["errors"][0]["extensions"]["code"] for _, told in listener.events if told and "errors" in told]
        assert codes == ["platform.busy", "http.internal"]
        assert "hunter2" not in listener.text


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("{", "graphql.syntax"),
        ("subscription { nothing }", "graphql.invalid"),
        ("subscription { figures { count } again: figures { count } }", "graphql.invalid"),
        ("{ purse { owner } }", "graphql.other_route"),
        (
            "subscription { " + " ".join(f"a{n}: figures {{ count }}" for n in range(40)) + " }",
            "graphql.too_many_aliases",
        ),
    ],
)
async def test_a_document_that_is_not_in_order_is_told_why_in_the_stream(desk, query, wrong):
    """Source: GraphQL over Server-Sent Events Protocol, distinct connections mode."""
    async with listening(desk, query) as listener:
        await listener.until(lambda it: len(it.events) == 2)
        (event, told), (last, nothing) = listener.events
        assert (listener.status, event, last, nothing) == (200, "next", "complete", None)
        assert told["errors"][0]["extensions"]["code"] == wrong
        assert desk.parts.streams.open == 0


async def test_the_scope_or_what_is_lent_opens_a_feed(desk):
    async def refusal(**who: Any) -> str | None:
        async with listening(desk, **who) as listener:
            await listener.until(lambda it: bool(it.events))
            told = listener.events[0][1]
            code: str | None = told["errors"][0]["extensions"]["code"] if "errors" in told else None
            return code

    assert await refusal(token=None) == "http.unauthenticated"
    assert await refusal(token="player") == "http.forbidden"
    assert await refusal(token="staff") is None
    assert await refusal(token=None, **{"overworld-key": "owdev_key"}) is None
    assert await refusal(token=None, **{"x-neighbour": "1"}) is None


async def test_fragments_and_variables_work_in_subscriptions_too(desk):
    query = "subscription { ...f } fragment f on Subscription { ... { figures { n: count } } }"
    async with listening(desk, query) as listener:
        await listener.until(lambda it: bool(it.events))
        assert set(listener.events[0][1]["data"]["figures"]) == {"n"}


async def test_streams_are_bounded_for_each_and_for_all(make_desk):
    desk = make_desk(streams_max=3, streams_each_max=2)
    near: dict[str, Any] = {"token": None, "x-neighbour": "1"}
    far = near | {"address": "198.51.100.7"}
    async with listening(desk, **near), listening(desk, **near):
        async with listening(desk, **near) as third:
            await third.until(lambda it: bool(it.text))
            assert (third.status, third.headers["retry-after"]) == (429, "5")
            assert json.loads(third.text)["code"] == "graphql.too_many_streams"
        async with listening(desk, **far), listening(desk, **far) as fourth:
            await fourth.until(lambda it: bool(it.text))
            assert (fourth.status, fourth.headers["retry-after"]) == (503, "5")
            assert json.loads(fourth.text)["code"] == "graphql.no_stream_free"
    assert (desk.parts.streams.open, desk.parts.streams.refused) == (0, 2)
    async with listening(desk, **near) as again:
        assert again.status == 200


async def test_a_client_that_takes_no_streams_is_told_so(desk):
    async with listening(desk, accept="application/json") as listener:
        await listener.until(lambda it: bool(it.text))
        assert (listener.status, json.loads(listener.text)["code"]) == (406, "graphql.not_acceptable")


async def test_a_stream_ends_when_its_token_does(desk):
    async with listening(desk) as listener:
        await listener.until(lambda it: len(it.counts) >= 2)
        desk.tokens.ended.add("staff")
        await listener.until(lambda it: it.events[-1][0] == "complete")
        assert listener.events[-2][1]["errors"][0]["extensions"]["code"] == "test.token_ended"
        assert desk.parts.streams.open == 0


async def test_every_stream_ends_in_good_order_when_the_server_stops(desk):
    async with listening(desk) as first, listening(desk, token=None, **{"x-neighbour": "1"}) as second:
        await first.until(lambda it: bool(it.counts))
        desk.parts.streams.close()
        for listener in (first, second):
            await listener.until(lambda it: it.events[-1][0] == "complete")
        async with listening(desk) as late:
            await late.until(lambda it: bool(it.text))
            assert late.status == 503
    assert desk.parts.streams.open == 0
