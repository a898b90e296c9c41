"""Forward migrations: each domain's SQL files, applied in order, once, each in a transaction of its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.platform.postgres.database import Database
from overworld.platform.postgres.errors import BadMigration, DatabaseAhead
from overworld.platform.postgres.lint import PHASES, problems_of

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_PHASE = re.compile(r"^-- phase: *(\w+) *$", re.MULTILINE)
_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_LOCK_KEY = 0x6F77_6D69  # "owmi": no other advisory lock of ours may use it

_LOCK_TIMEOUT_MS = 10_000  # a table lock that others wait behind is better given up than waited for

_log = logging.getLogger(__name__)


class Schema(Struct, frozen=True):
    """One domain's tables: the PostgreSQL schema's name and the folder of its `NNNN_name.sql` files."""

    name: str
    folder: Path


class Step(Struct, frozen=True, kw_only=True):
    """One migration file: `phase` is expand, migrate or contract, `checksum` the SHA-256 of its bytes."""

    schema: str
    number: int
    name: str
    phase: str
    checksum: str
    sql: str

    def __str__(self) -> str:
        return f"{self.schema} {self.number:04d}_{self.name}"


class Applied(Struct, frozen=True):
    """A migration that the database has seen."""

    schema: str
    number: int
    name: str
    checksum: str
    applied_at: datetime


def read_steps(schema: Schema) -> list[Step]:
    """The files of one schema in order, checked against the rules.

    Raises: BadMigration for a wrong name, a gap, a duplicate number, or what the lint finds.
    """
    if not _SCHEMA_NAME.fullmatch(schema.name):
        raise BadMigration(f"not a schema name: {schema.name!r}")
    steps = [_read_step(schema, file) for file in sorted(schema.folder.glob("*.sql"))]
    if not steps:
        raise BadMigration(f"schema {schema.name} has no migrations in {schema.folder}")
    for expected, step in enumerate(steps, start=1):
        if step.number != expected:
            raise BadMigration(f"{step} should have number {expected:04d}: numbers have no gaps and no duplicates")
    return steps


async def applied(database: Database) -> list[Applied]:
    """Every migration the database has seen, by schema and number; empty for a new database."""
    async with database.read() as tx:
        return await _applied(tx)


async def plan(database: Database, schemas: Sequence[Schema]) -> list[Step]:
    """What `migrate` would apply, in its order; changes nothing.

    Raises: BadMigration when a file breaks the rules or was changed after it had been applied; DatabaseAhead when
    the database knows a migration of these schemas that this build does not.
    """
    steps = {schema.name: read_steps(schema) for schema in schemas}
    return _missing(steps, await applied(database))


async def migrate(database: Database, schemas: Sequence[Schema]) -> list[Step]:
    """Applies what is missing, schema after schema, and gives what it applied.

    Several processes may do this at once: one works, the others wait and find nothing left. A step that fails leaves
    the steps before it in place. Raises: like `plan`.
    """
    steps = {schema.name: read_steps(schema) for schema in schemas}
    if not _missing(steps, await applied(database)):
        return []
    done: list[Step] = []
    while True:
        async with database.transaction() as tx:
            await tx.execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
            await tx.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
            await tx.execute(_TABLE)
            missing = _missing(steps, await _applied(tx))
            if not missing:
                return done
            await _apply(tx, missing[0])
        done.append(missing[0])
        _log.info("migrated %s", missing[0])


_TABLE = """
CREATE SCHEMA IF NOT EXISTS migrations;
CREATE TABLE IF NOT EXISTS migrations.applied (
    schema text NOT NULL,
    number int NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema, number)
)"""

_APPLIED = """
SELECT schema, number, name, checksum, applied_at FROM migrations.applied ORDER BY schema, number"""


async def _applied(tx: Tx) -> list[Applied]:
    if await tx.fetchval("SELECT to_regclass('migrations.applied')") is None:
        return []
    return [Applied(*row) for row in await tx.fetch(_APPLIED)]


_RECORD = """
INSERT INTO migrations.applied (schema, number, name, checksum) VALUES ($1, $2, $3, $4)"""


async def _apply(tx: Tx, step: Step) -> None:
    await tx.execute(f'CREATE SCHEMA IF NOT EXISTS "{step.schema}"')
    await tx.execute(step.sql)
    await tx.execute(_RECORD, step.schema, step.number, step.name, step.checksum)


def _read_step(schema: Schema, file: Path) -> Step:
    match = _FILE_NAME.fullmatch(file.name)
    if match is None:
        raise BadMigration(f"{file}: a migration is named NNNN_name.sql")
    content = file.read_bytes()
    sql = content.decode()
    phase = found.group(1) if (found := _PHASE.search(sql)) else "expand"
    if phase not in PHASES:
        raise BadMigration(f"{file}: phase {phase!r} is none of {', '.join(PHASES)}")
    problems = problems_of(sql, schema=schema.name, phase=phase)
    if problems:
        raise BadMigration(f"{file}: {'; '.join(problems)}")
    return Step(
        schema=schema.name,
        number=int(match.group(1)),
        name=match.group(2),
        phase=phase,
        checksum=sha256(content).hexdigest(),
        sql=sql,
    )


def _missing(steps: dict[str, list[Step]], seen: Sequence[Applied]) -> list[Step]:
    known = {(step.schema, step.number): step for schema in steps.values() for step in schema}
    for past in seen:
        if past.schema not in steps:
            continue
        step = known.pop((past.schema, past.number), None)
        label = f"{past.schema} {past.number:04d}_{past.name}"
        if step is None:
            raise DatabaseAhead(
                f"the database has migration {label} of {past.applied_at:%Y-%m-%d %H:%M} UTC, which this build does "
                "not know: a newer build has run on it. Start that build, or restore a backup from before it"
            )
        if step.checksum != past.checksum:
            raise BadMigration(
                f"{label} was changed after it had been applied on {past.applied_at:%Y-%m-%d}: put the file back "
                "as it was, and write the change as a new migration"
            )
    return list(known.values())
