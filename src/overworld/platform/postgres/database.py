"""The connection pool, and transactions as context managers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from overworld.kernel.ports import Tx


class Database:
    """A pool of connections to one PostgreSQL database. Open it with `Database.open`, close it once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, dsn: str, *, connections_max: int = 16) -> Database:
        """Connects. Raises: asyncpg errors when the server does not answer."""
        return cls(await asyncpg.create_pool(dsn, min_size=1, max_size=connections_max))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction that commits when the block ends and rolls back when it raises."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Waits for running work and closes every connection."""
        await self._pool.close()
