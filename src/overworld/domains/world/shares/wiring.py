"""Puts sharing together for the world."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.world.jobs import Job
from overworld.domains.world.shares.ports import Directory, Places
from overworld.domains.world.shares.routes import routes
from overworld.domains.world.shares.service import Sharing
from overworld.domains.world.shares.stream import ShareStream
from overworld.domains.world.shares.types import SharingSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database

_DELETE_ENDED_EVERY_S = 600.0


class SharesParts(Struct, frozen=True, kw_only=True):
    """What sharing contributes to the world. Give `stream.sockets` the socket's door."""

    service: Sharing
    stream: ShareStream
    routes: list[HTTPRouteHandler]
    jobs: list[Job]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    directory: Directory,
    places: Places,
    settings: SharingSettings,
    coarse_level: int,
) -> SharesParts:
    """Sharing of the places of a world's players."""
    stream = ShareStream(database=database, clock=clock, places=places, coarse_level=coarse_level)
    service = Sharing(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        directory=directory,
        places=places,
        stream=stream,
        settings=settings,
        coarse_level=coarse_level,
    )
    return SharesParts(
        service=service,
        stream=stream,
        routes=routes(service),
        jobs=[
            Job("world.tell_shared", settings.told_every_s, stream.tell),
            Job("world.delete_ended_shares", _DELETE_ENDED_EVERY_S, service.delete_ended),
        ],
    )
