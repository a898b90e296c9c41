"""Events a second through a log, counted when a durable consumer has them: PostgreSQL's own, and Kafka."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import uvloop
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
from overworld.platform.avro import Released
from overworld.platform.eventlog import EventLog, Log, PostgresOutbox
from overworld.platform.kafka import JsonCodec, KafkaLog, KafkaSettings
from overworld.platform.kafka.codec import EVENT_ID, AvroCodec, Codec
from overworld.platform.kafka.sender import Outgoing, Sender

EVENT_BYTES = 200
_PADS = {"json": "." * 17, "avro": "." * 127}
_KEYS = [f"{number:03}" for number in range(1_000)]
_TICK_S = 0.01
_WRITERS_MAX = 64
_SETTLE_S = 60.0

Rate = Annotated[float, Parameter(validator=Number(gte=100, lte=1_000_000))]
Way = Literal["sent", "relayed"]
Form = Literal["avro", "json"]
Writers = Annotated[int, Parameter(validator=Number(gte=1, lte=_WRITERS_MAX))]
BatchSize = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Write = Callable[[Sequence["Filler"]], Awaitable[None]]


class Filler(Event):
    """An event that says when it was due, and is as long as was asked for."""

    topic = "bench.filler.made"
    whose: str
    due_s: float
    pad: str

    @property
    def key(self) -> str:
        """Whose it is."""
        return self.whose


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
    batch: BatchSize = 2_000,
    seconds: Seconds = 20,
    rounds: RoundCount = 5,
    json: Json = False,
) -> int:
    """Events a second through Kafka: acknowledged by all replicas of a real broker, then handed to a durable consumer.

    As `log`, on one broker of the Apache distribution, so with one replica. The consumer keeps its place in PostgreSQL.
    Writer, consumer, broker and PostgreSQL share this machine. Without a broker it is skipped.

    Parameters
    ----------
    way
        How events get there: sent straight to Kafka, or committed to PostgreSQL and relayed from there.
    codec
        What they are written as.
    rate
        Events a second while latencies are measured.
    batch
        Events that are sent together flat out.
    seconds
        Measured time, all rounds together: half of it at that rate, half flat out.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    if not own_kafka.is_there():
        return 0
    wanted = _Wanted(rate=rate, seconds=seconds, rounds=rounds, writers=1, batch=batch, codec=codec, way=way)
    return report.run(partial(_measure_kafka, wanted), json=json, loop_factory=uvloop.new_event_loop)


async def _measure_log(wanted: _Wanted, folder: Path) -> Report:
    async with own_postgres(folder) as inside, _log_of(inside) as log:
        return await _measure("log", wanted, inside, log, _committing(inside), settings={})


async def _measure_kafka(wanted: _Wanted, folder: Path) -> Report:
    say("starting a broker")
    with KafkaProcess(folder / "kafka", jars=own_kafka.jars()) as broker:
        settings = KafkaSettings(servers=broker.servers)
        async with own_postgres(folder) as inside, _log_of(inside) as log:
            codec = _codec(wanted.codec, folder / "schemas")
            there = KafkaLog(log, database=inside.database, clock=SystemClock(), kafka=settings, codec=codec)
            sender = Sender(settings)
            write = _sending(sender, codec) if wanted.way == "sent" else _committing(inside)
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


def _codec(form: Form, folder: Path) -> Codec:
    if form == "json":
        return JsonCodec()
    released = Released(folder)
    released.add(Filler)
    return AvroCodec(released, None)


def _sending(sender: Sender, codec: Codec) -> Write:
    clock = SystemClock()
    ids = IdSource(clock.now_us)

    def message(event: Filler, event_id: UUID, at: datetime) -> Outgoing:
        value = codec.encode(enclose(event, id=event_id, at=at))
        return Outgoing(event.topic, event.key.encode(), value, ((EVENT_ID, str(event_id).encode()),))

    async def write(events: Sequence[Filler]) -> None:
        at = clock.now()
        await sender.send([message(event, one, at) for event, one in zip(events, ids.many(len(events)), strict=True)])

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
        await _paced(write, counted, wanted, seconds=min(1.0, each_s))
        counted.take()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        with Steps("rounds", wanted.rounds) as steps:
            for _ in range(wanted.rounds):
                meter = Meter(inside)
                told = await _round(write, counted, wanted, seconds=each_s)
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


async def _round(write: Write, counted: _Counted, wanted: _Wanted, *, seconds: float) -> dict[str, float]:
    paced = await _paced(write, counted, wanted, seconds=seconds)
    latencies_s = counted.take()
    flat_out = await _flat_out(write, counted, wanted, seconds=seconds)
    behind_s = counted.take()
    return {
        "events_per_s": round(flat_out, 1),
        "p50_ms": round(1e3 * percentile(latencies_s, 0.50), 3),
        "p99_ms": round(1e3 * percentile(latencies_s, 0.99), 3),
        "paced_per_s": round(paced, 1),
        "flat_out_p99_ms": round(1e3 * percentile(behind_s, 0.99), 3),
    }


async def _paced(write: Write, counted: _Counted, wanted: _Wanted, *, seconds: float) -> float:
    """Writes at a rate, and gives what was consumed a second. What is written late was due all the same."""
    rate = wanted.rate
    began_s, written = time.perf_counter(), 0
    each = max(1, round(rate * _TICK_S))
    total = max(each, round(rate * seconds))
    while written < total:
        due_s = began_s + written / rate
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        await write(_fillers(min(each, total - written), due_s=due_s, form=wanted.codec))
        written += each
    await counted.until(total)
    return total / (time.perf_counter() - began_s)


async def _flat_out(write: Write, counted: _Counted, wanted: _Wanted, *, seconds: float) -> float:
    """Each of some writers writes one batch after the other; gives the events consumed a second."""
    began_s = time.perf_counter()

    async def goes_on() -> int:
        written = 0
        while (now_s := time.perf_counter()) - began_s < seconds:
            await write(_fillers(wanted.batch, due_s=now_s, form=wanted.codec))
            written += wanted.batch
        return written

    written = sum(await asyncio.gather(*(goes_on() for _ in range(wanted.writers))))
    await counted.until(written)
    return written / (time.perf_counter() - began_s)


def _fillers(count: int, *, due_s: float, form: Form) -> list[Filler]:
    """Events whose envelopes are about `EVENT_BYTES` long in that form."""
    due_s, pad = round(due_s, 6), _PADS[form]
    return [Filler(whose=whose, due_s=due_s, pad=pad) for whose in random.choices(_KEYS, k=count)]
