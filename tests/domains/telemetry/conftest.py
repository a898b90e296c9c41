"""Telemetry behind the real edge on a fresh database, with a real store of columns and a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pyarrow as pa
import pytest
from msgspec.structs import replace
from obstore.store import LocalStore
from prometheus_client import CollectorRegistry

from overworld.domains.telemetry import SCHEMA, TelemetryParts, TelemetrySettings, build
from overworld.domains.telemetry.processing.processor import Processor
from overworld.domains.telemetry.types import PREFIX
from overworld.domains.telemetry.wiring import build_processor
from overworld.kernel.clock import FixedClock
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.refusals import Refusal
from overworld.platform.columns.archive import Archive, Objects
from overworld.platform.columns.keeping import Keeping
from overworld.platform.columns.settings import ColumnSettings
from overworld.platform.columns.store import Columns, opened
from overworld.platform.eventlog import SCHEMA as LOG_SCHEMA
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database

PLAYER = UUID(int=7)
KEY = "owingest_of-a-game"
ROOM_LEVEL = 14
SETTINGS = TelemetrySettings(look_ms=10)
_WRITES = frozenset({Scope.TELEMETRY_WRITE})
BERLIN = {"lat_deg": 52.52, "lng_deg": 13.405}


class NotOurs(Refusal):
    """The token is not one of ours."""

    code = "test.telemetry_not_ours"
    status = 401


class Tokens:
    """A verifier that knows an ingest key, a player's token and a key that reads."""

    def verify(self, token: str) -> Principal:
        if token == KEY:
            return Principal(account_id=UUID(int=1), role="admin", scopes=_WRITES)
        if token == "player":
            return Principal(account_id=PLAYER, role="player", scopes=_WRITES, sid=UUID(int=9))
        if token == "reads":
            return Principal(account_id=UUID(int=2), role="player", scopes=frozenset({Scope.GAME_READ}))
        raise NotOurs


class NoKeys:
    """No developer key."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


class Desk:
    """The way in, a client, and processors that are started and stopped on purpose."""

    def __init__(self, database: Database, columns: Columns, clock: FixedClock, settings: TelemetrySettings) -> None:
        self.database = database
        self.columns: Any = columns
        self.clock = clock
        self.settings = settings
        self.parts = self._built()
        http = build_http(
            routes=[*self.parts.routes],
            verifier=Tokens(),
            keys=NoKeys(),
            limiter=MemoryLimiter(monotonic_s=clock.monotonic_s),
            settings=HttpSettings(),
            limits=LimitSettings(address_per_min=1),
            metrics=Metrics(CollectorRegistry()),
            polled=(PREFIX,),
        )
        transport = httpx.ASGITransport(http)  # type: ignore[arg-type]  # it has narrower types of its own
        self.client = httpx.AsyncClient(transport=transport, base_url="http://here")

    def _built(self) -> TelemetryParts:
        return build(
            database=self.database,
            clock=self.clock,
            limiter=MemoryLimiter(monotonic_s=self.clock.monotonic_s),
            verifier=Tokens(),
            settings=self.settings,
        )

    def set(self, **changes: Any) -> None:
        """From now on other settings hold for the way in."""
        self.settings = replace(self.settings, **changes)
        for part in (self.parts.intake, self.parts.upkeep):
            part._settings = self.settings

    async def send(self, *events: Any, key: str = KEY, **about: Any) -> httpx.Response:
        """Sends events as a batch."""
        headers = {"authorization": f"Bearer {key}", "user-agent": about.pop("agent", "")}
        return await self.client.post("/v1/events/batch", json={"events": list(events), **about}, headers=headers)

    def processor(self) -> Processor:
        """A server's processor before the columns; nothing of it runs yet."""
        return build_processor(
            database=self.database,
            clock=self.clock,
            columns=self.columns,
            room_level=ROOM_LEVEL,
            settings=self.settings,
        )

    async def process(self, *, until: int) -> Processor:
        """Processes until so many events are in the columns. Raises: what the processor raises."""
        processor = self.processor()
        running = asyncio.create_task(processor.run())
        try:
            async with asyncio.timeout(20):
                while len(await self.rows()) < until:
                    if running.done():
                        running.result()
                    await asyncio.sleep(0.01)  # pace: a task of its own processes
                await self.caught_up()
        finally:
            await processor.close()
            await running
        return processor

    async def caught_up(self) -> None:
        """Waits until the processor has come to the end of the raw log."""
        while await self.waiting():  # noqa: ASYNC110 - it is told in the database
            await asyncio.sleep(0.01)  # pace: a task of its own processes

    async def waiting(self) -> int:
        """How many bytes the processor has not come to."""
        from overworld.domains.telemetry import store

        async with self.database.read() as tx:
            return await store.waiting_bytes(tx, "player.events.raw")

    async def rows(self) -> list[dict[str, Any]]:
        """What is in the columns, in order of time and name."""
        table: pa.Table = await self.columns.read("SELECT * FROM {events} ORDER BY happened_at, name, event_id")
        return [{**row, "at": row["happened_at"].replace(tzinfo=UTC)} for row in table.to_pylist()]

    async def refused(self) -> list[tuple[str, bytes]]:
        """Reason and text of every refused event."""
        async with self.database.read() as tx:
            rows: Sequence[Any] = await tx.fetch(
                "SELECT reason, event FROM telemetry.refused ORDER BY stamp, id, number"
            )
        return [(row["reason"], row["event"]) for row in rows]


@pytest.fixture
async def desk(open_database: Any, clock: FixedClock, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_database(LOG_SCHEMA, SCHEMA) as database:
        columns = await opened(tmp_path / "columns", settings=ColumnSettings())
        made = Desk(database, columns, clock, SETTINGS)
        yield made
        await made.client.aclose()
        await made.parts.intake.close()
        await columns.close()


@pytest.fixture
def keeping_of(desk: Desk, tmp_path: Path) -> Any:
    """Makes the rounds of a store, with an archive in a folder."""

    def made(columns: Columns) -> Keeping:
        folder = tmp_path / "blobs"
        objects = Objects(LocalStore(folder, mkdir=True), folder=folder)
        return Keeping(columns, clock=desk.clock, archive=Archive(columns, objects=objects, table=None))

    return made
