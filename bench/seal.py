"""Sealing the ledger: transfers hashed a second, blocks sealed a second, and how long the proof of one takes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Annotated
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount
from overworld.domains.ledger import SCHEMA
from overworld.domains.ledger.audit import merkle, records
from overworld.domains.ledger.audit.auditor import Auditor
from overworld.domains.ledger.audit.blocks import TRANSFERS_MAX, OpenBlock
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.audit.tiles import Edge
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import SystemClock
from overworld.platform.postgres import Database, EmbeddedPostgres
from overworld.platform.postgres.migrations import migrate
from overworld.platform.postgres.settings import DatabaseSettings

_HASHED = 40 * TRANSFERS_MAX
_SLICE = 256
_PORTION = 250_000
_PROVED = 1_000

Transfers = Annotated[int, Parameter(validator=Number(gte=TRANSFERS_MAX, lte=100_000_000))]
Accounts = Annotated[int, Parameter(validator=Number(gte=2, lte=10_000_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    transfers: int
    accounts: int
    rounds: int
    seed: int
    database: str | None


def seal(
    *,
    transfers: Transfers = 1_000_000,
    accounts: Accounts = 100_000,
    rounds: RoundCount = 5,
    seed: int = 1,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Transfers hashed and sealed a second, and the proof of one in a long log.

    `hashed_per_s` is everything that makes a block of columns: records, keyed hashes, leaves, the tree, the signature;
    in this process, without a database. `sealed_per_s` is the sealer on a real PostgreSQL: reading, hashing, writing
    blocks, tiles and balances. `proof_p99_ms` is `Log.proof`, what the route calls, of transfers drawn at random, one
    after the other. The log is filled by SQL, its accounts' totals included, and audited afterwards.

    Parameters
    ----------
    transfers
        Transfers in the log; ten million take some ten minutes.
    accounts
        Accounts that they run between.
    rounds
        Rounds of hashing, after one to warm up.
    seed
        Of what is drawn.
    database
        DSN of an empty database to use instead of one of its own.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(transfers=transfers, accounts=accounts, rounds=rounds, seed=seed, database=database)
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    spans: dict[str, list[float]] = {"hashed_per_s": []}
    cpu: list[CpuUse] = []
    hashing = _Hashing(accounts=wanted.accounts, seed=wanted.seed)
    hashing.run()
    with Steps("rounds", wanted.rounds) as steps:
        for _ in range(wanted.rounds):
            meter = Meter(None)
            spans["hashed_per_s"].append(round(hashing.run(), 1))
            cpu.append(meter.stop())
            steps.done(f"{spans['hashed_per_s'][-1]:,.0f} transfers/s")
    async with _database(wanted, folder) as (database, dsn):
        figures, faults = await _sealed(wanted, database)
        told = await machine(dsn)
    return Report(
        benchmark="seal",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=told,
        settings={"transfers": wanted.transfers, "accounts": wanted.accounts, "proofs": _PROVED},
        figures=figures,
        faults=faults,
    )


class _Hashing:
    """Blocks out of columns that lie ready, as the sealer makes them."""

    def __init__(self, *, accounts: int, seed: int) -> None:
        drawn = np.random.default_rng(seed)
        self._sides = records.sides(
            ids=np.arange(1, accounts + 1),
            codes=np.ones(accounts, np.uint16),
            currencies=np.tile(np.frombuffer(records.currency_field("coin"), np.uint8), (accounts, 1)),
            keys=drawn.integers(0, 256, (accounts, records.KEY_BYTES), np.uint8),
            month="2026-11",
        )
        self._rows = records.Rows(
            ids=drawn.integers(0, 256, (_HASHED, 16), np.uint8),
            kinds=np.zeros(_HASHED, np.uint8),
            codes=np.ones(_HASHED, np.uint16),
            amounts_minor=drawn.integers(1, 10_000, _HASHED),
            debit_ids=drawn.integers(1, accounts + 1, _HASHED),
            credit_ids=drawn.integers(1, accounts + 1, _HASHED),
            references=drawn.integers(0, 256, (_HASHED, 16), np.uint8),
            pending_ids=np.zeros((_HASHED, 16), np.uint8),
        )
        self._key = Ed25519PrivateKey.generate()

    def run(self) -> float:
        """Transfers a second."""
        began_s = time.perf_counter()
        edge, last = Edge(), None
        for first in range(0, _HASHED, TRANSFERS_MAX):
            block = OpenBlock(edge, self._sides, {})
            for at in range(first, first + TRANSFERS_MAX, _SLICE):
                block.add(self._rows.part(at, at + _SLICE))
            last = block.close(after=last, key=self._key, time_s=60).signed.header
        return _HASHED / (time.perf_counter() - began_s)


@asynccontextmanager
async def _database(wanted: _Wanted, folder: Path) -> AsyncIterator[tuple[Database, str]]:
    settings = DatabaseSettings(statement_timeout_ms=600_000)
    async with AsyncExitStack() as stack:
        dsn = wanted.database
        if dsn is None:
            embedded = EmbeddedPostgres(folder, settings=settings)
            dsn = await asyncio.to_thread(embedded.start)
            stack.push_async_callback(asyncio.to_thread, embedded.stop)
        database = await Database.open(dsn, settings=settings, application="bench seal")
        stack.push_async_callback(database.close)
        await migrate(database, [SCHEMA])
        yield database, dsn


async def _sealed(wanted: _Wanted, database: Database) -> tuple[dict[str, object], list[str]]:
    """Fills the ledger, seals all of it, proves some of it."""
    await _fill(wanted, database)
    clock, settings = SystemClock(), LedgerSettings()
    sealer = Sealer(database=database, clock=clock, settings=settings)
    log = Log(database=database, clock=clock, settings=settings)
    auditor = Auditor(database=database, clock=clock, settings=settings)
    await sealer.prepare()
    say("sealing")
    began_s, sealed = time.perf_counter(), 0
    while more := await sealer.seal(at_once=True):
        sealed += more
    sealed_per_s = sealed / (time.perf_counter() - began_s)
    say(f"{sealed_per_s:,.0f} transfers/s; proving {_PROVED:,}")
    async with database.transaction() as tx:
        await tx.execute("ANALYZE ledger.transfer, ledger.block, ledger.tile")
    latencies_s, faults = await _prove(wanted, database, log)
    faults += await auditor.look()
    faults += [f"{sealed} of {wanted.transfers} transfers were sealed"] * (sealed != wanted.transfers)
    p50_ms, p99_ms, max_ms = (round(1e3 * percentile(latencies_s, share), 3) for share in (0.50, 0.99, 1.0))
    return {
        "sealed_per_s": round(sealed_per_s, 1),
        "proof_p50_ms": p50_ms,
        "proof_p99_ms": p99_ms,
        "proof_max_ms": max_ms,
        "audit_s": round(auditor.state.took_s, 3),
    }, faults


async def _prove(wanted: _Wanted, database: Database, log: Log) -> tuple[list[float], list[str]]:
    drawn = random.Random(wanted.seed)
    chosen = [_id_of(drawn.randrange(wanted.transfers)) for _ in range(_PROVED)]
    latencies_s: list[float] = []
    faults: list[str] = []
    for id_ in chosen:
        began_s = time.perf_counter()
        proof = await log.proof(id_)
        latencies_s.append(time.perf_counter() - began_s)
        path, root = [bytes.fromhex(step) for step in proof.path], bytes.fromhex(proof.block.root)
        leaf = merkle.leaf_hash(bytes.fromhex(proof.record))
        if not merkle.included(leaf, index=proof.index, size=proof.block.tree_size, proof=path, root=root):
            faults.append(f"the proof of {id_} does not verify")
    return sorted(latencies_s), faults


_OPEN = """
INSERT INTO ledger.account (owner_id, currency, code, debits_must_not_exceed_credits)
SELECT gen_random_uuid(), 'coin', 'wallet', false FROM generate_series(1, $1::int)"""
_FILL = """
INSERT INTO ledger.transfer (stamp, id, reference, debit_id, credit_id, amount, at, code, kind)
SELECT $1 + n / 256, (lpad(to_hex(n), 16, '0') || substr(md5(n::text), 1, 16))::uuid, gen_random_uuid(),
    1 + n % $4, 1 + (n + 1 + (n / $4) % ($4 - 1)) % $4, 1 + n % 100, $5, 4, 0
FROM generate_series($2::bigint, $3::bigint - 1) AS n"""
_TOTALS = """
UPDATE ledger.account SET debits_posted = fold.debits_posted, credits_posted = fold.credits_posted
FROM ledger.changes(0, false, '00000000-0000-0000-0000-000000000000', 9223372036854775807, true,
    'ffffffff-ffff-ffff-ffff-ffffffffffff') AS fold WHERE fold.account_id = id"""


async def _fill(wanted: _Wanted, database: Database) -> None:
    """Transfers, 256 to a transaction as far as the log can tell. The indexes of histories are left out."""
    batches = -(-wanted.transfers // 256)
    async with database.read() as tx:
        await tx.execute("DROP INDEX ledger.transfer_credit, ledger.transfer_debit, ledger.transfer_taken")
        first = int(await tx.fetchval("SELECT pg_current_xact_id()::text::bigint")) + 1
        await tx.execute(
            f"DO $$ BEGIN FOR i IN 0..{batches} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
        await tx.execute(_OPEN, wanted.accounts)
    with Steps("filling", -(-wanted.transfers // _PORTION)) as steps:
        for start in range(0, wanted.transfers, _PORTION):
            until = min(start + _PORTION, wanted.transfers)
            async with database.read() as tx:
                await tx.execute(_FILL, first, start, until, wanted.accounts, datetime.now(UTC))
            steps.done(f"{until:,}")
    async with database.read() as tx:
        await tx.execute(_TOTALS)
        await tx.execute("VACUUM (ANALYZE) ledger.transfer")
        await tx.execute("CHECKPOINT")


def _id_of(number: int) -> UUID:
    """The id that `_FILL` gave to a transfer."""
    return UUID(f"{number:016x}{md5(str(number).encode(), usedforsecurity=False).hexdigest()[:16]}")
