"""Puts the audit log together."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.audit.reading import Reading
from overworld.domains.accounts.audit.routes import routes
from overworld.domains.accounts.audit.sealer import Sealer
from overworld.domains.accounts.audit.trail import Trail
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database


class AuditParts(Struct, frozen=True, kw_only=True):
    """What the audit log contributes: `trail` is the kernel's `AuditTrail`, `sealer` has a loop to run."""

    trail: Trail
    sealer: Sealer
    reading: Reading
    routes: list[HTTPRouteHandler]


def build(*, database: Database, clock: Clock, ids: IdSource, outbox: Outbox) -> AuditParts:
    """The audit log on a migrated database."""
    reading = Reading(database=database)
    return AuditParts(
        trail=Trail(clock=clock, ids=ids),
        sealer=Sealer(database=database, clock=clock, outbox=outbox),
        reading=reading,
        routes=routes(reading),
    )
