"""Keeping history: fixes a second by COPY, as servers write them, and by INSERT of as many rows at once; and pages."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.own_postgres import own_postgres
from bench.prove.outcome import Steps, percentile
from bench.report import Report
from bench.rounds import Json, RoundCount
from overworld.domains.world.history import store
from overworld.domains.world.history.days import make_days
from overworld.domains.world.history.types import Sample, Span
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

_PAGE = 51
_READS = 1_000
_DAY = datetime(2026, 6, 1, tzinfo=UTC)
_SPAN = Span(_DAY, _DAY + timedelta(days=1))

_INSERT = """
INSERT INTO world.location (player_id, recorded_at, lat_deg, lng_deg, cell, accuracy_m)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::float8[], $4::float8[], $5::int8[], $6::float8[])"""

_COUNT = """
SELECT count(*) FROM world.location"""

Fixes = Annotated[int, Parameter(validator=Number(gte=1_000, lte=10_000_000))]
Players = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))]
Batch = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]
Add = Callable[[Tx, Sequence[Sample]], Awaitable[None]]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    fixes: int
    players: int
    batch: int
    rounds: int
    seed: int


def history(
    *,
    fixes: Fixes = 200_000,
    players: Players = 10_000,
    batch: Batch = 10_000,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Fixes kept a second by COPY, and by the INSERT that would take its place; pages of a track read meanwhile.

    `copied_per_s` is what the recorder does with a batch: encoding, COPY, index, commit, on a durable PostgreSQL.
    `inserted_per_s` is one INSERT of arrays for the same batch. `ratio` is the first over the second, of the same
    round. `read_p99_ms` is a page of 50 of a player drawn at random, one after the other, from all that was written.

    Parameters
    ----------
    fixes
        Fixes written in a round, by each of the two.
    players
        Players that they are of, in turn.
    batch
        Fixes in a transaction; a server writes 10,000 at most.
    rounds
        Rounds of writing, after one to warm up.
    seed
        Of what is drawn.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(fixes=fixes, players=players, batch=batch, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    spans: dict[str, list[float]] = {"copied_per_s": [], "inserted_per_s": [], "ratio": []}
    cpu: list[CpuUse] = []
    async with own_postgres(folder) as inside:
        database, samples = inside.database, _walks(wanted)
        await make_days(database, {_DAY.date()})
        for add in (store.add, _insert):
            await _written_per_s(database, samples, add=add, batch=wanted.batch)
        with Steps("rounds", wanted.rounds) as steps:
            for _ in range(wanted.rounds):
                meter = Meter(inside)
                copied = await _written_per_s(database, samples, add=store.add, batch=wanted.batch)
                inserted = await _written_per_s(database, samples, add=_insert, batch=wanted.batch)
                cpu.append(meter.stop())
                for name, value in zip(spans, (copied, inserted, copied / inserted), strict=True):
                    spans[name].append(round(value, 3))
                steps.done(f"{copied:,.0f} fixes/s by COPY, {inserted:,.0f} by INSERT")
        latencies_s, faults = await _read(wanted, database)
        async with database.read() as tx:
            kept: int = await tx.fetchval(_COUNT)
        expected = 2 * (wanted.rounds + 1) * len(samples)
        faults += [f"{kept} of {expected} fixes were kept"] * (kept != expected)
        told = await machine(inside.dsn)
    p50_ms, p99_ms = (round(1e3 * percentile(latencies_s, share), 3) for share in (0.50, 0.99))
    return Report(
        benchmark="history",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=told,
        settings={"fixes": wanted.fixes, "players": wanted.players, "batch": wanted.batch, "reads": _READS},
        figures={"read_p50_ms": p50_ms, "read_p99_ms": p99_ms, "fixes_kept": kept},
        faults=faults,
    )


def _walks(wanted: _Wanted) -> list[Sample]:
    """Fixes of a day in the order of time, the players by turns."""
    drawn = random.Random(wanted.seed)
    step = timedelta(days=1) / (wanted.fixes + 1)
    return [
        Sample(
            UUID(int=n % wanted.players),
            _DAY + n * step,
            46.0 + drawn.random(),
            14.0 + drawn.random(),
            drawn.getrandbits(62),
            5.0,
        )
        for n in range(wanted.fixes)
    ]


async def _insert(tx: Tx, samples: Sequence[Sample]) -> None:
    await tx.execute(_INSERT, *map(list, zip(*samples, strict=True)))


async def _written_per_s(database: Database, samples: Sequence[Sample], *, add: Add, batch: int) -> float:
    began_s = time.perf_counter()
    for first in range(0, len(samples), batch):
        async with database.transaction() as tx:
            await add(tx, samples[first : first + batch])
    return len(samples) / (time.perf_counter() - began_s)


async def _read(wanted: _Wanted, database: Database) -> tuple[list[float], list[str]]:
    """How long pages took, sorted; and those that were not in order, newest first."""
    drawn, latencies_s, faults = random.Random(wanted.seed), list[float](), list[str]()
    async with database.transaction() as tx:
        await tx.execute("ANALYZE world.location")
    for _ in range(_READS):
        player_id = UUID(int=drawn.randrange(min(wanted.players, wanted.fixes)))
        began_s = time.perf_counter()
        async with database.read() as tx:
            page = await store.read(tx, player_id, _SPAN, limit=_PAGE)
        latencies_s.append(time.perf_counter() - began_s)
        times = [sample.recorded_at for sample in page]
        if not page or times != sorted(set(times), reverse=True):
            faults.append(f"the page of {player_id} is not its track, newest first")
    return sorted(latencies_s), faults
