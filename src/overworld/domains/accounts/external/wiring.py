"""Puts signing in with accounts elsewhere together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.external.ports import OtherWays, Provider
from overworld.domains.accounts.external.providers.build import build_providers
from overworld.domains.accounts.external.routes import routes
from overworld.domains.accounts.external.service import External
from overworld.domains.accounts.external.types import SignInSettings
from overworld.domains.accounts.external.visits import Visits
from overworld.domains.accounts.wiring import Accounts
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox
from overworld.platform.outbound import Fetcher
from overworld.platform.postgres import Database


class ExternalParts(Struct, frozen=True, kw_only=True):
    """What accounts elsewhere contribute. Call `fetcher.close()` once nobody signs in any more."""

    external: External
    visits: Visits
    fetcher: Fetcher
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    accounts: Accounts,
    settings: SignInSettings,
    providers: Mapping[str, Provider] | None = None,
    others: Sequence[OtherWays] = (),
    random: Callable[[int], bytes] = os.urandom,
) -> ExternalParts:
    """Signing in by what the settings name, on a migrated database.

    `others` count the ways in that other rooms keep, so that nobody lets go of the last one. Only tests hand in
    `providers` of their own.
    """
    fetcher = Fetcher(private_allowed=settings.private_addresses)
    known = build_providers(settings, fetcher=fetcher, clock=clock) if providers is None else providers
    visits = Visits(database=database, clock=clock, settings=settings, providers=known, random=random)
    external = External(
        database=database,
        clock=clock,
        outbox=outbox,
        sign_in=accounts.sign_in,
        sessions=accounts.sessions,
        visits=visits,
        providers=known,
        others=others,
    )
    return ExternalParts(
        external=external,
        visits=visits,
        fetcher=fetcher,
        routes=routes(external=external, visits=visits, pages=accounts.pages),
    )
