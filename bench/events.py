"""Events a second through a log, counted when a durable consumer has them: PostgreSQL's own, and Kafka."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import own_kafka, report
from bench.fillers import EVENT_BYTES, Filler, Form, Pen, Write, Writing
from bench.load.sending import Sending, SendingPlan, codec_of
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.own_kafka import KafkaProcess
from bench.own_postgres import Inside, own_postgres
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.platform.avro import Released
from overworld.platform.eventlog import EventLog, Log, PostgresOutbox
from overworld.platform.kafka import KafkaLog, KafkaSettings

_WRITERS_MAX = 64
_SETTLE_S = 60.0

Rate = Annotated[float, Parameter(validator=Number(gte=100, lte=1_000_000))]
Way = Literal["sent", "relayed"]
Writers = Annotated[int, Parameter(validator=Number(gte=1, lte=_WRITERS_MAX))]
BatchSize = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    rate: float
    seconds: float
    rounds: int
    writers: int
    batch: int
    codec: Form = "json"
    way: Way = "sent"


def log(
    *,
    rate: Rate = 5_000,
    writers: Writers = 4,
    batch: BatchSize = 500,
    seconds: Seconds = 20,
    rounds: RoundCount = 5,
    json: Json = False,
) -> int:
    """Events a second through PostgreSQL's log: committed durably, then handed to a durable consumer.

    A latency lasts from when an event was due to be written to when the consumer's handler has it, at `rate` events a
    second in transactions of 50. `events_per_s` is flat out, counted when consumed. Writers, log and consumer are one
    process, as a server is.

    Parameters
    ----------
    rate
        Events a second while latencies are measured.
    writers
        Who write at once flat out, each one transaction after the other.
    batch
        Events of each transaction then.
    seconds
        Measured time, all rounds together: half of it at that rate, half flat out.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(rate=rate, seconds=seconds, rounds=rounds, writers=writers, batch=batch)
    return report.run(partial(_measure_log, wanted), json=json, loop_factory=uvloop.new_event_loop)


def kafka(
    *,
    way: Way = "sent",
    codec: Form = "avro",
    rate: Rate = 5_000,
    writers: Writers = 2,
    batch: BatchSize = 2_000,
    seconds: Seconds = 20,
    rounds: RoundCount = 5,
    json: Json = False,
) -> int:
    """Events a second through Kafka: acknowledged by all replicas of a real broker, then handed to a durable consumer.

    As `log`, on one broker of the Apache distribution, so with one replica. The consumer keeps its place in PostgreSQL.
    What is sent straight there is written in a process of its own, as in a cluster, where one server relays and all
    consume. Writer, consumer, broker and PostgreSQL share this machine; `..._us` is what each takes of its processors
    for an event, flat out. Without a broker it is skipped.

    Parameters
    ----------
    way
        How events get there: sent straight to Kafka, or committed to PostgreSQL and relayed from there.
    codec
        What they are written as.
    rate
        Events a second while latencies are measured.
    writers
        Who write at once flat out: the events of one are encoded while another's are on their way.
    batch
        Events that are sent together then.
    seconds
        Measured time, all rounds together: half of it at that rate, half flat out.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    if not own_kafka.is_there():
        return 0
    wanted = _Wanted(rate=rate, seconds=seconds, rounds=rounds, writers=writers, batch=batch, codec=codec, way=way)
    return report.run(partial(_measure_kafka, wanted), json=json, loop_factory=uvloop.new_event_loop)


async def _measure_log(wanted: _Wanted, folder: Path) -> Report:
    async with own_postgres(folder) as inside, _log_of(inside) as log:
        return await _measure("log", wanted, inside, log, _pen(wanted, inside), settings={})


async def _measure_kafka(wanted: _Wanted, folder: Path) -> Report:
    say("starting a broker")
    schemas = folder / "schemas"
    Released(schemas).add(Filler)
    codec = codec_of(wanted.codec, schemas)
    with KafkaProcess(folder / "kafka", jars=own_kafka.jars()) as broker:
        async with AsyncExitStack() as stack:
            inside = await stack.enter_async_context(own_postgres(folder))
            log = await stack.enter_async_context(_log_of(inside))
            kafka = KafkaSettings(servers=broker.servers)
            there = KafkaLog(log, database=inside.database, clock=SystemClock(), kafka=kafka, codec=codec)
            stack.push_async_callback(there.close)
            processes = {"consumer": [psutil.Process()], "broker": broker.family}
            writing: Writing = _pen(wanted, inside)
            if wanted.way == "sent":
                plan = SendingPlan(
                    servers=broker.servers,
                    schemas=str(schemas),
                    form=wanted.codec,
                    rate=wanted.rate,
                    writers=wanted.writers,
                    batch=wanted.batch,
                )
                writing = sending = await stack.enter_async_context(Sending(plan))
                processes["writer"] = [sending.process]
            else:
                await stack.enter_async_context(_running(there.relay().run()))
            settings: dict[str, object] = {"way": wanted.way, "replicas": 1}
            return await _measure("kafka", wanted, inside, there, writing, settings=settings, processes=processes)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def _log_of(inside: Inside) -> AsyncIterator[EventLog]:
    log = EventLog(inside.database, clock=SystemClock())
    await log.start()
    try:
        yield log
    finally:
        await log.close()


def _pen(wanted: _Wanted, inside: Inside) -> Pen:
    return Pen(
        write=_committing(inside),
        form=wanted.codec,
        rate=wanted.rate,
        writers=wanted.writers,
        batch=wanted.batch,
    )


def _committing(inside: Inside) -> Write:
    clock = SystemClock()
    outbox = PostgresOutbox(ids=IdSource(clock.now_us))

    async def write(events: Sequence[Filler]) -> None:
        async with inside.database.transaction() as tx:
            await outbox.append(tx, events, at=clock.now())

    return write


class _Counted:
    """What the consumer has, and how long each took."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self._grown = asyncio.Event()

    async def __call__(self, envelopes: Sequence[Envelope]) -> None:
        events = [envelope.decode() for envelope in envelopes]
        now_s = time.perf_counter()
        self.latencies_s += [now_s - event.due_s for event in events if isinstance(event, Filler)]
        self._grown.set()

    async def until(self, count: int) -> None:
        """Waits for so many since the last `take`. Raises: TimeoutError."""
        async with asyncio.timeout(_SETTLE_S):
            while len(self.latencies_s) < count:
                self._grown.clear()
                await self._grown.wait()

    def take(self) -> list[float]:
        """The latencies since the last call, sorted."""
        taken, self.latencies_s = sorted(self.latencies_s), []
        return taken


async def _measure(
    name: str,
    wanted: _Wanted,
    inside: Inside,
    log: Log,
    writing: Writing,
    *,
    settings: dict[str, object],
    processes: Mapping[str, Sequence[psutil.Process]] | None = None,
) -> Report:
    counted = _Counted()
    consumer = log.consumer("bench", topics=[Filler.topic], handle=counted)
    consuming = asyncio.create_task(consumer.run())
    each_s = wanted.seconds / wanted.rounds / 2
    spans: dict[str, list[float]] = {}
    cpu: list[CpuUse] = []
    faults: list[str] = []
    try:
        await _paced(writing, counted, seconds=min(1.0, each_s))
        counted.take()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        with Steps("rounds", wanted.rounds) as steps:
            for _ in range(wanted.rounds):
                meter = Meter(inside)
                told = await _round(writing, counted, seconds=each_s, processes=processes or {})
                cpu.append(meter.stop())
                for figure, value in told.items():
                    spans.setdefault(figure, []).append(value)
                steps.done(f"{told['events_per_s']:,.0f} events/s")
    except TimeoutError:
        faults.append(f"the consumer did not get everything within {_SETTLE_S:.0f} s")
    finally:
        consumer.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(consuming, 10)
    faults += [f"{consumer.buried} events were given up"] * bool(consumer.buried)
    return Report(
        benchmark=name,
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(inside.dsn),
        settings={
            "rate": wanted.rate,
            "seconds": wanted.seconds,
            "event_bytes": EVENT_BYTES,
            "codec": wanted.codec,
            "writers": wanted.writers,
            "batch": wanted.batch,
            **settings,
        },
        figures={"consumed": consumer.handled},
        faults=faults,
    )


async def _round(
    writing: Writing, counted: _Counted, *, seconds: float, processes: Mapping[str, Sequence[psutil.Process]]
) -> dict[str, float]:
    paced_per_s = await _paced(writing, counted, seconds=seconds)
    latencies_s = counted.take()
    before_s = {name: _cpu_s(*running) for name, running in processes.items()}
    began_s = time.perf_counter()
    written = await writing.flat_out(seconds)
    await counted.until(written)
    flat_out_per_s = written / (time.perf_counter() - began_s)
    behind_s = counted.take()
    return {
        "events_per_s": round(flat_out_per_s, 1),
        "p50_ms": round(1e3 * percentile(latencies_s, 0.50), 3),
        "p99_ms": round(1e3 * percentile(latencies_s, 0.99), 3),
        "paced_per_s": round(paced_per_s, 1),
        "flat_out_p99_ms": round(1e3 * percentile(behind_s, 0.99), 3),
        **{
            f"{name}_us": round(1e6 * (_cpu_s(*running) - before_s[name]) / written, 2)
            for name, running in processes.items()
        },
    }


async def _paced(writing: Writing, counted: _Counted, *, seconds: float) -> float:
    """The events consumed a second at the writers' rate."""
    began_s = time.perf_counter()
    total = await writing.paced(seconds)
    await counted.until(total)
    return total / (time.perf_counter() - began_s)


def _cpu_s(*running: psutil.Process) -> float:
    times = [process.cpu_times() for process in running]
    return float(sum(one.user + one.system for one in times))
