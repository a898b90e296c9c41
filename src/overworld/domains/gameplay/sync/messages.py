"""The command, and the shapes that clients write and read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from overworld.domains.gameplay.sync.types import ACTIONS_MAX
from overworld.kernel.identity import Principal

NameText = Annotated[str, Meta(min_length=1, max_length=64)]
Counter = Annotated[int, Meta(ge=0, le=2**53)]
Time = Annotated[datetime, Meta(tz=True)]


class OfflineAction(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that was done without a network: what, to what, when and where.

    `monotonic_ms` is the device's counter, which no clock setting changes; `boot` names its run where that is not the
    run of the call. `request_id` is the idempotency key of the action.
    """

    request_id: Annotated[str, Meta(min_length=1, max_length=255)]
    action: NameText
    target: Annotated[str, Meta(max_length=64)]
    at: Time
    monotonic_ms: Counter
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    boot: NameText | None = None
    data: dict[str, Any] = {}


class SyncBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device has done since it last had a network, in the order in which it was done.

    `sent_at` and `sent_monotonic_ms` are read from its clock and its counter for each call anew.
    """

    device: NameText
    boot: NameText
    sent_at: Time
    sent_monotonic_ms: Counter
    actions: Annotated[tuple[OfflineAction, ...], Meta(min_length=1, max_length=ACTIONS_MAX)]


class SyncActions(Struct, frozen=True, kw_only=True):
    """A player tells what was done without a network."""

    principal: Principal
    body: SyncBody


class SyncItem(Struct, frozen=True, kw_only=True):
    """What became of one action: `applied` now, or `replayed` because it was before; `rejected` has a `reason`.

    `result` is what the action answers at any time. A `retryable` one may be sent again under its `request_id`.
    """

    request_id: str
    action: str
    status: Literal["applied", "replayed", "rejected"]
    reason: str | None = None
    retryable: bool = False
    result: Any = None


class Synced(Struct, frozen=True):
    """What became of each action, in the order in which they were sent, and when they came in."""

    received_at: datetime
    items: list[SyncItem]
