"""A look into a database that is running already: nothing is started for it, and nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from msgspec.structs import replace

from overworld.app.settings import Settings
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, DatabaseUnavailable, running_dsn


class NoServer(Refusal):
    """No server is running there."""

    code = "platform.no_server"
    status = 503


class NotAnswered(Refusal):
    """The database does not answer what was asked."""

    code = "database.not_answered"
    status = 503


@asynccontextmanager
async def attached(settings: Settings, *, application: str, connections: int = 1) -> AsyncIterator[Database]:
    """The database given by DSN, else that of the server which runs on the data folder; one connection, or more.

    Raises: NoServer when there is neither; NotAnswered when the database refuses what the block asks; those of
    `Database.open`.
    """
    dsn = settings.database.dsn or _running(settings)
    try:
        database = await Database.open(
            dsn, settings=replace(settings.database, connections_max=connections), application=application
        )
    except DatabaseUnavailable as gone:
        if settings.database.dsn:
            raise
        raise NoServer(_how(settings, f"its PostgreSQL does not answer: {gone}")) from gone
    try:
        yield database
    except asyncpg.PostgresError as error:
        raise NotAnswered(f"the database says: {error}") from error
    finally:
        await database.close()


def _running(settings: Settings) -> str:
    try:
        dsn = running_dsn(settings.data)
    except OSError as error:
        raise NoServer(_how(settings, f"cannot look there: {error.strerror}")) from error
    if dsn is None:
        raise NoServer(_how(settings, ""))
    return dsn


def _how(settings: Settings, why: str) -> str:
    reason = f" ({why})" if why else ""
    return (
        f"no server is running on the data folder {settings.data}{reason}; start one with `overworld serve`, or name "
        "a folder with --data or a database with --database"
    )
