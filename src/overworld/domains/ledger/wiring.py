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
from overworld.domains.ledger.routes import routes
from overworld.domains.ledger.service import Ledger
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import Clock
from overworld.kernel.money import Currency
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="ledger", folder=Path(__file__).parent / "schema")


class LedgerDomain(Struct, frozen=True):
    """The ledger's doors: `service` implements the kernel's `Ledger` port; `sealer` and `auditor` have loops to run."""

    service: Ledger
    sealer: Sealer
    auditor: Auditor
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
        routes=[*routes(service), *audit_routes(log)],
    )
