"""PostgreSQL: the server we bring, the pool, transactions, migrations, keys that make a command safe to send twice.

One SQL dialect, from the laptop to the cluster. The schemas here are `migrations` (what was applied) and `platform`
(idempotency). Connections of the pool keep no state; whatever lasts asks for a connection of its own.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.postgres.database import CheckViolation, Database, PoolUse, UniqueViolation, run_again
    from overworld.platform.postgres.embedded import EmbeddedPostgres, running_dsn
    from overworld.platform.postgres.errors import (
        BadDsn,
        BadMigration,
        DatabaseAhead,
        DatabaseBusy,
        DatabaseFull,
        DatabaseTimeout,
        DatabaseUnavailable,
        DataFolderInUse,
        PostgresNotStarted,
    )
    from overworld.platform.postgres.migrations import Schema, Step, applied, migrate, plan
    from overworld.platform.postgres.settings import DatabaseSettings
else:
    __getattr__ = door(
        __name__,
        database=["CheckViolation", "Database", "PoolUse", "UniqueViolation", "run_again"],
        embedded=["EmbeddedPostgres", "running_dsn"],
        errors=[
            "BadDsn",
            "BadMigration",
            "DataFolderInUse",
            "DatabaseAhead",
            "DatabaseBusy",
            "DatabaseFull",
            "DatabaseTimeout",
            "DatabaseUnavailable",
            "PostgresNotStarted",
        ],
        migrations=["Schema", "Step", "applied", "migrate", "plan"],
        settings=["DatabaseSettings"],
    )

__all__ = [
    "BadDsn",
    "BadMigration",
    "CheckViolation",
    "DataFolderInUse",
    "Database",
    "DatabaseAhead",
    "DatabaseBusy",
    "DatabaseFull",
    "DatabaseSettings",
    "DatabaseTimeout",
    "DatabaseUnavailable",
    "EmbeddedPostgres",
    "PoolUse",
    "PostgresNotStarted",
    "Schema",
    "Step",
    "UniqueViolation",
    "applied",
    "migrate",
    "plan",
    "run_again",
    "running_dsn",
]
