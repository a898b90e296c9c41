"""Tables in daily partitions, by the days of UTC: how their days are called, which there are, and whose turn it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

from overworld.kernel.ports import Tx
from overworld.platform.postgres.database import Database

_LOCK_TIMEOUT_MS = 2_000
_DAY = re.compile(r"_(\d{8})")

_PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = to_regclass($1) ORDER BY relname"""


@asynccontextmanager
async def alone(database: Database, *, lock_key: int) -> AsyncIterator[Tx]:
    """A transaction of the one process that maintains a table now; the others wait for their turn, 2 s at most.

    Take one for each step, so that no step keeps another's locks. Raises: as `transaction`, DatabaseTimeout when the
    turn does not come.
    """
    async with database.transaction() as tx:
        await tx.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
        await tx.execute("SELECT pg_advisory_xact_lock($1)", lock_key)
        yield tx


async def days_of(tx: Tx, table: str) -> list[date]:
    """The days of which a table has a partition, in order. One round trip; `table` comes with its schema."""
    name = table.partition(".")[2]
    partitions: list[str] = [row["relname"] for row in await tx.fetch(_PARTITIONS, table)]
    return [day for each in partitions if (day := day_in(each.removeprefix(name))) is not None]


def day_in(ending: str) -> date | None:
    """The day that the ending of a partition's name stands for; None for any other text."""
    found = _DAY.fullmatch(ending)
    return datetime.strptime(found.group(1), "%Y%m%d").replace(tzinfo=UTC).date() if found else None


def partition_of(table: str, day: date) -> str:
    """What the partition of a day is called."""
    return f"{table}_{day:%Y%m%d}"


def midnight(day: date) -> str:
    """When a day begins, as SQL writes it."""
    return f"{day:%Y-%m-%d} 00:00:00+00"
