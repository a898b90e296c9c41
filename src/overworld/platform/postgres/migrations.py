"""Forward migrations: each domain's SQL files, applied in order, once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from overworld.platform.postgres.database import Database


class Schema(Struct, frozen=True):
    """One domain's tables: the PostgreSQL schema's name and the folder of its `NNNN_name.sql` files."""

    name: str
    folder: Path


async def migrate(database: Database, schemas: Sequence[Schema]) -> None:
    """Applies what is missing."""
    for schema in schemas:
        async with database.transaction() as tx:
            await tx.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
            for file in sorted(schema.folder.glob("*.sql")):
                await tx.execute(file.read_text())
