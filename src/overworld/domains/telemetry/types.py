"""What the rooms of telemetry share."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.telemetry.sampling import Sampling
from overworld.platform.eventlog.types import Position

PREFIX = "/v1/events"
EVENTS_MOST = 100_000
"""Most events that one request may ever have, whatever the settings say."""


class Kind(IntEnum):
    """The form of a body: one event, our batch, or what PostHog's clients send."""

    ONE = 1
    BATCH = 2
    POSTHOG = 3


class Parcel(Struct, frozen=True, array_like=True, gc=False):
    """One request as it lies in the log: the body as it came, and what only the request told.

    `player` is the player whose token it came with; None with a key, whose bearer names the players.
    """

    kind: int
    received_us: int
    player: UUID | None
    agent: str
    body: bytes


class Row(Struct, frozen=True):
    """A row of the raw log: its place, and the requests in it."""

    place: Position
    parcels: list[Parcel]
    events: int
    bytes: int


class Refused(Struct, frozen=True, kw_only=True):
    """An event that the processor did not take. `event` is its JSON as far as it could be told from its neighbours.

    `place` and `number` say where it came from: they make one event one row, however often it is read.
    """

    place: Position
    number: int
    reason: str
    detail: str
    received_us: int
    sent_us: int | None
    player: UUID | None
    agent: str
    event: bytes


class TelemetrySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `telemetry`."""

    body_bytes_max: Annotated[int, Meta(ge=1_024, le=2**26, description="Largest body, as it comes over the wire.")] = (
        1_048_576
    )
    unpacked_bytes_max: Annotated[int, Meta(ge=1_024, le=2**28, description="Largest body once it is unpacked.")] = (
        8_388_608
    )
    events_max: Annotated[int, Meta(ge=1, le=EVENTS_MOST, description="Most events of one request.")] = 5_000
    properties_bytes_max: Annotated[int, Meta(ge=64, le=2**20, description="Largest properties of one event.")] = 32_768
    depth_max: Annotated[int, Meta(ge=1, le=100, description="Deepest nesting inside properties.")] = 16
    player_events_per_min: Annotated[
        int, Meta(ge=1, le=10**7, description="Events of one player, where they come with the player's token.")
    ] = 6_000
    waiting_bytes_max: Annotated[
        int, Meta(ge=2**20, le=2**34, description="Bytes that may wait for the disk before requests are told to wait.")
    ] = 33_554_432
    backlog_bytes_max: Annotated[
        int, Meta(ge=2**20, le=2**44, description="Bytes that may wait for the processor before requests must wait.")
    ] = 4_294_967_296
    retention_days: Annotated[int, Meta(ge=1, le=3650, description="Days that what came in is kept as it came.")] = 7
    late_days: Annotated[int, Meta(ge=1, le=3650, description="Oldest that an event may be when it comes in.")] = 30
    refused_days: Annotated[int, Meta(ge=1, le=3650, description="Days that refused events are kept.")] = 30
    erased_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3650,
            description="Days for which nothing of an erased player is let in; longer than any log keeps.",
        ),
    ] = 60
    session_gap_s: Annotated[
        int, Meta(ge=60, le=86_400, description="Pause after which a player who names no session begins a new one.")
    ] = 1_800
    sampling: Annotated[
        tuple[str, ...],
        Meta(description="Names of which only some sessions are kept, as NAME=COUNT: one session in COUNT."),
    ] = ()
    schemas: Annotated[
        str, Meta(description="Folder of JSON Schemas, NAME/VERSION.json, that properties of events have to fit.")
    ] = ""
    process: Annotated[bool, Meta(description="This server processes what comes in, when it is its turn.")] = True
    look_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Time between the processor's looks at a log that it is not behind.")
    ] = 250
    events_at_once: Annotated[
        int, Meta(ge=100, le=10**6, description="About how many events are handed to the columns at once.")
    ] = 50_000
    ids_kept: Annotated[
        int, Meta(ge=1_000, le=10**8, description="Ids of events kept in memory, so that a second one is known.")
    ] = 2_000_000

    def __post_init__(self) -> None:
        Sampling.of(self.sampling)
        if self.erased_days <= max(self.retention_days, self.refused_days):
            raise ValueError(
                "erased_days must be more than retention_days and refused_days, or who was erased could come back"
            )
