"""An audit log on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.audit.wiring import AuditParts, build
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.platform.postgres import Database
from tests.audited import staff
from tests.domains.accounts.conftest import KeptOutbox

ANN = UUID(int=0xA)


class Desk(Struct, frozen=True):
    """The audit log, and what it stands on."""

    parts: AuditParts
    database: Database
    clock: FixedClock
    ids: IdSource
    outbox: KeptOutbox

    async def record(self, count: int = 1, **said: Any) -> None:
        entries = [staff(ANN).did("gameplay.place", f"coin-{n}", after={"n": n}, **said) for n in range(count)]
        async with self.database.transaction() as tx:
            await self.parts.trail.record(tx, entries)

    async def as_owner(self, *statements: str) -> None:
        """What somebody does who owns the tables and so can switch their triggers off."""
        connection: asyncpg.Connection = await self.database.connect(session_replication_role="replica")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def faults(self) -> list[str]:
        return (await self.parts.reading.verify()).faults


@pytest.fixture
async def desk(open_database, clock, ids) -> AsyncIterator[Desk]:
    async with open_database(SCHEMA) as database:
        outbox = KeptOutbox(ids)
        parts = build(database=database, clock=clock, ids=ids, outbox=outbox)
        yield Desk(parts, database, clock, ids, outbox)
