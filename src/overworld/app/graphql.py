"""GraphQL of this server: what domains declare, and who is lent what."""

from __future__ import annotations

from litestar.datastructures import Headers

from overworld.app.domains import Domains
from overworld.app.live.access import Viewers
from overworld.app.platform import Platform
from overworld.domains.analytics.graphql import LIVE_FIGURES
from overworld.platform.graphql import GraphqlParts
from overworld.platform.graphql import build as built
from overworld.platform.http import Caller

_LENT, _NOTHING = frozenset({LIVE_FIGURES}), frozenset[str]()


def build(platform: Platform, domains: Domains, viewers: Viewers) -> GraphqlParts:
    """GraphQL over analytics. Who sees the live map without a scope sees its charts too."""

    def lend(caller: Caller, headers: Headers) -> frozenset[str]:
        return _LENT if viewers.is_open_to(caller, headers) else _NOTHING

    return built(
        domains.analytics.catalogue,
        settings=platform.settings.graphql,
        verifier=domains.accounts.verifier,
        limiter=platform.limiter,
        limits_enabled=platform.settings.limits.enabled,
        lend=lend,
    )
