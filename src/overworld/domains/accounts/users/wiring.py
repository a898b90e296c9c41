"""Puts together what staff do with accounts."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.users.routes import routes
from overworld.domains.accounts.users.service import Users
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database


class UsersParts(Struct, frozen=True, kw_only=True):
    """What staff do with accounts."""

    service: Users
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    revocations: Revocations,
    book: KeyBook,
) -> UsersParts:
    """Accounts in the hands of staff; `revocations` and `book` are those that tokens and keys are verified with."""
    service = Users(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        audit=audit,
        revocations=revocations,
        book=book,
    )
    return UsersParts(service=service, routes=routes(service))
