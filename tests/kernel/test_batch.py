"""Group commit: one batch in flight, an outcome for every command, and callers that cannot hurt each other."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.refusals import Busy, Fault, Refusal


class Unlucky(Refusal):
    """The test's own refusal."""

    code = "test.unlucky"
    public = ("n",)


class Gate:
    """A `run` that stops until the test lets each batch go, and remembers what it was given."""

    def __init__(self, answer: Callable[[int], Any] = lambda command: command * 10) -> None:
        self.answer = answer
        self.batches: list[list[int]] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self._started: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def run(self, commands: Sequence[int]) -> list[Any]:
        self.batches.append(list(commands))
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        go = asyncio.get_running_loop().create_future()
        self._started.put_nowait(go)
        try:
            await go
        finally:
            self.in_flight -= 1
        return [self.answer(command) for command in commands]

    async def started(self) -> asyncio.Future[None]:
        """Waits for the next batch to begin; resolving what comes back lets it end."""
        return await self._started.get()

    async def pass_one(self) -> None:
        (await self.started()).set_result(None)

    def pass_if_started(self) -> None:
        if not self._started.empty():
            self._started.get_nowait().set_result(None)


def submitted(lane: Any, *commands: int) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(lane.submit(command)) for command in commands]


async def until_waiting(lane: GroupCommit[Any, Any], n: int) -> None:
    while lane.queue != n:  # noqa: ASYNC110 - the queue has no event to wait on; each turn lets the callers run
        await asyncio.sleep(0)


async def outcomes(tasks: Sequence[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def echo(commands: Sequence[int]) -> list[int | Refusal]:
    return [command * 10 for command in commands]


async def test_a_lone_command_runs_at_once_as_a_batch_of_one():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    (task,) = submitted(lane, 1)
    await gate.pass_one()
    assert await task == 10
    assert gate.batches == [[1]]
    assert (lane.batches, lane.items, lane.queue) == (1, 1, 0)


async def test_while_a_batch_is_in_flight_the_next_gathers():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    first = submitted(lane, 1)
    go = await gate.started()
    rest = submitted(lane, 2, 3, 4)
    await until_waiting(lane, 3)
    go.set_result(None)
    await gate.pass_one()
    assert await outcomes([*first, *rest]) == [10, 20, 30, 40]
    assert gate.batches == [[1], [2, 3, 4]]
    assert gate.in_flight_max == 1


async def test_commands_submitted_in_one_breath_share_a_batch():
    lane = GroupCommit(name="test", run=echo)
    assert await asyncio.gather(*(lane.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert lane.batches == 1


async def test_a_lone_command_takes_the_single_path_and_more_do_not():
    singles: list[int] = []

    async def run_one(command: int) -> int:
        singles.append(command)
        return -command

    lane = GroupCommit(name="test", run=echo, run_one=run_one)
    assert await lane.submit(7) == -7
    assert await outcomes(submitted(lane, 1, 2)) == [10, 20]
    assert singles == [7]


async def test_the_single_path_may_leave_a_command_to_the_batch():
    async def run_one(command: int) -> int | None:
        return None

    assert await GroupCommit(name="test", run=echo, run_one=run_one).submit(7) == 70


@pytest.mark.parametrize("raised", [True, False])
async def test_the_single_path_may_refuse(raised):
    async def run_one(command: int) -> int | Refusal:
        refusal = Unlucky(n=command)
        if raised:
            raise refusal
        return refusal

    with pytest.raises(Unlucky) as caught:
        await GroupCommit(name="test", run=echo, run_one=run_one).submit(7)
    assert caught.value.public_fields() == {"n": 7}


async def test_a_refusal_in_an_items_place_reaches_that_caller_alone():
    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        return [Unlucky(n=n) if n % 2 else n for n in commands]

    lane = GroupCommit(name="test", run=run)
    answers = await outcomes(submitted(lane, 0, 1, 2, 3))
    assert [a.fields["n"] if isinstance(a, Unlucky) else a for a in answers] == [0, 1, 2, 3]
    assert [isinstance(a, Unlucky) for a in answers] == [False, True, False, True]


@pytest.mark.parametrize("kind", [Unlucky, Fault])
async def test_a_refusal_that_run_raises_reaches_every_caller_as_its_own_exception(kind):
    runs = 0

    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        nonlocal runs
        runs += 1
        raise kind("down", n=5)

    answers = await outcomes(submitted(GroupCommit(name="test", run=run), 1, 2, 3))
    assert all(type(a) is kind and a.detail == "down" and a.fields == {"n": 5} for a in answers)
    assert len({id(a) for a in answers}) == 3
    assert runs == 1


@given(size=st.integers(1, 200), poison=st.sets(st.integers(0, 199), max_size=3))
def test_poisonous_commands_fail_alone_and_the_others_keep_their_order(size, poison):
    """The price is bounded too: a few runs for each poisonous command, not one for each neighbour."""
    done: list[int] = []
    runs = 0

    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        nonlocal runs
        runs += 1
        if bad := [n for n in commands if n in poison]:
            raise ZeroDivisionError(str(bad))
        done.extend(commands)
        return [n * 10 for n in commands]

    async def scene() -> list[Any]:
        lane = GroupCommit(name="test", run=run)
        return await outcomes(submitted(lane, *range(size)))

    answers = asyncio.run(scene())
    for n, answer in enumerate(answers):
        assert isinstance(answer, ZeroDivisionError) if n in poison else answer == n * 10
    assert done == [n for n in range(size) if n not in poison]
    assert runs <= 1 + 16 * len(poison)


async def test_splitting_gives_up_after_a_bounded_number_of_runs():
    runs = 0

    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        nonlocal runs
        runs += 1
        raise ZeroDivisionError

    lane = GroupCommit(name="test", run=run, batch_max=2000)
    answers = await outcomes(submitted(lane, *range(2000)))
    assert all(isinstance(a, ZeroDivisionError) for a in answers)
    assert runs < 100
    assert lane.reruns == runs - 1


@pytest.mark.parametrize("answers", [[], [1], [1, 2, 3]])
async def test_answers_that_do_not_fit_the_batch_are_a_bug_told_to_all_and_not_run_again(answers):
    runs = 0

    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        nonlocal runs
        runs += 1
        return list(answers)

    got = await outcomes(submitted(GroupCommit(name="test", run=run), 1, 2))
    assert [str(a) for a in got] == [f"lane test: {len(answers)} answers to 2 commands"] * 2
    assert runs == 1


async def test_a_full_queue_is_busy_and_counted():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run, queue_max=2)
    tasks = submitted(lane, 1)
    go = await gate.started()
    tasks += submitted(lane, 2, 3)
    await until_waiting(lane, 2)
    with pytest.raises(Busy):
        await lane.submit(4)
    assert lane.refused_full == 1
    go.set_result(None)
    await gate.pass_one()
    assert await outcomes(tasks) == [10, 20, 30]


async def test_a_caller_that_leaves_the_queue_takes_its_command_and_frees_its_place():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run, queue_max=2)
    tasks = submitted(lane, 1)
    go = await gate.started()
    tasks += submitted(lane, 2, 3)
    await until_waiting(lane, 2)
    tasks[1].cancel()
    await until_waiting(lane, 1)
    tasks += submitted(lane, 4)
    await until_waiting(lane, 2)
    go.set_result(None)
    await gate.pass_one()
    answers = await outcomes(tasks)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[0], *answers[2:]] == [10, 30, 40]
    assert gate.batches == [[1], [3, 4]]


async def test_a_command_that_was_taken_completes_without_its_caller():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    tasks = submitted(lane, 1, 2)
    go = await gate.started()
    tasks[0].cancel()
    assert isinstance((await outcomes(tasks[:1]))[0], asyncio.CancelledError)
    go.set_result(None)
    assert await tasks[1] == 20
    assert gate.batches == [[1, 2]]
    assert gate.in_flight == 0


async def test_a_bug_whose_caller_has_left_is_told_to_the_event_loop():
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    gate = Gate(answer=lambda command: 1 // command)
    lane = GroupCommit(name="test", run=gate.run)
    (task,) = submitted(lane, 0)
    go = await gate.started()
    task.cancel()
    await outcomes([task])
    go.set_result(None)
    await lane.close()
    assert [type(context["exception"]) for context in told] == [ZeroDivisionError]


async def test_closing_drains_what_was_submitted_and_refuses_the_rest():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    tasks = submitted(lane, 1)
    go = await gate.started()
    tasks += submitted(lane, 2)
    await until_waiting(lane, 1)
    closing = [asyncio.create_task(lane.close()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await lane.submit(3)
    assert not any(task.done() for task in closing)
    go.set_result(None)
    await gate.pass_one()
    await asyncio.gather(*closing)
    assert await outcomes(tasks) == [10, 20]


async def test_an_unused_lane_closes_at_once():
    await GroupCommit(name="test", run=echo).close()


async def test_a_stopped_lane_leaves_no_caller_waiting():
    """The event loop cancels every task when it ends; callers learn whether their command may have taken effect."""
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    tasks = submitted(lane, 1)
    go = await gate.started()
    tasks += submitted(lane, 2)
    await until_waiting(lane, 1)
    go.cancel()
    answers = await outcomes(tasks)
    assert [type(a) for a in answers] == [Fault, Busy]


async def test_a_lane_works_on_after_a_stop():
    gate = Gate()
    lane = GroupCommit(name="test", run=gate.run)
    (lost,) = submitted(lane, 1)
    (await gate.started()).cancel()
    await outcomes([lost])
    (kept,) = submitted(lane, 2)
    await gate.pass_one()
    assert await kept == 20


async def test_a_run_that_answers_nothing_leaves_no_caller_waiting():
    async def run(commands: Sequence[int]) -> Any:
        return None

    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    answers = await outcomes(submitted(GroupCommit(name="test", run=run), 1, 2))
    assert [type(a) for a in answers] == [Fault, Fault]


async def test_the_callers_context_does_not_leak_into_the_batch():
    trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")
    seen: list[str] = []

    async def run(commands: Sequence[int]) -> list[int | Refusal]:
        seen.append(trace.get())
        return list(commands)

    lane = GroupCommit(name="test", run=run)
    trace.set("a caller's")
    await lane.submit(1)
    assert seen == ["none"]


class Stopwatch:
    """Time that passes only inside batches: so many milliseconds a batch, so many microseconds a command."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.batch_s = 0.0
        self.command_s = 0.0

    async def run(self, commands: Sequence[int]) -> list[int | Refusal]:
        self.now_s += self.batch_s + self.command_s * len(commands)
        return list(commands)


async def test_slow_full_batches_shrink_the_limit_and_fast_ones_let_it_grow_again():
    watch = Stopwatch()
    lane = GroupCommit(
        name="test", run=watch.run, batch_max=256, latency_budget_s=0.02, monotonic_s=lambda: watch.now_s
    )
    watch.command_s = 0.0002
    await outcomes(submitted(lane, *range(4000)))
    assert 50 <= lane.batch_limit <= 100
    watch.command_s = 0.000_001
    await outcomes(submitted(lane, *range(4000)))
    assert lane.batch_limit == 256


async def test_a_cost_per_batch_does_not_shrink_the_limit_below_an_eighth():
    watch = Stopwatch()
    watch.batch_s = 1.0
    lane = GroupCommit(name="test", run=watch.run, batch_max=256, monotonic_s=lambda: watch.now_s)
    await outcomes(submitted(lane, *range(4000)))
    assert lane.batch_limit == 32


async def test_slow_batches_that_were_not_full_leave_the_limit_alone():
    watch = Stopwatch()
    watch.batch_s = 1.0
    lane = GroupCommit(name="test", run=watch.run, batch_max=256, monotonic_s=lambda: watch.now_s)
    await outcomes(submitted(lane, *range(255)))
    assert lane.batch_limit == 256


@pytest.mark.parametrize("wrong", [{"queue_max": 0}, {"batch_max": 0}, {"latency_budget_s": 0.0}])
def test_bounds_must_be_positive(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        GroupCommit(name="test", run=echo, **wrong)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 60))
def test_whatever_the_interleaving_every_command_gets_one_outcome_in_order(seed, n):
    """Callers come, leave and are refused at random while batches end, fail and refuse at random."""
    chance = random.Random(seed)
    gate = Gate(answer=lambda command: Unlucky(n=command) if command % 5 == 4 else command * 10)
    left: set[int] = set()

    async def scene() -> list[Any]:
        lane = GroupCommit(name="test", run=gate.run, queue_max=8, batch_max=4)
        tasks: list[asyncio.Task[Any]] = []
        while len(tasks) < n or not all(task.done() for task in tasks):
            match chance.randrange(3):
                case 0 if len(tasks) < n:
                    tasks += submitted(lane, len(tasks))
                case 1 if tasks and chance.random() < 0.3:
                    leaver = chance.randrange(len(tasks))
                    if tasks[leaver].cancel():
                        left.add(leaver)
                case 2:
                    gate.pass_if_started()
            await asyncio.sleep(0)
        draining = asyncio.create_task(lane.close())
        while not draining.done():
            gate.pass_if_started()
            await asyncio.sleep(0)
        return await outcomes(tasks)

    answers = asyncio.run(scene())
    ran = [command for batch in gate.batches for command in batch]
    assert ran == sorted(set(ran)), "each command runs at most once, in the order of submission"
    assert gate.in_flight_max <= 1
    for command, answer in enumerate(answers):
        match answer:
            case asyncio.CancelledError():
                assert command in left
            case Busy():
                assert command not in ran
            case Unlucky():
                assert command in ran
                assert answer.fields["n"] == command
                assert command % 5 == 4
            case _:
                assert command in ran
                assert answer == command * 10


async def test_lanes_keep_the_order_of_a_key_and_run_side_by_side():
    gates = [Gate(), Gate()]
    lanes = Lanes(2, make=lambda i: GroupCommit(name=f"test {i}", run=gates[i].run), key=lambda command: command % 2)
    tasks = submitted(lanes, 0, 1, 2, 3, 4)
    starts = [await gate.started() for gate in gates]
    assert gates[0].batches == [[0, 2, 4]]
    assert gates[1].batches == [[1, 3]]
    for start in starts:
        start.set_result(None)
    assert await outcomes(tasks) == [0, 10, 20, 30, 40]
    await lanes.close()
    with pytest.raises(Busy):
        await lanes.submit(1)


def test_no_lanes_is_refused():
    with pytest.raises(ValueError, match="at least one lane"):
        Lanes(0, make=lambda i: GroupCommit(name="test", run=echo), key=lambda command: command)
