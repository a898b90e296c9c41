"""What staff write and read of webhooks, and the event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from overworld.domains.webhooks.types import (
    DESCRIPTION_LENGTH_MAX,
    FENCES_MAX,
    OVERLAP_MAX_S,
    TOPICS_MAX,
    URL_LENGTH_MAX,
    Delivery,
    State,
    Subscription,
)
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import Event
from overworld.kernel.secretive import Secretive

Url = Annotated[str, Meta(min_length=8, max_length=URL_LENGTH_MAX)]
Topic = Annotated[str, Meta(min_length=3, max_length=64)]
Topics = Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=TOPICS_MAX)]
FenceIds = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...], Meta(max_length=FENCES_MAX)]
Description = Annotated[str, Meta(max_length=DESCRIPTION_LENGTH_MAX)]


class WebhookBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to send which events. With `fence_ids`, only events that name one of these fences."""

    url: Url
    topics: Topics
    fence_ids: FenceIds = ()
    description: Description = ""
    active: bool = True


class WebhookChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What should be different; what is left out stays. `active: true` also lets one that was paused send again."""

    url: Url | UnsetType = UNSET
    topics: Topics | UnsetType = UNSET
    fence_ids: FenceIds | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class RotateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the old secret signs beside the new one."""

    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400


class WebhookSeen(Struct, frozen=True, kw_only=True):
    """A webhook as staff read it. Times are RFC 3339 UTC.

    `failing_since` is since when nothing could be delivered; `paused_at` since when nothing is tried, because of that.
    `dropped` counts events that were not queued because too many waited already.
    """

    id: UUID
    url: str
    topics: tuple[str, ...]
    fence_ids: tuple[str, ...]
    description: str
    active: bool
    made_at: str
    failing_since: str | None
    paused_at: str | None
    pause_reason: str | None
    dropped: int


class WebhookMade(Secretive, frozen=True, kw_only=True):
    """A webhook that was made, and its secret, which is shown this once."""

    webhook: WebhookSeen
    secret: str


class WebhookRotated(Secretive, frozen=True, kw_only=True):
    """The new secret, which is shown this once, and until when the old one signs too."""

    secret: str
    old_ends_at: str


class DeliverySeen(Struct, frozen=True, kw_only=True):
    """A delivery and what came of it. `id` is the header `webhook-id` of every try; `next_at` when it is due again.

    `status` is that of the last answer, null when there was none; `error` says why then.
    """

    id: UUID
    topic: str
    key: str
    state: State
    attempts: int
    made_at: str
    tried_at: str | None
    status: int | None
    error: str | None
    finished_at: str | None
    next_at: str | None


class DeliveryQueued(Struct, frozen=True, kw_only=True):
    """A delivery that was put into the queue; its state is found among the webhook's deliveries."""

    id: UUID


class WebhookPaused(Event, frozen=True, kw_only=True):
    """Nothing is sent to a webhook any more, because nothing could be for long, or because it said that it is gone."""

    topic: ClassVar[str] = "events.webhook.paused"

    webhook_id: UUID
    reason: str
    failing_since: datetime

    @property
    def key(self) -> str:
        """The webhook's id."""
        return str(self.webhook_id)


def seen(one: Subscription) -> WebhookSeen:
    """A subscription as staff read it."""
    return WebhookSeen(
        id=one.id,
        url=one.url,
        topics=one.topics,
        fence_ids=one.fence_ids,
        description=one.description,
        active=one.active,
        made_at=rfc3339(one.made_at),
        failing_since=_time(one.failing_since),
        paused_at=_time(one.paused_at),
        pause_reason=one.pause_reason,
        dropped=one.dropped,
    )


def delivery_seen(one: Delivery) -> DeliverySeen:
    """A delivery as staff read it."""
    return DeliverySeen(
        id=one.id,
        topic=one.topic,
        key=one.key,
        state=one.state,
        attempts=one.attempts,
        made_at=rfc3339(one.made_at),
        tried_at=_time(one.tried_at),
        status=one.status,
        error=one.error,
        finished_at=_time(one.finished_at),
        next_at=_time(one.next_at),
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
