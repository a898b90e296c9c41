"""What an operator may set about the event log."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from overworld.kernel.secretive import Secretive


class EventLogSettings(Secretive, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often the log is looked at, how failures are retried, what is kept, and who is told of its schemas."""

    log: Annotated[
        Literal["postgres", "kafka"],
        Meta(
            description="Where reactions read events: in PostgreSQL, or in Kafka, where servers then carry all of them"
        ),
    ] = "postgres"
    poll_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="Time between looks at the log when no notice arrives")
    ] = 250
    rest_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Time that readers are left alone after they were told of something new: what comes meanwhile "
            "they take together. The first event after a quiet while waits for nothing",
        ),
    ] = 20
    batches_max: Annotated[int, Meta(ge=1, le=10_000, description="Batches that one read takes from the log")] = 64
    events_max: Annotated[int, Meta(ge=1, le=100_000, description="Events that a handler is given at once")] = 1000
    tries: Annotated[
        int, Meta(ge=1, le=100, description="Tries before an event that fails its handler becomes a dead letter")
    ] = 5
    backoff_first_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="Pause before the second try; it doubles from there")
    ] = 50
    backoff_max_ms: Annotated[int, Meta(ge=1, le=600_000, description="Longest pause between two tries")] = 5_000
    handle_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Time a handler has before the try counts as failed")
    ] = 60.0
    takeover_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Time between a standby's tries to take over a consumer")
    ] = 1_000
    save_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="Time after which a cursor that only skipped events is saved")
    ] = 1_000
    retention_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3650,
            description="Days that events stay in the log once every consumer has passed them. 0: as long as the list "
            "of topics says, 7 days",
        ),
    ] = 0
    days_ahead: Annotated[int, Meta(ge=1, le=60, description="Days for which partitions are made ahead")] = 3
    maintain_every_s: Annotated[
        float, Meta(ge=1, le=86_400, description="Time between two rounds of making and dropping partitions")
    ] = 3600.0
    schema_registry: Annotated[
        str,
        Meta(
            max_length=2_000,
            description="Address of a schema registry with Confluent's API, where the schemas of events are registered "
            "when the server starts. Empty: there is none",
        ),
    ] = ""
    schema_registry_user: Annotated[
        str, Meta(max_length=255, description="Signs in to the schema registry; empty: does not")
    ] = ""
    schema_registry_password: Annotated[
        str, Meta(max_length=1_024, description="Goes with `schema_registry_user`", extra={"secret": True})
    ] = ""

    def __post_init__(self) -> None:
        if self.schema_registry and not self.schema_registry.startswith(("http://", "https://")):
            raise ValueError("schema_registry is the address of a registry: http://HOST:PORT or https://HOST")
