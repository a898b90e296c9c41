"""What PostgreSQL itself takes to write a row on this machine: the floor under claims and transfers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Annotated
from uuid import UUID, uuid4

import asyncpg
import psutil
from cyclopts import Parameter
from cyclopts.validators import Number

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.own_postgres import own_postgres
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds

_ROWS = 100_000
_RUNS_MIN = 3

# As narrow as an account or a transfer could be, with room on each page for the next form of a row.
_TABLES = f"""
CREATE SCHEMA floor;
CREATE TABLE floor.total (id bigint PRIMARY KEY, debits bigint NOT NULL, credits bigint NOT NULL)
    WITH (fillfactor = 60);
INSERT INTO floor.total SELECT id, 0, 0 FROM generate_series(1, {_ROWS}) AS id;
CREATE TABLE floor.bare (id uuid NOT NULL, reference uuid NOT NULL, payer bigint NOT NULL, payee bigint NOT NULL,
    amount bigint NOT NULL, at timestamptz NOT NULL);
CREATE TABLE floor.keyed (LIKE floor.bare, PRIMARY KEY (id));
CREATE TABLE floor.indexed (LIKE floor.bare, PRIMARY KEY (id));
CREATE UNIQUE INDEX ON floor.indexed (reference);
CREATE INDEX ON floor.indexed (payee, at);
VACUUM ANALYZE floor.total;"""  # noqa: S608 - a constant
_UPDATE = """
UPDATE floor.total SET debits = total.debits + one.debit, credits = total.credits + one.credit
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS one (id, debit, credit) WHERE total.id = one.id"""
_INSERT = """
INSERT INTO floor.{} (id, reference, payer, payee, amount, at)
SELECT *, now() FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $3::bigint[], $4::bigint[])
    AS one (id, reference, payer, payee, amount) ORDER BY reference"""

Batch = Annotated[int, Parameter(validator=Number(gte=1, lte=2_048))]
_Write = Callable[[], Awaitable[object]]


def rows(
    *, batch: Batch = 128, seconds: Seconds = 15, rounds: RoundCount = 5, seed: int = 1, json: Json = False
) -> int:
    """What PostgreSQL itself takes to write a row, in processor time of the one process that serves a connection.

    Statements of so many rows in a transaction each, one after the other, none of them the product's: rows of 100,000
    found by their number and changed, and new rows with random ids, without an index, with one, with three. A claim
    changes three rows (player, wallet, budget) and adds one with three indexes, a transfer changes two:
    `claim_floor_us` and `transfer_floor_us` are that much, before anything is decided, looked up or told.

    Parameters
    ----------
    batch
        Rows in a transaction.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after one to warm up.
    seed
        Of which rows are changed.
    json
        Print the line of JSON alone.
    """
    return report.run(partial(_measure, batch, seconds, rounds, seed), json=json)


async def _measure(batch: int, seconds: float, rounds: int, seed: int, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {_ROWS:,} rows")
    async with own_postgres(folder) as inside:
        connection = await asyncpg.connect(inside.dsn)
        try:
            return await _measured(connection, batch, seconds, rounds, seed, dsn=inside.dsn)
        finally:
            await connection.close()


async def _measured(
    connection: asyncpg.Connection, batch: int, seconds: float, rounds: int, seed: int, *, dsn: str
) -> Report:
    for statement in _TABLES.split(";\n"):
        await connection.execute(statement)
    writes = _writes(connection, batch, Random(seed))
    backend = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()"))
    each_s = seconds / rounds / len(writes)
    spans: dict[str, list[float]] = {name: [] for name in (*writes, "claim_floor_us", "transfer_floor_us")}
    spans |= {"p50_ms": [], "p99_ms": []}
    cpu: list[CpuUse] = []
    with Steps("rounds", rounds) as steps:
        for i in range(rounds + 1):
            meter = Meter(None)
            took_s: list[float] = []
            used_us = {name: await _used_us(write, backend, each_s, batch, took_s) for name, write in writes.items()}
            if i == 0:
                continue
            cpu.append(meter.stop())
            for name, value in (used_us | _floors(used_us)).items():
                spans[name].append(value)
            spans["p50_ms"].append(1e3 * median(took_s))
            spans["p99_ms"].append(1e3 * percentile(sorted(took_s), 0.99))
            steps.done(f"a claim's rows {spans['claim_floor_us'][-1]:.1f} us")
    return Report(
        benchmark="rows",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(dsn),
        settings={"rows": _ROWS, "batch": batch, "seconds": seconds},
        figures={},
    )


def _writes(connection: asyncpg.Connection, batch: int, random: Random) -> Mapping[str, _Write]:
    ones = [1] * batch

    async def update() -> None:
        await connection.execute(_UPDATE, sorted(random.sample(range(1, _ROWS + 1), batch)), ones, ones)

    async def insert(table: str) -> None:
        payees = random.sample(range(1, _ROWS + 1), batch)
        await connection.execute(_INSERT.format(table), _ids(batch), _ids(batch), payees, ones)

    return {
        "update_us": update,
        "insert_us": partial(insert, "bare"),
        "insert_one_index_us": partial(insert, "keyed"),
        "insert_three_indexes_us": partial(insert, "indexed"),
    }


def _ids(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]


async def _used_us(write: _Write, backend: psutil.Process, seconds: float, batch: int, took_s: list[float]) -> float:
    """Processor time of a row in the process that serves the connection; what each batch took goes into `took_s`."""
    begun_s, before_s, count = perf_counter(), _cpu_s(backend), 0
    while count < _RUNS_MIN or perf_counter() - begun_s < seconds:
        sent_s = perf_counter()
        await write()
        took_s.append(perf_counter() - sent_s)
        count += 1
    return 1e6 * (_cpu_s(backend) - before_s) / (count * batch)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _floors(used_us: Mapping[str, float]) -> dict[str, float]:
    update_us, insert_us = used_us["update_us"], used_us["insert_three_indexes_us"]
    return {"claim_floor_us": 3 * update_us + insert_us, "transfer_floor_us": 2 * update_us + insert_us}
