"""Where the code stands in a trace, and which spans it leaves behind."""

from __future__ import annotations

import asyncio

import pytest

from overworld.kernel import tracing
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.tracing import Span, Trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Kept:
    """A recorder that keeps everything in a list, and records what its caller asks for."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._now_ns = 0

    def samples(self, caller: Trace | None) -> bool:
        return caller is not None and caller.is_sampled

    def now_ns(self) -> int:
        self._now_ns += 1
        return self._now_ns

    def keep(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def kept():
    kept = Kept()
    with tracing.recording(kept):
        yield kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
    ],
)
def test_what_is_no_traceparent_begins_a_trace_of_its_own(text):
    assert tracing.parsed(text) is None
    place, parent_id = tracing.entered(text)
    assert (len(place.trace_id), place.trace_id != TRACE_ID, parent_id) == (32, True, None)


def test_a_place_is_read_as_it_was_written():
    for is_sampled in (False, True):
        place = Trace(TRACE_ID, SPAN_ID, is_sampled)
        assert tracing.parsed(place.traceparent()) == place


def test_nothing_is_recorded_outside_a_sampled_trace(kept):
    assert tracing.begin("x") is None
    with tracing.at(Trace(TRACE_ID, SPAN_ID, False)), tracing.span("x") as span:
        assert (span, tracing.here()) == (None, Trace(TRACE_ID, SPAN_ID, False))
    assert kept.spans == []


def test_nothing_is_recorded_without_a_recorder():
    with tracing.at(Trace(TRACE_ID, SPAN_ID, True)), tracing.span("x") as span:
        assert span is None


def test_spans_stand_below_each_other_and_tell_their_errors(kept):
    with tracing.at(Trace(TRACE_ID, SPAN_ID, True)), pytest.raises(KeyError), tracing.span("outer"):
        with tracing.span("inner"):
            pass
        raise KeyError
    inner, outer = kept.spans
    assert (inner.parent_id, outer.parent_id) == (outer.trace.span_id, SPAN_ID)
    assert (inner.error, outer.error) == ("", "KeyError")
    assert tracing.here() is None


async def test_a_batch_is_one_span_with_links_to_its_commands_and_each_key_keeps_its_own_trace(kept):
    """Two traces that are recorded, one that is not, and a command without any share one batch."""
    seen: dict[str, str | None] = {}
    first_is_in = asyncio.Event()
    go_on = asyncio.Event()

    async def run(commands):
        first_is_in.set()
        await go_on.wait()
        for command in commands:
            place = tracing.here_of(command)
            seen[command] = place.trace_id if place else None
        return commands

    lanes = Lanes[str, str](1, make=lambda i: GroupCommit(name="l", run=run), key=lambda command: command)

    async def submit(command: str, trace: Trace | None) -> None:
        with tracing.at(trace):
            await lanes.submit(command)

    traces = {c: Trace(c * 32, SPAN_ID, c != "c") for c in "abc"}
    async with asyncio.TaskGroup() as group:
        group.create_task(submit("alone", None))
        await first_is_in.wait()
        for command, trace in [*traces.items(), ("d", None)]:
            group.create_task(submit(command, trace))
        await asyncio.sleep(0)  # pace: lets the tasks reach the queue
        go_on.set()
    [batch] = kept.named("batch")
    rides = {span.trace.trace_id: span for span in kept.named("lane")}
    assert rides.keys() == {"a" * 32, "b" * 32}
    assert set(batch.links) == {span.trace for span in rides.values()}
    assert batch.parent_id == rides["a" * 32].trace.span_id
    assert (batch.attributes["lane"], batch.attributes["commands"]) == ("l", 4)
    assert [seen[c] for c in "abc"] == ["a" * 32, "b" * 32, "c" * 32]


async def test_a_lane_tells_for_how_long_its_first_command_has_waited():
    now_s = 5.0
    go_on, taken = asyncio.Event(), asyncio.Event()
    batches: list[tuple[int, float]] = []

    async def run(commands):
        taken.set()
        await go_on.wait()
        return commands

    lane = GroupCommit(name="l", run=run, monotonic_s=lambda: now_s)
    lane.on_batch = lambda size, took_s: batches.append((size, took_s))
    async with asyncio.TaskGroup() as group:
        group.create_task(lane.submit(1))
        await taken.wait()
        group.create_task(lane.submit(2))
        await asyncio.sleep(0)  # pace: lets the task reach the queue
        now_s += 3
        assert (lane.waiting, lane.oldest_s) == (1, 3.0)
        go_on.set()
    assert (lane.waiting, lane.oldest_s) == (0, 0.0)
    assert batches == [(1, 3.0), (1, 0.0)]
