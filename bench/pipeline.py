"""Events a second from the raw log into the columns, and how old the newest one is that can be asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated
from uuid import uuid4

import msgspec
import zstandard
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.ingest import made_events
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.own_postgres import Inside, own_postgres
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds
from overworld.domains.telemetry import TelemetrySettings, store
from overworld.domains.telemetry.intake import RAW, Waiting, rows_of
from overworld.domains.telemetry.types import Kind, Parcel
from overworld.domains.telemetry.upkeep import Upkeep
from overworld.domains.telemetry.wiring import build_processor
from overworld.kernel.clock import SystemClock
from overworld.platform.columns.room import Room
from overworld.platform.columns.settings import ColumnSettings

_BATCH = 500
_TEMPLATES = 40
_ROOM_LEVEL = 14
_MARK = "00000000-0000-0000-0000-00000000cafe"
_LOOK_S = 0.1
_TICK_S = 0.05
_ROWS_AT_ONCE = 8

Rate = Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))]
Count = Annotated[int, Parameter(validator=Number(gte=10_000, lte=20_000_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    events: int
    rate: int
    seconds: float
    rounds: int


def pipeline(
    *, events: Count = 500_000, rate: Rate = 100_000, seconds: Seconds = 20, rounds: RoundCount = 5, json: Json = False
) -> int:
    """Events a second from a filled log into the columns, and their age when they can be asked for.

    The log is filled with batches of 500, compressed, 20 kinds of events of 300,000 players, each with an id of its
    own; then the processor runs until it has come to the end: that is one round. In the end batches come at a steady
    rate, and every 0.1 s the store is asked for the newest event. Processor, store, PostgreSQL and whoever fills the
    log share this machine, the first two and the last one process.

    Parameters
    ----------
    events
        Events of a round.
    rate
        Events a second that come while ages are measured.
    seconds
        How long ages are measured.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(events=events, rate=rate, seconds=seconds, rounds=rounds)
    return report.run(partial(_measure, wanted), json=json)


class Bodies:
    """Batches without end, each event with an id that no other has."""

    def __init__(self) -> None:
        self._templates: list[list[bytes]] = []
        for seed in range(_TEMPLATES):
            events = [{**event, "event_id": _MARK} for event in made_events(_BATCH, seed=seed)]
            self._templates.append(msgspec.json.encode({"events": events}).split(_MARK.encode()))

    def __iter__(self) -> Iterator[bytes]:
        turn = 0
        while True:
            parts = self._templates[turn % _TEMPLATES]
            seed = uuid4().hex
            ids = (f"{seed[:8]}-{seed[8:12]}-4{seed[13:16]}-8{seed[17:20]}-{i:012x}".encode() for i in range(_BATCH))
            joined = b"".join(piece for pair in zip(parts, ids, strict=False) for piece in pair) + parts[-1]
            yield zstandard.compress(joined)
            turn += 1


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    settings, clock = TelemetrySettings(look_ms=50), SystemClock()
    bodies = iter(Bodies())
    async with own_postgres(folder) as inside:
        await Upkeep(database=inside.database, clock=clock, settings=settings).maintain()
        room = Room(folder / "columns", settings=ColumnSettings())
        processor = build_processor(
            database=inside.database, clock=clock, columns=room, room_level=_ROOM_LEVEL, settings=settings
        )
        per_s: list[float] = []
        cpu: list[CpuUse] = []
        sent = 0
        with Steps("rounds", wanted.rounds) as steps:
            for turn in range(wanted.rounds + 1):
                await _fill(inside, bodies, wanted.events, clock)
                sent += wanted.events // _BATCH * _BATCH
                if not turn:
                    running = asyncio.create_task(processor.run())
                meter, begun_s = Meter(inside), time.perf_counter()
                await _reached(processor.told, sent, running)
                if turn:
                    per_s.append(round(wanted.events / (time.perf_counter() - begun_s), 1))
                    cpu.append(meter.stop())
                    steps.done(f"{per_s[-1]:,.0f} events/s")
        say(f"{wanted.rate:,} events/s, and the newest of them")
        ages_s, late = await _ages(wanted, inside, bodies, clock, room)
        kept = await room.rows("SELECT count(*) AS count FROM {events} WHERE source = 'client'")
        await processor.close()
        await running
        await room.close()
        faults = [f"the log fell {late:,} events behind its rate"] if late > wanted.rate else []
        if kept[0]["count"] < sent:
            faults.append(f"{sent} events were in the log and {kept[0]['count']} are in the columns")
        return Report(
            benchmark="pipeline",
            spans={"events_per_s": per_s},
            cpu=cpu,
            rss_mb=rss_mb(inside),
            machine=await machine(inside.dsn),
            settings={"events": wanted.events, "rate": wanted.rate, "batch": _BATCH},
            figures={
                "newest_age_p50_s": round(median(ages_s), 3),
                "newest_age_p99_s": round(percentile(sorted(ages_s), 0.99), 3),
                "newest_age_max_s": round(max(ages_s), 3),
            },
            faults=faults,
        )


async def _fill(inside: Inside, bodies: Iterator[bytes], events: int, clock: SystemClock) -> None:
    left = events // _BATCH
    while left:
        await _put(inside, [next(bodies) for _ in range(min(left, _ROWS_AT_ONCE))], clock)
        left -= min(left, _ROWS_AT_ONCE)


async def _put(inside: Inside, bodies: Sequence[bytes], clock: SystemClock) -> None:
    """Puts batches into the log as the way in does, those of a commit together."""
    waiting = [Waiting(Parcel(Kind.BATCH, clock.now_us(), None, "bench", body), _BATCH) for body in bodies]
    async with inside.database.read() as tx:
        await store.append(tx, rows_of(waiting), at=clock.now())


async def _reached(follower: object, events: int, running: asyncio.Task[None]) -> None:
    while follower.events < events:  # type: ignore[attr-defined]
        if running.done():
            running.result()
        await asyncio.sleep(_TICK_S / 10)


async def _ages(
    wanted: _Wanted, inside: Inside, bodies: Iterator[bytes], clock: SystemClock, room: Room
) -> tuple[list[float], int]:
    """Ages of the newest event that could be asked for, and how many events came less than the rate says."""
    ages_s: list[float] = []
    made = [next(bodies) for _ in range(int(wanted.rate * wanted.seconds) // _BATCH)]
    begun_s = time.perf_counter()

    async def feed() -> None:
        done = 0
        while done < len(made):
            due = min(len(made), int((time.perf_counter() - begun_s) * wanted.rate / _BATCH))
            if due > done:
                await _put(inside, made[done:due], clock)
                done = due
            await asyncio.sleep(_TICK_S)

    feeding = asyncio.create_task(feed())
    while not feeding.done():
        await asyncio.sleep(_LOOK_S)
        (row,) = await room.rows("SELECT epoch_us(max(received_at)) AS newest_us FROM event WHERE source = 'client'")
        if time.perf_counter() - begun_s > 1:
            ages_s.append((clock.now_us() - row["newest_us"]) / 1e6)
    await feeding
    took_s = time.perf_counter() - begun_s
    async with asyncio.timeout(60):
        while True:
            async with inside.database.read() as tx:
                if not await store.waiting_bytes(tx, RAW):
                    break
            await asyncio.sleep(_LOOK_S)
    return ages_s, int((took_s - wanted.seconds) * wanted.rate)
