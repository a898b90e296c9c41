"""How the database room says no: what stops a start, and what a caller may try again."""

from __future__ import annotations

from overworld.kernel.refusals import Busy, Fault, Refusal


class DataFolderInUse(Refusal):
    """Another Overworld is running on this data folder."""

    code = "database.folder_in_use"
    status = 503


class PostgresNotStarted(Refusal):
    """The embedded PostgreSQL could not be started."""

    code = "database.not_started"
    status = 503


class BadDsn(Refusal):
    """What was given as the database is not the address of one."""

    code = "database.bad_dsn"
    status = 503


class BadMigration(Refusal):
    """A migration file breaks the rules, or was changed after it had been applied."""

    code = "database.bad_migration"
    status = 503


class DatabaseAhead(Refusal):
    """The database was migrated by a newer build than this one."""

    code = "database.ahead"
    status = 503


class DatabaseUnavailable(Fault):
    """The database is not answering; try again shortly.

    A command whose commit was on its way may have happened: repeat it under the same idempotency key.
    """

    code = "database.unavailable"


class DatabaseTimeout(Fault):
    """The database took too long and the statement was cancelled; try again shortly."""

    code = "database.timeout"


class DatabaseFull(Fault):
    """The database has no room left on its disk or in memory; try again later.

    Nothing of the command is done. Somebody has to make room; the log says it as an error.
    """

    code = "database.full"


class DatabaseBusy(Busy):
    """Too many callers are waiting for the database; try again shortly."""

    code = "database.busy"
