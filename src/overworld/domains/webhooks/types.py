"""What webhooks decide over: subscriptions, deliveries, and what an operator may set."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from overworld.kernel.secretive import Secretive

TOPICS_MAX = 32
FENCES_MAX = 256
DESCRIPTION_LENGTH_MAX = 200
URL_LENGTH_MAX = 2_048
SECRET_BYTES = 32
OVERLAP_MAX_S = 604_800
PING_TOPIC = "webhook.ping"


class WebhookSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long webhooks are tried, how many at once, and where they may go."""

    private_addresses: Annotated[
        bool,
        Meta(description="let webhooks go to private addresses and by plain HTTP, as in development they may anyway"),
    ] = False
    subscriptions_max: Annotated[int, Meta(ge=1, le=1_000, description="Subscriptions that there may be")] = 100
    timeout_s: Annotated[float, Meta(ge=0.1, le=60, description="Longest that a receiver may take to answer")] = 15.0
    at_once: Annotated[
        int, Meta(ge=1, le=64, description="Deliveries under way to one subscription at once, from each server")
    ] = 4
    waiting_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Deliveries that may wait for one subscription; more are dropped")
    ] = 100_000
    pause_after_h: Annotated[
        float, Meta(gt=0, le=720, description="Hours of nothing but failures after which a subscription is paused")
    ] = 48.0
    kept_days: Annotated[
        int, Meta(ge=1, le=365, description="Days that finished deliveries are kept, to be shown and sent again")
    ] = 7


class State(StrEnum):
    """A delivery waits until it is delivered, or until its tries are over."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class Subscription(Struct, frozen=True, kw_only=True):
    """Where events of some topics are sent. An empty `fence_ids` leaves nothing out.

    `failing_since` is since when no delivery succeeded; `paused_at` since when nothing is sent, because of that.
    """

    id: UUID
    url: str
    topics: tuple[str, ...]
    fence_ids: tuple[str, ...] = ()
    description: str = ""
    active: bool = True
    made_at: datetime
    failing_since: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    dropped: int = 0

    @property
    def sends(self) -> bool:
        """Whether anything is sent to it now."""
        return self.active and self.paused_at is None


class Keyring(Secretive, frozen=True):
    """What deliveries of one subscription are signed with, the newest first."""

    secrets: tuple[bytes, ...]


class Queued(Struct, frozen=True, kw_only=True):
    """An event on its way into the queue of one subscription."""

    id: UUID
    subscription_id: UUID
    topic: str
    key: str
    body: bytes
    trace: str = ""


class Due(Struct, frozen=True, kw_only=True):
    """A delivery that a server has taken to send; `attempts` were made before."""

    id: UUID
    subscription_id: UUID
    topic: str
    key: str
    body: bytes
    attempts: int
    trace: str = ""


class Delivery(Struct, frozen=True, kw_only=True):
    """A delivery as it is shown. `next_at` is when it is tried again, if nothing of its line goes before it."""

    id: UUID
    number: int
    topic: str
    key: str
    state: State
    attempts: int
    made_at: datetime
    tried_at: datetime | None
    status: int | None
    error: str | None
    finished_at: datetime | None
    next_at: datetime | None
