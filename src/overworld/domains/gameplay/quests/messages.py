"""The commands, what clients read of quests, and the events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.gameplay.carry.messages import Obtained
from overworld.domains.gameplay.carry.types import Reward
from overworld.domains.gameplay.quests.types import PROGRESS_TOPIC, QuestName, QuestRules
from overworld.kernel.events import Event


class StartQuest(Struct, frozen=True, kw_only=True):
    """A player begins a quest."""

    player_id: UUID
    quest: str
    memberships: tuple[str, ...] = ()


class CompleteQuest(Struct, frozen=True, kw_only=True):
    """A player takes the rewards of a quest whose objectives are met. `key` is the idempotency key."""

    player_id: UUID
    quest: str
    key: str


class NoBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a command about a quest: nothing. Which quest stands in the path, who asks in the token."""


class QuestBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A quest that staff make, whose definition is written as in game.toml; or one that is there, to be assigned.

    It is assigned to the `players`, whatever it asks of those who begin it.
    """

    id: QuestName
    quest: QuestRules | None = None
    players: Annotated[tuple[UUID, ...], Meta(max_length=256)] = ()


class ObjectiveSeen(Struct, frozen=True, kw_only=True):
    """An objective and how far it is: metres for `walk`, minor units where `currency` is said, else times or a level.

    Of a shared quest that is what all have done together, and `own` the player's part of it.
    """

    kind: str
    text: str
    progress: int
    goal: int
    currency: str | None = None
    own: int | None = None


class QuestSeen(Struct, frozen=True, kw_only=True):
    """A quest as a player reads it, and their run of it. `state` is available, active, completed or failed.

    `met` says that the objectives are met: it can be completed.
    """

    id: str
    type: str
    title: str
    text: str
    difficulty: int
    shared: bool
    state: str
    met: bool
    objectives: list[ObjectiveSeen]
    rewards: Reward
    run: int | None
    assigned_at: datetime | None
    started_at: datetime | None
    closes_at: datetime | None
    completed_at: datetime | None


class QuestRun(Struct, frozen=True, kw_only=True):
    """One run of a quest in a player's history."""

    run: int
    state: str
    met: bool
    objectives: list[ObjectiveSeen]
    assigned_at: datetime
    started_at: datetime
    closes_at: datetime | None
    ended_at: datetime | None


class QuestDone(Struct, frozen=True, kw_only=True):
    """The reply to completing a quest: what was given for it."""

    id: str
    run: int
    obtained: Obtained
    completed_at: datetime


class QuestMade(Struct, frozen=True, kw_only=True):
    """A quest that staff made or assigned, and to how many players newly."""

    id: str
    number: int
    assigned: int


class QuestCreated(Event, frozen=True, kw_only=True):
    """Staff made a quest, or another definition of one; every server reads what is kept."""

    topic: ClassVar[str] = "events.quest.created"

    quest: str
    number: int
    made_by: UUID

    @property
    def key(self) -> str:
        return self.quest


class QuestStarted(Event, frozen=True, kw_only=True):
    """A player began a quest, by asking, by the first thing that counted, or because staff assigned it."""

    topic: ClassVar[str] = "events.quest.started"

    player_id: UUID
    quest: str
    type: str
    run: int

    @property
    def key(self) -> str:
        return str(self.player_id)


class QuestProgressed(Event, frozen=True, kw_only=True):
    """Something counted for a quest: how far each objective is, of a shared one what all have done together."""

    topic: ClassVar[str] = PROGRESS_TOPIC

    player_id: UUID
    quest: str
    type: str
    run: int
    counts: tuple[int, ...]
    goals: tuple[int, ...]
    met: bool

    @property
    def key(self) -> str:
        return str(self.player_id)


class QuestCompleted(Event, frozen=True, kw_only=True):
    """A player completed a quest and was given its rewards."""

    topic: ClassVar[str] = "events.quest.completed"

    player_id: UUID
    quest: str
    type: str
    run: int
    rewards: Reward

    @property
    def key(self) -> str:
        return str(self.player_id)


class QuestFailed(Event, frozen=True, kw_only=True):
    """A player's quest was not met in its time."""

    topic: ClassVar[str] = "events.quest.failed"

    player_id: UUID
    quest: str
    type: str
    run: int
    counts: tuple[int, ...]
    goals: tuple[int, ...]

    @property
    def key(self) -> str:
        return str(self.player_id)
