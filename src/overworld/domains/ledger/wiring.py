"""Puts the ledger's rooms together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from litestar.types import ControllerRouterHandler
from msgspec import Struct

from overworld.domains.ledger.routes import routes
from overworld.domains.ledger.service import Ledger
from overworld.kernel.money import Currency
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="ledger", folder=Path(__file__).parent / "schema")


class LedgerDomain(Struct, frozen=True):
    """The ledger's doors: `service` implements the kernel's `Ledger` port."""

    service: Ledger
    routes: list[ControllerRouterHandler]


def build(*, database: Database, currencies: Mapping[str, Currency]) -> LedgerDomain:
    """The ledger of one game; `currencies` are the game's, by code, in the order players see them."""
    service = Ledger(database=database, currencies=currencies)
    return LedgerDomain(service=service, routes=routes(service))
