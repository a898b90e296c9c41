"""The server as it is composed, never started: what it answers and what it measures."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from overworld.app import compose, traces
from overworld.app.developer_key import NoKeys
from overworld.app.game import check, found
from overworld.app.settings import Settings
from overworld.kernel.clock import SystemClock
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database, DatabaseSettings

_GAME = "ore"


class Described(Struct, frozen=True):
    """What a server says of itself: the document of `/openapi.json`, and its metrics."""

    document: dict[str, Any]
    metrics: Metrics


def described() -> Described:
    """A server with the default settings and the first game, on a database that it never connects to."""
    return asyncio.run(_described())


async def _described() -> Described:
    defaults = Settings()
    pool = asyncpg.create_pool("postgresql://nobody@localhost/nothing", min_size=0)
    metrics = Metrics(CollectorRegistry())
    house = await compose.compose(
        # With a key of its own gameplay need not ask the database for one.
        settings=replace(defaults, gameplay=replace(defaults.gameplay, spawn_key="x" * 32)),
        game=check(found(_GAME)),
        database=Database(pool, dsn="", settings=DatabaseSettings(), application="docs"),
        clock=SystemClock(),
        keys=NoKeys(),
        metrics=metrics,
    )
    traces.measure(metrics, None)
    return Described(await _document(house.http), metrics)


async def _document(app: Any) -> dict[str, Any]:
    with capture_logs():
        return await _fetched(app)


async def _fetched(app: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document
