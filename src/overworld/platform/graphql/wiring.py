"""Puts GraphQL together for the app."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.kernel.ports import Limiter, TokenVerifier
from overworld.platform.graphql.asking import Catalogue
from overworld.platform.graphql.routes import Desk, Lend, routes
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.graphql.streams import Streams
from overworld.platform.observability import Metrics


class GraphqlParts(Struct, frozen=True, kw_only=True):
    """What GraphQL contributes to the app; `streams` have to be closed before HTTP drains."""

    catalogue: Catalogue
    streams: Streams
    routes: list[HTTPRouteHandler]

    def watch(self, metrics: Metrics) -> None:
        """Registers what there is to say of it."""
        streams, feeds = self.streams, self.catalogue.feeds
        metrics.gauge("overworld_graphql_streams", "Open streams of live figures.", lambda: streams.open)
        metrics.count(
            "overworld_graphql_streams_refused", "Streams refused because too many were open.", lambda: streams.refused
        )
        metrics.count(
            "overworld_graphql_frames",
            "Frames of live figures worked out, each once for all who listen.",
            lambda: sum(feed.ticker.worked_out for feed in feeds),
        )


def build(
    catalogue: Catalogue,
    *,
    settings: GraphqlSettings,
    verifier: TokenVerifier,
    limiter: Limiter,
    limits_enabled: bool,
    lend: Lend,
) -> GraphqlParts:
    """GraphQL over what domains declare."""
    streams = Streams(settings)
    desk = Desk(
        catalogue,
        settings=settings,
        streams=streams,
        verifier=verifier,
        limiter=limiter,
        limits_enabled=limits_enabled,
        lend=lend,
    )
    return GraphqlParts(catalogue=catalogue, streams=streams, routes=routes(desk))
