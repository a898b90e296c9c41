"""Puts the ledger's rooms together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.ledger.audit.auditor import Auditor
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.routes import routes as audit_routes
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.jobs import Expiry
from overworld.domains.ledger.ports import Directory, Progress, Trust
from overworld.domains.ledger.routes import routes, sending_routes
from overworld.domains.ledger.sending import Sending
from overworld.domains.ledger.service import Ledger
from overworld.domains.ledger.types import LedgerSettings, TransferRules
from overworld.kernel.clock import Clock
from overworld.kernel.money import Currency
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="ledger", folder=Path(__file__).parent / "schema")


class LedgerDomain(Struct, frozen=True, kw_only=True):
    """The ledger's doors.

    `service` implements the kernel's `Ledger` port; `sealer`, `auditor` and `expiry` have loops to run.
    """

    service: Ledger
    sealer: Sealer
    auditor: Auditor
    expiry: Expiry
    routes: list[ControllerRouterHandler]


class SendingParts(Struct, frozen=True, kw_only=True):
    """What players need to send each other something. Call `service.close()` before the database closes."""

    service: Sending
    routes: list[ControllerRouterHandler]


def build(
    *, database: Database, clock: Clock, currencies: Mapping[str, Currency], settings: LedgerSettings | None = None
) -> LedgerDomain:
    """The ledger of one game; `currencies` are the game's, by code, in the order players see them."""
    chosen = settings or LedgerSettings()
    service = Ledger(database=database, currencies=currencies, settings=chosen)
    log = Log(database=database, clock=clock, settings=chosen)
    return LedgerDomain(
        service=service,
        sealer=Sealer(database=database, clock=clock, settings=chosen),
        auditor=Auditor(database=database, clock=clock, settings=chosen),
        expiry=Expiry(ledger=service, clock=clock, every_s=chosen.expire_interval_s),
        routes=[*routes(service), *audit_routes(log)],
    )


def build_sending(
    *,
    database: Database,
    clock: Clock,
    ledger: Ledger,
    outbox: Outbox,
    directory: Directory,
    trust: Trust,
    progress: Progress,
    currencies: Mapping[str, Currency],
    rules: TransferRules,
    settings: LedgerSettings | None = None,
) -> SendingParts:
    """Player to player, by the rules of one game. It asks domains that themselves need the ledger, so it comes last."""
    service = Sending(
        database=database,
        clock=clock,
        ledger=ledger,
        outbox=outbox,
        directory=directory,
        trust=trust,
        progress=progress,
        currencies=currencies,
        rules=rules,
        settings=settings or LedgerSettings(),
    )
    return SendingParts(service=service, routes=sending_routes(service))
