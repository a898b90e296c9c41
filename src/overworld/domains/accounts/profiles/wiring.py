"""Puts profiles together."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.profiles.avatars import Avatars
from overworld.domains.accounts.profiles.routes import routes
from overworld.domains.accounts.profiles.service import Editing, Searching
from overworld.domains.accounts.service import Profiles
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Blobs, Limiter, Outbox
from overworld.platform.postgres import Database


class ProfileParts(Struct, frozen=True, kw_only=True):
    """What profiles contribute: `avatars` has a loop to run, and `close` to call before the database closes."""

    editing: Editing
    searching: Searching
    avatars: Avatars
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    blobs: Blobs,
    limiter: Limiter,
    limits_enabled: bool,
    profiles: Profiles,
    settings: AccountsSettings,
) -> ProfileParts:
    """Profiles on a migrated database; `profiles` is what accounts shows of them."""
    editing = Editing(database=database, clock=clock, outbox=outbox)
    searching = Searching(database=database)
    avatars = Avatars(
        database=database,
        clock=clock,
        outbox=outbox,
        blobs=blobs,
        limiter=limiter,
        limits_enabled=limits_enabled,
        settings=settings,
    )
    return ProfileParts(
        editing=editing,
        searching=searching,
        avatars=avatars,
        routes=routes(
            profiles=profiles,
            editing=editing,
            searching=searching,
            avatars=avatars,
            avatar_bytes_max=settings.avatar_bytes_max,
        ),
    )
