"""PostgreSQL: the pool, transactions, and migrations. One SQL dialect, from the laptop to the cluster."""

from overworld.platform.postgres.database import Database
from overworld.platform.postgres.migrations import Schema, migrate

__all__ = ["Database", "Schema", "migrate"]
