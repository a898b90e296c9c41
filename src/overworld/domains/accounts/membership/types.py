"""What memberships decide over: a game's clubs, as declared and as worked out, and who is in them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.types import Membership
from overworld.kernel.money import Currency

NUMBER_MAX = 2**31 - 1
TOKEN_LIFE_MAX_MIN = 30
"""Revocations are remembered for so long, so no token may live longer."""

Multiplier = Annotated[str, Meta(pattern=r"^[1-9](\.[0-9]{1,9})?$")]
Part = Annotated[str, Meta(pattern=r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$")]


class Vesting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a share becomes its member's: nothing before `cliff_days`, all of it after `days`, evenly in between."""

    days: Annotated[int, Meta(ge=1, le=36_525)]
    cliff_days: Annotated[int, Meta(ge=0, le=36_525)] = 0

    def __post_init__(self) -> None:
        if self.cliff_days > self.days:
            raise ValueError("cliff_days must not be above days")


class Benefits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[memberships.NAME.benefits]`: what a membership brings.

    `reward_multiplier` multiplies the value of what a member collects, `spawn_rate` how much there is for them;
    `airdrop_share` is the part of the supply that all members share, `vesting` when.
    """

    token_life_min: Annotated[int, Meta(ge=1, le=TOKEN_LIFE_MAX_MIN)] | None = None
    reward_multiplier: Multiplier = "1"
    spawn_rate: Multiplier = "1"
    quest_tier: Annotated[int, Meta(ge=0, le=100)] = 0
    airdrop_share: Part = "0"
    vesting: Vesting | None = None


class MembershipRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[memberships.NAME]` of game.toml.

    Numbers go from 1 to `cap`, without end when there is none. What costs a `price` in a `currency` is bought; what
    has a `duration_days` ends, and can be renewed under its number. A `proof` is an account elsewhere, which gets one
    number only. The `founding` club is the one that the game's own name for memberships stands for.
    """

    title: Annotated[str, Meta(min_length=1, max_length=80)]
    cap: Annotated[int, Meta(ge=1, le=NUMBER_MAX)] | None = None
    price: Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$", max_length=32)] | None = None
    currency: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    duration_days: Annotated[int, Meta(ge=1, le=3_652)] | None = None
    proof: Literal["discord", "twitter"] | None = None
    founding: bool = False
    benefits: Benefits = Benefits()

    def __post_init__(self) -> None:
        if (self.price is None) != (self.currency is None):
            raise ValueError("price and currency go together")


class Club(Struct, frozen=True, kw_only=True):
    """A club with its price worked out; `currency` is None where it is free."""

    name: str
    rules: MembershipRules
    price_minor: int = 0
    currency: Currency | None = None


class Member(Struct, frozen=True, kw_only=True):
    """Who has a number in a club: since when, and until when; `account_id` is None once they were erased."""

    club: str
    number: int
    account_id: UUID | None
    granted_at: datetime
    ends_at: datetime | None

    @property
    def held(self) -> Membership:
        """The same as its account carries it."""
        return Membership(self.club, self.ends_at)


class Listed(Struct, frozen=True, kw_only=True):
    """A member among the others of a club."""

    number: int
    account_id: UUID
    username: str
    granted_at: datetime
