"""What can be set about GraphQL."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class GraphqlSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `graphql`: how much one document may ask, and how many may listen."""

    tokens_max: Annotated[int, Meta(ge=50, le=10_000, description="Longest document, in tokens.")] = 1_000
    depth_max: Annotated[int, Meta(ge=3, le=100, description="Deepest nesting of fields.")] = 10
    aliases_max: Annotated[int, Meta(ge=0, le=1_000, description="Most aliases in a document.")] = 30
    fields_max: Annotated[int, Meta(ge=10, le=2_000, description="Most fields that a document names.")] = 250
    cost_max: Annotated[
        int,
        Meta(ge=100, le=10**7, description="Most that an operation may cost, by the cost model of the documentation."),
    ] = 10_000
    frame_every_s: Annotated[
        float, Meta(ge=0.1, le=60, description="How often live figures are worked out while somebody listens.")
    ] = 2.0
    heartbeat_s: Annotated[
        float, Meta(ge=0.1, le=60, description="Longest silence of a stream, so that proxies do not end it.")
    ] = 15.0
    streams_max: Annotated[int, Meta(ge=0, le=100_000, description="Open streams of live figures, of all callers.")] = (
        500
    )
    streams_each_max: Annotated[int, Meta(ge=1, le=10_000, description="Open streams of one account or address.")] = 10
