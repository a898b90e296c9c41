"""Puts trust together for the app."""

from __future__ import annotations

from pathlib import Path

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.trust.folding import Folding
from overworld.domains.trust.jobs import Recovery
from overworld.domains.trust.ports import Directory, Progress
from overworld.domains.trust.routes import routes
from overworld.domains.trust.service import Trust
from overworld.domains.trust.standings import Standings
from overworld.domains.trust.types import TrustRules, TrustSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="trust", folder=Path(__file__).parent / "schema")


class TrustParts(Struct, frozen=True, kw_only=True):
    """What trust contributes to the app.

    Run `folding` as the one fold named `folding.NAME`, behind what translates other domains' events into its facts,
    and `recovery` in every process; feed `standings.on_events` from the log's tail.
    """

    service: Trust
    standings: Standings
    folding: Folding
    recovery: Recovery
    routes: list[ControllerRouterHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    directory: Directory,
    progress: Progress,
    standings: Standings,
    rules: TrustRules,
    settings: TrustSettings,
) -> TrustParts:
    """Trust for a checked game definition, on a migrated database.

    `standings` comes from `build_standings`: others are given that door before the directory is there.
    """
    service = Trust(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        directory=directory,
        progress=progress,
        standings=standings,
        rules=rules,
        settings=settings,
    )
    return TrustParts(
        service=service,
        standings=standings,
        folding=Folding(clock=clock, ids=ids, outbox=outbox, rules=rules),
        recovery=Recovery(service, every_s=settings.recover_every_s),
        routes=routes(service),
    )


def build_standings(*, database: Database, settings: TrustSettings) -> Standings:
    """The door that tells where players stand."""
    return Standings(database=database, cached_max=settings.standings_cached_max)
