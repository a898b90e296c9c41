"""Events a second through a log, counted when a durable consumer has them: PostgreSQL's own, and Kafka."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import own_kafka, report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.own_kafka import KafkaProcess
from bench.own_postgres import Inside, own_postgres
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import EventLog, Log, PostgresOutbox
from overworld.platform.kafka import JsonCodec, KafkaLog, KafkaSettings
from overworld.platform.kafka.codec import EVENT_ID
from overworld.platform.kafka.sender import Outgoing, Sender

EVENT_BYTES = 200
_KEYS = 1_000
_TICK_S = 0.01
_BATCH_FLAT_OUT = 500
_SETTLE_S = 60.0

Rate = Annotated[float, Parameter(validator=Number(gte=100, lte=1_000_000))]
Way = Literal["sent", "relayed"]
Write = Callable[[Sequence["Filler"]], Awaitable[None]]


class Filler(Event):
    """An event that says when it was due, and is as long as was asked for."""

    topic = "bench.filler.made"
    whose: str
    due_s: float
    pad: str = "." * 17

    @property
    def key(self) -> str:
        """Whose it is."""
        return self.whose


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    rate: float
    seconds: float
    rounds: int
    way: Way = "sent"


def log(*, rate: Rate = 5_000, seconds: Seconds = 20, rounds: RoundCount = 5, json: Json = False) -> int:
    """Events a second through PostgreSQL's log: committed durably, then handed to a durable consumer.

    A latency lasts from when an event was due to be written to when the consumer's handler has it, at `rate` events a
    second in transactions of 50. `events_per_s` is flat out, in transactions of 500, counted when consumed. Writer,
    log and consumer are one process.

    Parameters
    ----------
    rate
        Events a second while latencies are measured.
    seconds
        Measured time, all rounds together: half of it at that rate, half flat out.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(rate=rate, seconds=seconds, rounds=rounds)
    return report.run(partial(_measure_log, wanted), json=json)


def kafka(
    *, way: Way = "sent", rate: Rate = 5_000, seconds: Seconds = 20, rounds: RoundCount = 5, json: Json = False
) -> int:
    """Events a second through Kafka: acknowledged by all replicas of a real broker, then handed to a durable consumer.

    As `log`, on one broker of the Apache distribution, so with one replica. The consumer keeps its place in PostgreSQL.
    Writer, consumer, broker and PostgreSQL share this machine. Without a broker it is skipped.

    Parameters
    ----------
    way
        How events get there: sent straight to Kafka, or committed to PostgreSQL and relayed from there.
    rate
        Events a second while latencies are measured.
    seconds
        Measured time, all rounds together: half of it at that rate, half flat out.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    if not own_kafka.is_there():
        return 0
    wanted = _Wanted(rate=rate, seconds=seconds, rounds=rounds, way=way)
    return report.run(partial(_measure_kafka, wanted), json=json)


async def _measure_log(wanted: _Wanted, folder: Path) -> Report:
    async with own_postgres(folder) as inside, _log_of(inside) as log:
        return await _measure("log", wanted, inside, log, _committing(inside), settings={})


async def _measure_kafka(wanted: _Wanted, folder: Path) -> Report:
    say("starting a broker")
    with KafkaProcess(folder / "kafka", jars=own_kafka.jars()) as broker:
        settings = KafkaSettings(servers=broker.servers)
        async with own_postgres(folder) as inside, _log_of(inside) as log:
            there = KafkaLog(log, database=inside.database, clock=SystemClock(), kafka=settings)
            sender = Sender(settings)
            write = _sending(sender) if wanted.way == "sent" else _committing(inside)
            relaying = asyncio.create_task(there.relay().run()) if wanted.way == "relayed" else None
            try:
                return await _measure(
                    "kafka", wanted, inside, there, write, settings={"way": wanted.way, "replicas": 1}
                )
            finally:
                if relaying is not None:
                    relaying.cancel()
                    await asyncio.wait([relaying])
                await sender.close()
                await there.close()


@asynccontextmanager
async def _log_of(inside: Inside) -> AsyncIterator[EventLog]:
    log = EventLog(inside.database, clock=SystemClock())
    await log.start()
    try:
        yield log
    finally:
        await log.close()


def _committing(inside: Inside) -> Write:
    clock = SystemClock()
    outbox = PostgresOutbox(ids=IdSource(clock.now_us))

    async def write(events: Sequence[Filler]) -> None:
        async with inside.database.transaction() as tx:
            await outbox.append(tx, events, at=clock.now())

    return write


def _sending(sender: Sender) -> Write:
    clock, codec = SystemClock(), JsonCodec()
    ids = IdSource(clock.now_us)

    def message(event: Filler, event_id: UUID) -> Outgoing:
        value = codec.encode(enclose(event, id=event_id, at=clock.now()))
        return Outgoing(event.topic, event.key.encode(), value, ((EVENT_ID, str(event_id).encode()),))

    async def write(events: Sequence[Filler]) -> None:
        await sender.send([message(*pair) for pair in zip(events, ids.many(len(events)), strict=True)])

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
    name: str, wanted: _Wanted, inside: Inside, log: Log, write: Write, *, settings: dict[str, object]
) -> Report:
    counted = _Counted()
    consumer = log.consumer("bench", topics=[Filler.topic], handle=counted)
    consuming = asyncio.create_task(consumer.run())
    each_s = wanted.seconds / wanted.rounds / 2
    spans: dict[str, list[float]] = {}
    cpu: list[CpuUse] = []
    faults: list[str] = []
    try:
        await _paced(write, counted, rate=wanted.rate, seconds=min(1.0, each_s))
        counted.take()
        with Steps("rounds", wanted.rounds) as steps:
            for _ in range(wanted.rounds):
                meter = Meter(inside)
                told = await _round(write, counted, rate=wanted.rate, seconds=each_s)
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
            "codec": "json",
            **settings,
        },
        figures={"consumed": consumer.handled},
        faults=faults,
    )


async def _round(write: Write, counted: _Counted, *, rate: float, seconds: float) -> dict[str, float]:
    paced = await _paced(write, counted, rate=rate, seconds=seconds)
    latencies_s = counted.take()
    flat_out = await _flat_out(write, counted, seconds=seconds)
    behind_s = counted.take()
    return {
        "events_per_s": round(flat_out, 1),
        "p50_ms": round(1e3 * percentile(latencies_s, 0.50), 3),
        "p99_ms": round(1e3 * percentile(latencies_s, 0.99), 3),
        "paced_per_s": round(paced, 1),
        "flat_out_p99_ms": round(1e3 * percentile(behind_s, 0.99), 3),
    }


async def _paced(write: Write, counted: _Counted, *, rate: float, seconds: float) -> float:
    """Writes at a rate, and gives what was consumed a second. What is written late was due all the same."""
    began_s, written = time.perf_counter(), 0
    each = max(1, round(rate * _TICK_S))
    total = max(each, round(rate * seconds))
    while written < total:
        due_s = began_s + written / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        await write(_fillers(min(each, total - written), due_s=due_s))
        written += each
    await counted.until(total)
    return total / (time.perf_counter() - began_s)


async def _flat_out(write: Write, counted: _Counted, *, seconds: float) -> float:
    """Writes one batch after the other; gives those consumed a second."""
    began_s, written = time.perf_counter(), 0
    while time.perf_counter() - began_s < seconds:
        await write(_fillers(_BATCH_FLAT_OUT, due_s=time.perf_counter()))
        written += _BATCH_FLAT_OUT
    await counted.until(written)
    return written / (time.perf_counter() - began_s)


def _fillers(count: int, *, due_s: float) -> list[Filler]:
    """Events whose envelopes are about `EVENT_BYTES` long in the log."""
    return [Filler(whose=f"{random.randrange(_KEYS):03}", due_s=round(due_s, 6)) for _ in range(count)]
