"""What questions are made of."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

COLLECTED = "events.collectible.collected"
MOVED = "events.location.updated"
QUEST_STARTED = "events.quest.started"
QUEST_COMPLETED = "events.quest.completed"
SENT = "events.tokens.sent"

STEPS_MAX = 8
COHORTS_MAX = 60
AGES_MAX = 60
CELLS_MAX = 5_000
BALANCE_PLAYERS_MIN = 5
SPAN_MAX_DAYS = 400


class Period(StrEnum):
    """How far back a figure goes."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def days(self) -> int:
        """As days."""
        return {"day": 1, "week": 7, "month": 30}[self]


class By(StrEnum):
    """What a rollup divides time into."""

    HOUR = "hour"
    DAY = "day"


class Dimension(StrEnum):
    """What a rollup divides by besides the name."""

    NONE = "none"
    CELL = "cell"
    COUNTRY = "country"
    PLATFORM = "platform"

    @property
    def column(self) -> str:
        """As rollups write it."""
        return "" if self is Dimension.NONE else self.value


class Span(Struct, frozen=True):
    """From `since` to before `until`."""

    since: datetime
    until: datetime
