"""The database's schema, for the command line and at start: what is missing, and bringing it up to date."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.kernel.refusals import Refusal
from overworld.platform import postgres
from overworld.platform.postgres import Database, DataFolderInUse, EmbeddedPostgres, Step, running_dsn


class SchemaBehind(Refusal):
    """The database lacks migrations that this version needs.

    A database that was given by DSN is only changed on request.
    """

    code = "platform.schema_behind"
    status = 503


def plan(settings: Settings) -> list[str]:
    """The migrations that `up` would run, a line each."""
    return asyncio.run(_plan(settings))


def up(settings: Settings) -> list[str]:
    """Runs what is missing; gives what was run, a line each."""
    return asyncio.run(_up(settings))


async def bring_up(database: Database, *, allowed: bool) -> list[Step]:
    """Brings the schema up to date where that is `allowed`; gives what was run.

    Raises: DatabaseAhead, BadMigration; SchemaBehind when something is missing and it is not allowed.
    """
    if allowed:
        return await postgres.migrate(database, SCHEMAS)
    if missing := await postgres.plan(database, SCHEMAS):
        names = ", ".join(str(step) for step in missing)
        raise SchemaBehind(f"the database lacks {names}; run `overworld migrate up`, or serve with --migrate")
    return []


async def _plan(settings: Settings) -> list[str]:
    async with _database(settings) as database:
        return [str(step) for step in await postgres.plan(database, SCHEMAS)]


async def _up(settings: Settings) -> list[str]:
    async with _database(settings) as database:
        return [str(step) for step in await postgres.migrate(database, SCHEMAS)]


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """The database of these settings: by DSN, of the server that runs on this data folder, or started for this."""
    dsn, embedded = settings.database.dsn, None
    if not dsn:
        try:
            embedded = EmbeddedPostgres(settings.data, settings=settings.database)
            dsn = await asyncio.to_thread(embedded.start)
        except DataFolderInUse:
            embedded, dsn = None, running_dsn(settings.data) or ""
            if not dsn:
                raise
    try:
        database = await Database.open(dsn, settings=settings.database)
        try:
            yield database
        finally:
            await database.close()
    finally:
        if embedded is not None:
            await asyncio.to_thread(embedded.stop)
