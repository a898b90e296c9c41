"""Puts sync together for the app."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.gameplay.sync.ports import Act
from overworld.domains.gameplay.sync.routes import routes
from overworld.domains.gameplay.sync.rules import terms_of
from overworld.domains.gameplay.sync.service import Sync
from overworld.domains.gameplay.sync.types import SyncRules
from overworld.kernel.clock import Clock
from overworld.kernel.ports import LastFix
from overworld.platform.postgres import Database


class SyncParts(Struct, frozen=True, kw_only=True):
    """What sync contributes to the app. Call `service.close()` before the services that its acts use."""

    service: Sync
    routes: list[ControllerRouterHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    last_fix: LastFix,
    acts: Mapping[str, Act],
    rules: SyncRules,
    speed_max_km_h: float,
    accuracy_m: float,
) -> SyncParts:
    """Sync for a checked game definition: `acts` does each kind of action, the rest says what is believed."""
    terms = terms_of(rules, speed_max_km_h=speed_max_km_h, accuracy_m=accuracy_m)
    service = Sync(database=database, clock=clock, last_fix=last_fix, acts=acts, terms=terms)
    return SyncParts(service=service, routes=routes(service))
