"""The command, the event, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts.membership.types import Benefits
from overworld.kernel.events import Event


class ApplyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of an application: nothing. The club stands in the path, who applies in the token."""


class Apply(Struct, frozen=True, kw_only=True):
    """Somebody wants to be in a club, or to stay in it for longer. `key` is the idempotency key."""

    account_id: UUID
    membership: str
    key: str


class Granted(Struct, frozen=True, kw_only=True):
    """A membership as its member reads it. Tokens that are made from now on carry it; `ends_at` is null for ever."""

    membership: str
    number: int
    granted_at: datetime
    ends_at: datetime | None
    renewed: bool


class Verified(Struct, frozen=True, kw_only=True):
    """Whether somebody is a member now. Who was one once still has the number, and `member` is false."""

    membership: str
    member: bool
    number: int | None
    granted_at: datetime | None
    ends_at: datetime | None


class MemberSeen(Struct, frozen=True, kw_only=True):
    """A member as others read it."""

    number: int
    user_id: UUID
    username: str
    granted_at: datetime


class ClubSeen(Struct, frozen=True, kw_only=True):
    """What a club is, what it brings, and how many numbers were given; without a `cap` there is no end of them."""

    membership: str
    title: str
    cap: int | None
    given: int
    left: int | None
    price: str | None
    currency: str | None
    duration_days: int | None
    proof: str | None
    benefits: Benefits


class MembershipGranted(Event, frozen=True, kw_only=True):
    """Somebody got a number in a club, or with `renewed` stays in it until a later date."""

    topic: ClassVar[str] = "events.membership.granted"

    account_id: UUID
    membership: str
    number: int
    ends_at: datetime | None
    renewed: bool

    @property
    def key(self) -> str:
        return str(self.account_id)
