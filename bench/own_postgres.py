"""A PostgreSQL of the benchmark's own, durable and migrated, for what is measured inside this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from msgspec import Struct

from overworld.app.schemas import SCHEMAS
from overworld.kernel.clock import SystemClock
from overworld.platform.eventlog import EventLog
from overworld.platform.postgres import Database, DatabaseSettings, EmbeddedPostgres, migrate

_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"


class Inside(Struct, frozen=True):
    """This process, measured as the server, with a database."""

    dsn: str
    database: Database

    @property
    def family(self) -> list[psutil.Process]:
        """This process first, then PostgreSQL's."""
        here = psutil.Process()
        return [here, *here.children(recursive=True)]

    async def wal_bytes(self) -> int:
        """How much was written to the log of changes since the database was made."""
        async with self.database.read() as tx:
            written: int = await tx.fetchval(_WAL)
        return written


@asynccontextmanager
async def own_postgres(folder: Path, *, connections_max: int = 16) -> AsyncIterator[Inside]:
    """Starts PostgreSQL as a server of ours would, with the same settings, and stops it in the end."""
    settings = DatabaseSettings()
    postgres = EmbeddedPostgres(folder / "data", settings=settings)
    dsn = await asyncio.to_thread(postgres.start)
    try:
        database = await Database.open(dsn, settings=settings, connections_max=connections_max)
        try:
            await migrate(database, SCHEMAS)
            await EventLog(database, clock=SystemClock()).maintain()
            yield Inside(dsn, database)
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(postgres.stop)
