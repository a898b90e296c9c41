"""The events, the commands, and the shapes that clients and staff read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.trust.types import Kind
from overworld.kernel.events import Event
from overworld.kernel.standing import Gate

TEXT_MAX = 2_000
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, pattern=r"\S")]
Decision = Literal["clear", "uphold", "set"]


class TrustChanged(Event, frozen=True, kw_only=True):
    """A player's score moved by 0.05 or more since it was last told, or their gate changed; servers keep both by it."""

    topic: ClassVar[str] = "events.trust.changed"

    player_id: UUID
    score: float
    gate: Gate
    gate_before: Gate

    @property
    def key(self) -> str:
        return str(self.player_id)


class TrustDecided(Event, frozen=True, kw_only=True):
    """Staff decided about a player: `clear` dismisses the evidence, `uphold` leaves all as it is, `set` sets a gate."""

    topic: ClassVar[str] = "events.trust.decided"

    player_id: UUID
    decision: Decision
    gate: Gate | None = None
    until: datetime | None = None
    by: UUID

    @property
    def key(self) -> str:
        return str(self.player_id)


class TrustAppealed(Event, frozen=True, kw_only=True):
    """A player asks somebody to look at their standing."""

    topic: ClassVar[str] = "events.trust.appealed"

    player_id: UUID
    appeal_id: UUID
    gate: Gate

    @property
    def key(self) -> str:
        return str(self.player_id)


class AppealBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a player says for themselves."""

    text: Text


class DecideBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What staff decide. `set` needs `gate` and `until`; the others take neither. The player reads `note`."""

    decision: Decision
    note: Text
    gate: Gate | None = None
    until: Annotated[datetime, Meta(tz=True)] | None = None


class Decide(Struct, frozen=True, kw_only=True):
    """Staff decide about a player."""

    player_id: UUID
    by_id: UUID
    body: DecideBody


class Appeal(Struct, frozen=True, kw_only=True):
    """A player appeals."""

    player_id: UUID
    text: str


class ReasonSeen(Struct, frozen=True, kw_only=True):
    """Something that still speaks against a player, as they read it; `at` is when it was last seen."""

    kind: Kind
    text: str
    at: datetime


class AppealSeen(Struct, frozen=True, kw_only=True):
    """An appeal as its player reads it; `answer` is null until somebody has looked."""

    id: UUID
    text: str
    at: datetime
    answered_at: datetime | None = None
    answer: str | None = None


class MyStanding(Struct, frozen=True, kw_only=True):
    """Where a player stands: the gate, what it means, why, and until when if nothing more happens.

    `until` is null at the normal gate. `decided` says that somebody set the gate, whose words are in `note`. It is as
    of `at`, with all that had happened by `judged_until`; that is null on a server that has not begun to judge.
    """

    gate: Gate
    meaning: str
    reasons: list[ReasonSeen]
    until: datetime | None
    decided: bool
    note: str | None
    may_appeal: bool
    appeal: AppealSeen | None
    at: datetime
    judged_until: datetime | None


class MarkSeen(Struct, frozen=True, kw_only=True):
    """What one kind of evidence takes from the score now, of how many sightings."""

    kind: Kind
    level: float
    sightings: int
    seen_at: datetime


class EvidenceSeen(Struct, frozen=True, kw_only=True):
    """A piece of evidence: what was taken from the score and in how many seconds half of it comes back; `figures` made
    it. The window is in the track's own time. `model` is the version of the anomaly model that looked at it too.
    """

    id: UUID
    kind: Kind
    at: datetime
    began_at: datetime
    ended_at: datetime
    weight: float
    half_life_s: float
    reason: str
    figures: dict[str, float]
    model: int


class DecisionSeen(Struct, frozen=True, kw_only=True):
    """What staff decided, who and when."""

    id: UUID
    decision: Decision
    gate: Gate | None
    until: datetime | None
    note: str
    by: UUID
    at: datetime


class TrustOfPlayer(Struct, frozen=True, kw_only=True):
    """All that is known of a player's standing. `gate` is in force; the evidence alone leads to `earned_gate`.

    `evidence` is newest first; `cursor` asks for older ones.
    """

    player_id: UUID
    score: float
    gate: Gate
    gate_since: datetime | None
    earned_gate: Gate
    until: datetime | None
    marks: list[MarkSeen]
    decisions: list[DecisionSeen]
    appeals: list[AppealSeen]
    evidence: list[EvidenceSeen]
    cursor: str | None = None


class Suspect(Struct, frozen=True, kw_only=True):
    """A player whose gate is not the normal one, or who appealed."""

    player_id: UUID
    score: float
    gate: Gate
    gate_since: datetime | None
    appealed_at: datetime | None
