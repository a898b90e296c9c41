"""Puts the memberships of a game together."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.accounts.membership.clubs import Clubs, clubs_of
from overworld.domains.accounts.membership.ports import Proofs
from overworld.domains.accounts.membership.routes import routes
from overworld.domains.accounts.membership.service import Memberships
from overworld.domains.accounts.membership.types import MembershipRules
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.money import Currency
from overworld.kernel.ports import Ledger, Outbox
from overworld.platform.postgres import Database


class MembershipParts(Struct, frozen=True, kw_only=True):
    """What memberships contribute to the app.

    `clubs` are those of the definition in force, for who mints tokens. Call `service.close()` before the database
    closes.
    """

    clubs: Clubs
    service: Memberships
    routes: list[ControllerRouterHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ledger: Ledger,
    outbox: Outbox,
    rules: Mapping[str, MembershipRules],
    currencies: Mapping[str, Currency],
    alias: str | None = None,
    proofs: Proofs | None = None,
    settings: AccountsSettings | None = None,
) -> MembershipParts:
    """The clubs of a checked definition, on a migrated database.

    Without `proofs` nobody can prove an account elsewhere, and clubs that ask for one refuse.
    """
    clubs = Clubs(clubs_of(rules, currencies))
    service = Memberships(
        database=database,
        clock=clock,
        ledger=ledger,
        outbox=outbox,
        clubs=clubs,
        proofs=proofs,
        settings=settings or AccountsSettings(),
    )
    founding = next((name for name, declared in rules.items() if declared.founding), None)
    return MembershipParts(clubs=clubs, service=service, routes=routes(service, alias=alias, founding=founding))
