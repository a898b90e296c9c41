"""Accounts that take accounts elsewhere, beside a real provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.external.ports import Provider
from overworld.domains.accounts.external.service import External
from overworld.domains.accounts.external.types import ProviderSettings, SignInSettings
from overworld.domains.accounts.external.visits import Visits
from overworld.domains.accounts.external.wiring import ExternalParts, build
from overworld.kernel.clock import FixedClock
from tests.domains.accounts.conftest import House
from tests.domains.accounts.external.issuing import BACK, Issuer, running


@pytest.fixture(scope="session")
def issuer_process() -> Iterator[Issuer]:
    with running() as issuer:
        yield issuer


@pytest.fixture
def issuer(issuer_process: Issuer) -> Issuer:
    return issuer_process


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still at the moment, which is what the provider's own clock says."""
    return FixedClock(datetime.now(UTC))


class Hall(Struct, frozen=True):
    """Accounts and what lets people in from elsewhere."""

    house: House
    parts: ExternalParts

    @property
    def external(self) -> External:
        return self.parts.external

    @property
    def visits(self) -> Visits:
        return self.parts.visits


def settings_of(issuer: Issuer | None = None, **changes: Any) -> SignInSettings:
    """A provider `acme` for each client of the issuer's, and wallets from play.example."""
    providers = {}
    if issuer is not None:
        shared: dict[str, Any] = {"issuer": issuer.url, "audiences": ("of the app",)}
        providers = {
            "acme": ProviderSettings(client_id="overworld", client_secret="the secret of overworld", **shared),
            "posting": ProviderSettings(
                client_id="posting", client_secret="the secret of posting", client_auth="post", **shared
            ),
            "public": ProviderSettings(client_id="public", **shared),
            "elliptic": ProviderSettings(client_id="elliptic", client_secret="the secret of elliptic", **shared),
            "stranger": ProviderSettings(client_id="overworld", client_secret="a wrong secret", **shared),
        }
    kept: dict[str, Any] = {"providers": providers, "redirect_uris": (BACK,), "private_addresses": True}
    return SignInSettings(**(kept | {"wallet_domains": ("play.example",)} | changes))


@pytest.fixture
def open_hall(open_database, open_house):
    """Opens accounts with these settings: `async with open_hall(settings) as hall`."""

    @asynccontextmanager
    async def opened(settings: SignInSettings, *, providers: Mapping[str, Provider] | None = None, **house: Any):
        async with open_database(SCHEMA) as database, open_house(database, **house) as accounts:
            parts = build(
                database=database,
                clock=accounts.clock,
                outbox=accounts.outbox,
                accounts=accounts.accounts,
                settings=settings,
                providers=providers,
            )
            try:
                yield Hall(accounts, parts)
            finally:
                await parts.fetcher.close()

    return opened


@pytest.fixture
async def hall(open_hall, issuer: Issuer) -> AsyncIterator[Hall]:
    async with open_hall(settings_of(issuer)) as opened:
        yield opened
