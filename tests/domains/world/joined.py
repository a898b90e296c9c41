"""A world with history and sharing on a real database, as one of several servers, and sockets that write down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry

from overworld.domains.world.history import wiring as history_wiring
from overworld.domains.world.history.types import HistorySettings
from overworld.domains.world.shares import wiring as shares_wiring
from overworld.domains.world.shares.messages import GrantShare, ShareBody, ShareGiven
from overworld.domains.world.shares.types import SharingSettings
from overworld.domains.world.wiring import SCHEMA
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import SCHEMA as LOG_SCHEMA
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database
from overworld.platform.postgres.idempotency import SCHEMA as KEYS_SCHEMA
from tests.audited import KeptTrail
from tests.domains.world.conftest import Field

SCHEMAS = (LOG_SCHEMA, KEYS_SCHEMA, SCHEMA)
ANN, BOB, CARL, STAFF = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=9)
NAMES = {"ann": ANN, "bob": BOB, "carl": CARL}


class Names:
    """A directory of a few players."""

    async def found(self, names: Sequence[str]) -> list[UUID | None]:
        by_id = {str(player): player for player in NAMES.values()}
        return [NAMES.get(name) or by_id.get(name) for name in names]


class Heard:
    """Sockets of some accounts, who all listen to their own channels unless they are `deaf`."""

    def __init__(self) -> None:
        self.accounts: set[UUID] = set()
        self.deaf: set[UUID] = set()
        self.messages: list[tuple[UUID, Any]] = []

    def listens(self, channel: str) -> bool:
        return UUID(channel.removeprefix("user:")) in self.accounts - self.deaf

    def publish(self, channel: str, message: Struct | bytes) -> None:
        self.messages.append((UUID(channel.removeprefix("user:")), msgspec.to_builtins(message)))

    def taken(self) -> list[tuple[UUID, Any]]:
        messages, self.messages = self.messages, []
        return messages


class Server:
    """One of the servers on a database. All of them have one clock."""

    def __init__(
        self, database: Database, field: Field, ids: IdSource, *, history: HistorySettings, sharing: SharingSettings
    ) -> None:
        self.database = database
        self.field = field
        self.world = field.world
        self.clock = field.clock
        self.trail = KeptTrail()
        self.heard = Heard()
        self._ids = ids
        common: dict[str, Any] = {
            "database": database,
            "clock": field.clock,
            "outbox": PostgresOutbox(ids=ids),
            "audit": self.trail,
            "coarse_level": 16,
        }
        self.history = history_wiring.build(players=field.world.engine.players, settings=history, **common)
        self.shares = shares_wiring.build(ids=ids, directory=Names(), places=field.world, settings=sharing, **common)
        self.shares.stream.sockets = self.heard
        field.parts.join(history=self.history, shares=self.shares)
        self._heard_until = UUID(int=0)

    async def share(
        self, to: str = "bob", *, by: UUID = ANN, sight: Any = "live", expires_in_s: int = 3_600, key: str | None = None
    ) -> ShareGiven:
        """What a player gets who shares its place."""
        body = ShareBody(to=to, sight=sight, expires_in_s=expires_in_s)
        command = GrantShare(owner_id=by, body=body, key=key or str(self._ids()))
        return (await self.shares.service.grant(command)).value

    async def told(self) -> list[tuple[UUID, Any]]:
        """What sockets hear in one round of the stream, and since the last one."""
        await self.shares.stream.tell()
        return self.heard.taken()

    async def catch_up(self) -> None:
        """Hears all news of the log that it has not heard yet, its own included."""
        async with self.database.read() as tx:
            news = [event for event in await logged(tx) if event.id > self._heard_until]
        if news:
            self._heard_until = max(event.id for event in news)
        await self.field.parts.on_events(news)


class Tokens:
    """A verifier whose tokens are account numbers; one of them is of the staff."""

    def verify(self, token: str) -> Principal:
        account_id = UUID(int=int(token))
        scopes = {Scope.LOCATION_READ, Scope.LOCATION_WRITE} | (
            {Scope.LOCATION_AUDIT} if account_id == STAFF else set()
        )
        return Principal(account_id=account_id, role="player", scopes=frozenset(scopes))


class NoKeys:
    """Honours no key."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@asynccontextmanager
async def over_http(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server's routes behind the real edge."""
    app: Any = build_http(
        routes=server.field.parts.routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        yield client


def of(account_id: UUID) -> dict[str, str]:
    """The headers of a request by an account."""
    return {"authorization": f"Bearer {account_id.int}"}


async def logged(tx: Tx) -> list[Envelope]:
    """All events of the log."""
    rows = await tx.fetch("SELECT events FROM eventlog.outbox ORDER BY stamp, id")
    return [event for row in rows for event in msgspec.json.decode(row["events"], type=list[Envelope])]


async def kept(database: Database) -> list[tuple[UUID, datetime]]:
    """Whose fixes of when the history holds."""
    async with database.read() as tx:
        rows = await tx.fetch("SELECT player_id, recorded_at FROM world.location ORDER BY recorded_at, player_id")
    return [tuple(row) for row in rows]
