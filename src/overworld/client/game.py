"""What a player carries, is at and stands for, as types. Replies may grow: unknown fields are ignored.

Amounts and scores are decimal strings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct


class Item(Struct, frozen=True, kw_only=True):
    """Something in the inventory: a stack, whose id is its type, or a unique item."""

    id: str
    type: str
    title: str
    count: int


class Cost(Struct, frozen=True, kw_only=True):
    """What an upgrade or a repair takes; `chance` is how often an upgrade succeeds."""

    amount: str
    currency: str
    chance: float = 1.0


class Tool(Struct, frozen=True, kw_only=True):
    """A tool: worn out when `wear` has reached `durability`, never when that is 0."""

    id: str
    type: str
    title: str
    level: int
    level_max: int
    efficiency: str
    equipped: bool
    wear: int
    durability: int
    upgrade: Cost | None
    repair: Cost | None


class Payment(Struct, frozen=True, kw_only=True):
    """An amount that was paid or received, and what the wallet holds after it."""

    amount: str
    currency: str
    balance: str


class Obtained(Struct, frozen=True, kw_only=True):
    """What somebody was given; `items`, `experience` and `level` are as they were afterwards."""

    tokens: list[Payment]
    items: list[Item]
    tools: list[Tool]
    badges: list[str]
    experience: int
    level: int


class ToolChanged(Struct, frozen=True, kw_only=True):
    """What was done to a tool; `success` is whether an upgrade came about, `paid` what it took."""

    tool: Tool
    success: bool = True
    paid: Payment | None = None


class Used(Struct, frozen=True, kw_only=True):
    """What is left of an item after a use, and what came of it."""

    item: Item
    obtained: Obtained
    boost: dict[str, Any] | None = None
    tool: Tool | None = None


class Objective(Struct, frozen=True, kw_only=True):
    """An objective and how far it is: metres to `walk`, minor units where `currency` is said, else times or a level."""

    kind: str
    text: str
    progress: int
    goal: int
    currency: str | None = None


class Quest(Struct, frozen=True, kw_only=True):
    """A quest and the player's run of it. `state` is available, active, completed or failed; `met` waits for you."""

    id: str
    type: str
    title: str
    text: str
    difficulty: int
    shared: bool
    state: str
    met: bool
    objectives: list[Objective]
    rewards: dict[str, Any]
    run: int | None
    closes_at: datetime | None
    completed_at: datetime | None


class QuestDone(Struct, frozen=True, kw_only=True):
    """What was given for a quest."""

    id: str
    run: int
    obtained: Obtained
    completed_at: datetime


class Place(Struct, frozen=True, kw_only=True):
    """A place on a leaderboard."""

    rank: int
    player_id: str
    score: str
    reached_at: datetime


class Leaderboard(Struct, frozen=True, kw_only=True):
    """Places of a leaderboard, best first, and the player's own; `counts` is a currency, or `experience`."""

    board: str
    counts: str
    players: int
    me: Place | None
    items: list[Place]
    archived: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    cursor: str | None = None
