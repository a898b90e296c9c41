"""The connection pool: transactions as context managers, bounded waits, and failures told apart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Busy
from overworld.kernel.waiting import Line
from overworld.platform.postgres.errors import BadDsn, DatabaseBusy, DatabaseFull, DatabaseTimeout, DatabaseUnavailable
from overworld.platform.postgres.listening import Listener, OnNotice
from overworld.platform.postgres.settings import DatabaseSettings

T = TypeVar("T")

CheckViolation = asyncpg.CheckViolationError
UniqueViolation = asyncpg.UniqueViolationError
"""What a statement raises that a constraint or a function of ours refused: nothing of its transaction is left."""

_CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
)
_NO_ROOM = (asyncpg.DiskFullError, asyncpg.OutOfMemoryError)
_LOST_IF_CLOSED = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_FIRST_PAUSE_S = 0.005

_log = logging.getLogger(__name__)


class PoolUse(Struct, frozen=True):
    """How busy a pool is: connections open, of them in use, and callers waiting for one."""

    open: int
    in_use: int
    waiting: int
    connections_max: int


class Database:
    """A pool of connections to one PostgreSQL database. Open it with `Database.open`, close it once.

    Connections keep no state between uses, which saves a round trip for each: no session locks, no `SET` (only
    `SET LOCAL`), no temporary tables. `connect` gives a connection for those.
    """

    def __init__(self, pool: asyncpg.Pool, *, dsn: str, settings: DatabaseSettings, application: str) -> None:
        self._pool = pool
        self._dsn = dsn
        self._settings = settings
        self._application = application
        self.line = Line(settings.waiting_max)
        self._listener = Listener(self.connect)

    @property
    def dsn(self) -> str:
        """Where it is, for who has to connect by other means."""
        return self._dsn

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        connections_max: int | None = None,
        settings: DatabaseSettings | None = None,
        application: str = "overworld",
    ) -> Database:
        """Connects; `connections_max` goes before the one in the settings. Raises: BadDsn; DatabaseUnavailable."""
        settings = settings or DatabaseSettings()
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections_max or settings.connections_max,
                timeout=settings.connect_timeout_s,
                server_settings=_session(settings, application),
                reset=_keep,
            )
        except (asyncpg.PostgresError, OSError) as error:
            problem = f"cannot connect to PostgreSQL{_place(dsn)}: {error or type(error).__name__}"
            raise DatabaseUnavailable(problem) from error
        except ValueError as error:
            form = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            raise BadDsn(f"the database is not named by an address such as {form}") from error
        return cls(pool, dsn=dsn, settings=settings, application=application)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction that commits when the block ends and rolls back when it raises.

        Raises: DatabaseBusy when no connection comes free in time; DatabaseUnavailable when the server is gone;
        DatabaseTimeout when a statement or a lock took too long; DatabaseFull when disk or memory ran out.
        """
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A connection for lone statements, without a transaction: each sees its own snapshot and commits itself.

        One round trip a statement instead of three. Raises: like `transaction`.
        """
        async with self._connection() as connection:
            yield connection

    async def connect(self, **session: str) -> asyncpg.Connection:
        """A connection of its own, outside the pool, for what lasts: session locks, LISTEN. The caller closes it.

        `session` sets server settings on it. Raises: DatabaseUnavailable.
        """
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=self._settings.connect_timeout_s,
                server_settings=_session(self._settings, self._application) | session,
            )
        except (asyncpg.PostgresError, OSError) as error:
            raise DatabaseUnavailable(f"cannot connect to PostgreSQL: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def listen(self, channel: str, on_notice: OnNotice) -> AsyncIterator[None]:
        """Calls `on_notice(payload)` for every NOTIFY on the channel while the block runs.

        All channels share one connection that comes back by itself; after it was lost, and at the start, every
        callback is called with an empty payload, because something may have been missed. A notice is a hint.
        """
        async with self._listener.listening(channel, on_notice):
            yield

    def use(self) -> PoolUse:
        """How busy the pool is now."""
        size = self._pool.get_size()
        return PoolUse(
            open=size,
            in_use=size - self._pool.get_idle_size(),
            waiting=self.line.waiting,
            connections_max=self._pool.get_max_size(),
        )

    async def close(self) -> None:
        """Waits for running work and closes every connection; those of a server that is silent are cut in the end."""
        await self._listener.close()
        try:
            await asyncio.wait_for(self._pool.close(), self._settings.close_timeout_s)
        except TimeoutError:
            _log.warning("connections still in use after %.0f s are cut", self._settings.close_timeout_s)
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        connection = await self._acquire()
        try:
            yield connection
        except asyncpg.QueryCanceledError as error:
            raise DatabaseTimeout(f"statement cancelled: {error}") from error
        except asyncpg.LockNotAvailableError as error:
            raise DatabaseTimeout(f"lock not available: {error}") from error
        except _NO_ROOM as error:
            _log.error("PostgreSQL has no room left: %s", error)
            raise DatabaseFull(f"no room left: {error}") from error
        except _LOST as error:
            raise DatabaseUnavailable(f"connection lost: {error}") from error
        except _LOST_IF_CLOSED as error:
            if _is_gone(connection):
                raise DatabaseUnavailable(f"connection lost: {error}") from error
            raise
        finally:
            # What the block ended with must get out, above all a cancellation; asyncpg has cut the silent connection.
            with suppress(TimeoutError):
                await self._pool.release(connection)

    async def _acquire(self) -> asyncpg.pool.PoolConnectionProxy:
        try:
            place = self.line.enter()
        except Busy as error:
            raise DatabaseBusy(f"{self.line.waiting} callers wait for a connection") from error
        try:
            return await self._pool.acquire(timeout=self._settings.acquire_timeout_s)
        except TimeoutError as error:
            self.line.refused += 1
            raise DatabaseBusy(f"no connection within {self._settings.acquire_timeout_s:g} s") from error
        except (*_LOST, OSError) as error:
            raise DatabaseUnavailable(f"cannot connect to PostgreSQL: {error or type(error).__name__}") from error
        finally:
            self.line.leave(place)


def _is_gone(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether a connection was lost; the pool detaches its proxy then, which answers nothing any more."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def run_again(work: Callable[[], Awaitable[T]], *, tries: int = 5) -> T:
    """The result of `work`, run again from its start when PostgreSQL chose it to lose a conflict.

    That is SQLSTATE 40001 or 40P01, after which nothing of it remains. `work` opens its own transaction; the pause
    doubles from 5 ms. Raises: DatabaseBusy after the last try.
    """
    for attempt in range(tries):
        try:
            return await work()
        except _CONFLICTS as error:
            if attempt == tries - 1:
                raise DatabaseBusy(f"lost {tries} conflicts in a row: {error}") from error
            await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
    raise ValueError(f"tries must be positive: {tries}")


def _place(dsn: str) -> str:
    """Where a DSN leads, for people. The host alone: behind it a password may go on that is not quoted."""
    host = urlsplit(dsn).hostname
    return f" at {host}" if host and "," not in dsn else ""


def _session(settings: DatabaseSettings, application: str) -> dict[str, str]:
    return {
        "application_name": application,
        "jit": "off",
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(settings.idle_in_transaction_timeout_ms),
    }


async def _keep(_connection: asyncpg.Connection) -> None:
    """Leaves a returned connection as it is, in place of asyncpg's reset query."""
