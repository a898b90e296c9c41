"""Puts API keys together."""

from __future__ import annotations

import os
from collections.abc import Callable

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.apikeys.routes import routes
from overworld.domains.accounts.apikeys.service import ApiKeys
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database


class ApiKeyParts(Struct, frozen=True, kw_only=True):
    """What API keys contribute beside the book, which belongs to who verifies."""

    service: ApiKeys
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    book: KeyBook,
    settings: AccountsSettings,
    random: Callable[[int], bytes] = os.urandom,
) -> ApiKeyParts:
    """API keys on a migrated database; `book` is the one that tokens are verified with."""
    service = ApiKeys(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        book=book,
        settings=settings,
        random=random,
    )
    return ApiKeyParts(service=service, routes=routes(service))
