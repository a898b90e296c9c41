"""Quests as a game writes them, and what a player has of one.

A quest is a set of objectives; each counts events of the log. The `[quests.NAME]` of game.toml are `QuestRules`.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from overworld.domains.gameplay.carry.types import Reward
from overworld.geo import cells

QuestName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Line = Annotated[str, Meta(max_length=200)]
Times = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Instant = Annotated[datetime, Meta(tz=True)]

OBJECTIVES_MAX = 16
PROGRESS_TOPIC = "events.quest.progressed"
RADIUS_MIN_M = 25


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somewhere: the `cell` of an S2 token of any level, or the circle of `radius_m` around `lat` and `lng`.

    Players tell of where they are every 25 m or 60 s, so a smaller circle could be crossed unseen.
    """

    cell: Annotated[str, Meta(max_length=16)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lng: Annotated[float, Meta(ge=-180, le=180)] | None = None
    radius_m: Annotated[float, Meta(ge=RADIUS_MIN_M, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        circle = (self.lat, self.lng, self.radius_m)
        if self.cell is not None:
            cells.from_token(self.cell)
            if circle != (None, None, None):
                raise ValueError("is a cell or a circle, not both")
        elif None in circle:
            raise ValueError("needs a cell, or lat, lng and radius_m")


class Collect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="collect"):
    """Collect `count` things, of one `type` or any; or things worth `value` of a `currency` together."""

    text: Line = ""
    count: Times | None = None
    type: Word | None = None
    value: Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$", max_length=32)] | None = None
    currency: Annotated[str, Meta(min_length=1, max_length=16)] | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.value is None):
            raise ValueError("needs a count or a value, and not both")
        if self.value is not None and self.currency is None:
            raise ValueError("a value needs its currency")


class Walk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="walk"):
    """Walk so many metres, as the world measures them: by accepted positions, told every 25 m or 60 s."""

    text: Line = ""
    metres: Annotated[int, Meta(ge=1, le=100_000_000)]


class Visit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="visit"):
    """Be somewhere once. In a shared quest each player counts once: `count` players have to come."""

    text: Line = ""
    place: Place
    count: Times = 1


class Use(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="use"):
    """Use items, of one type or any."""

    text: Line = ""
    count: Times = 1
    item: Word | None = None


class Upgrade(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="upgrade"):
    """Upgrade tools, of one type or any; tries that fail do not count."""

    text: Line = ""
    count: Times = 1
    tool: Word | None = None


class Reach(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="reach"):
    """Be at a level, reached before or after the quest began."""

    text: Line = ""
    level: Annotated[int, Meta(ge=2, le=1_001)]


class Happen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="event"):
    """Any event of the log, `count` of those whose fields are as `where` says.

    With `amount`, the numbers in that field are added up instead, parts of one dropped. `player` is the field that
    names who it counts for.
    """

    text: Line = ""
    topic: Annotated[str, Meta(pattern=r"^events(\.[a-z][a-z0-9_]*)+$", max_length=64)]
    where: Annotated[dict[Word, str | bool | int], Meta(max_length=16)] = {}
    count: Times = 1
    amount: Word | None = None
    player: Word = "player_id"

    def __post_init__(self) -> None:
        if self.topic == PROGRESS_TOPIC:
            raise ValueError("progress of quests cannot count as progress of a quest")


Objective = Collect | Walk | Visit | Use | Upgrade | Reach | Happen


class Requirements(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may begin a quest: from a level on, who completed other quests, members, who is inside a zone."""

    level: Annotated[int, Meta(ge=1, le=1_001)] = 1
    quests: Annotated[tuple[QuestName, ...], Meta(max_length=16)] = ()
    membership: Word | None = None
    zone: Place | None = None


Starts = Literal["auto", "asked", "assigned"]
Repeats = Literal["never", "daily", "weekly", "always"]


class QuestRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[quests.NAME]` of game.toml. `docs/concepts/quests.md` tells what each choice means.

    `type` is a word of the game's; `daily` and `community` change what `starts`, `repeats` and `shared` are when they
    are left out. `within_s` is the time a player has from the start. Days and weeks are UTC's, weeks begin on Monday.
    """

    title: Annotated[str, Meta(min_length=1, max_length=80)]
    text: Annotated[str, Meta(max_length=1_000)] = ""
    type: QuestName = "story"
    difficulty: Annotated[int, Meta(ge=1, le=10)] = 1
    objectives: Annotated[tuple[Objective, ...], Meta(min_length=1, max_length=OBJECTIVES_MAX)]
    requires: Requirements = Requirements()
    starts: Starts | None = None
    repeats: Repeats | None = None
    shared: bool | None = None
    opens_at: Instant | None = None
    closes_at: Instant | None = None
    within_s: Annotated[int, Meta(ge=60, le=31_536_000)] | None = None
    rewards: Reward = field(default_factory=Reward)

    def __post_init__(self) -> None:
        if self.opens_at and self.closes_at and self.opens_at >= self.closes_at:
            raise ValueError("closes before it opens")
        if self.is_auto and (self.requires.membership or self.requires.zone):
            raise ValueError("what asks for a membership or a zone cannot start by itself: starts = 'asked'")
        if self.repeated == "always" and (self.is_auto or self.is_shared):
            raise ValueError("what repeats always is asked for by one player")
        if self.within_s is not None and (self.is_auto or self.is_shared):
            raise ValueError("a time from the start needs a start that one player asks for")
        if self.is_shared and any(isinstance(one, Reach) for one in self.objectives):
            raise ValueError("a level is reached by one player, not by all together")
        if not self.is_shared and any(isinstance(one, Visit) and one.count > 1 for one in self.objectives):
            raise ValueError("one player visits a place once: a count is for shared quests")

    @property
    def is_shared(self) -> bool:
        """Whether all players count together."""
        return self.type == "community" if self.shared is None else self.shared

    @property
    def started(self) -> Starts:
        """How it begins for a player."""
        if self.starts is not None:
            return self.starts
        bound = self.requires.membership is not None or self.requires.zone is not None
        return "auto" if self.type in ("daily", "community") and not bound else "asked"

    @property
    def is_auto(self) -> bool:
        """Whether it begins by itself, with the first event that counts."""
        return self.started == "auto"

    @property
    def repeated(self) -> Repeats:
        """How often a player may do it."""
        return self.repeats or ("daily" if self.type == "daily" else "never")


class State(IntEnum):
    """What a player's quest is at; the numbers are kept. `AVAILABLE` is never kept: nothing was begun yet."""

    AVAILABLE = 0
    ACTIVE = 1
    COMPLETED = 2
    FAILED = 3

    @property
    def wire(self) -> str:
        """The name that clients read."""
        return self.name.lower()


class Assignment(Struct, frozen=True, kw_only=True):
    """One player's run of a quest. `number` is the definition it began with, and keeps.

    `counts` stand beside its objectives. Events from `counts_from` to before `closes_at` count. `met_at` is when the
    objectives were met; it is completed when the player takes the rewards.
    """

    player_id: UUID
    quest: str
    run: int
    number: int
    state: State
    counts: tuple[int, ...]
    counts_from: datetime
    closes_at: datetime | None
    made_at: datetime
    started_at: datetime
    met_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def key(self) -> tuple[UUID, str, int]:
        """What identifies it."""
        return (self.player_id, self.quest, self.run)


class Total(Struct, frozen=True, kw_only=True):
    """What all players have done together in one run of a shared quest."""

    number: int
    run: int
    counts: tuple[int, ...]
    met_at: datetime | None = None


class QuestSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set about quests."""

    lanes: Annotated[int, Meta(ge=1, le=16, description="Batches of quests being completed at once.")] = 1
    batch_max: Annotated[int, Meta(ge=1, le=1_024, description="Most completed in one transaction.")] = 128
    queue_max: Annotated[int, Meta(ge=1, le=65_536, description="Most that wait in one lane.")] = 4_096
    settle_s: Annotated[
        float, Meta(ge=1, le=600, description="Time for late events after a quest's window, before it fails.")
    ] = 10.0
    every_s: Annotated[float, Meta(ge=0.1, le=600, description="Time between two looks for quests to end.")] = 2.0
