"""Databases and players for real server processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from bench.servers import ServerProcess
from tests.system.player import Player

Joins = Callable[..., Awaitable[Player]]


@pytest.fixture(scope="session")
def empty_database(postgres_dsn: str) -> Callable[[], AbstractAsyncContextManager[str]]:
    """Makes an empty database, gives its DSN, and drops it: `async with empty_database() as dsn`."""

    @asynccontextmanager
    async def made() -> AsyncIterator[str]:
        name = f"system_{uuid4().hex}"
        admin = await asyncpg.connect(postgres_dsn)
        try:
            await admin.execute(f"CREATE DATABASE {name}")
            yield postgres_dsn.replace("/postgres?", f"/{name}?")
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await admin.close()

    return made


@pytest_asyncio.fixture(loop_scope="module")
async def joins() -> AsyncIterator[Joins]:
    """Signs new players in and connects them: `await joins(server)`."""
    async with AsyncExitStack() as stack:

        async def join(server: ServerProcess, *, device_id: str | None = None) -> Player:
            return await stack.enter_async_context(Player(server, device_id=device_id))

        yield join
