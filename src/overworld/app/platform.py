"""What every domain is built on."""

from __future__ import annotations

from msgspec import Struct

from overworld.app.game import Game
from overworld.app.settings import Settings
from overworld.app.versions.service import Current
from overworld.domains.accounts.audit.wiring import AuditParts
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Blobs, Limiter
from overworld.platform.columns.room import Room
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.http import KeyScopes
from overworld.platform.outbound import Poster
from overworld.platform.postgres import Database


class Platform(Struct, frozen=True, kw_only=True):
    """What every domain is built on."""

    settings: Settings
    game: Game
    current: Current
    database: Database
    clock: Clock
    ids: IdSource
    keys: KeyScopes
    limiter: Limiter
    outbox: PostgresOutbox
    audit: AuditParts
    poster: Poster
    blobs: Blobs
    columns: Room
