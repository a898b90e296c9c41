"""What goes between the processes of a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct, field

from overworld.app.bots.kinds import KINDS
from overworld.app.demo.city import City
from overworld.geo.columns import I64

REASONS = 16
UNKNOWN_GATE = "unknown"
GATES = ("normal", "reduced", "review", "refused", UNKNOWN_GATE)


class Plan(Struct, frozen=True, kw_only=True):
    """What one process does: the bots whose number modulo `of` is `share`. With `replay` the file says who they are."""

    server: str
    run: str
    city: City
    players: int
    cheaters: float
    seed: int
    seconds: float
    share: int
    of: int
    records: bool
    replay: Path | None = None


class Tally(Struct, kw_only=True):
    """What one process has come to, by kind: (kinds,), and `refused` by reason too, (kinds, REASONS).

    `lost` are fixes that the server had no room for, `unsent` those of bots whose line had broken, and `silent` bots
    that were not told in the end that all their fixes were judged.
    """

    online: int = 0
    cut: int = 0
    lost: int = 0
    unsent: int = 0
    silent: int = 0
    late_ms: float = 0.0
    sent: I64 = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))
    refused: I64 = field(default_factory=lambda: np.zeros((len(KINDS), REASONS), np.int64))
    collected: I64 = field(default_factory=lambda: np.zeros(len(KINDS), np.int64))
    claims_refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)

    def plus(self, other: Tally) -> Tally:
        """Both together; the later of the two is how late they were."""
        return Tally(
            online=self.online + other.online,
            cut=self.cut + other.cut,
            lost=self.lost + other.lost,
            unsent=self.unsent + other.unsent,
            silent=self.silent + other.silent,
            late_ms=max(self.late_ms, other.late_ms),
            sent=self.sent + other.sent,
            refused=self.refused + other.refused,
            collected=self.collected + other.collected,
            claims_refused=self.claims_refused + other.claims_refused,
            said=self.said + other.said,
        )


class Told(Struct, frozen=True, kw_only=True):
    """How bots stand as the server tells them, by number: their gates, the reasons, and when one was first not normal.

    That is in seconds since the run began, to the next look.
    """

    gate: dict[int, str]
    reasons: dict[int, tuple[str, ...]]
    noticed_s: dict[int, float]


class At(Struct, frozen=True):
    """How far a process is: `phase` says what it counts."""

    phase: str
    done: int
    of: int


class Ready(Struct, frozen=True):
    """Everybody is signed in and connected."""


class Running(Struct, frozen=True):
    """Where it stands after so many seconds of the run."""

    seconds: float
    tally: Tally


class Result(Struct, frozen=True):
    """What the run came to. `sent` and `wished` are the process's part of the recording, if one is made."""

    tally: Tally
    told: Told
    sent: Any = None
    wished: Any = None


class Failed(Struct, frozen=True):
    """Why the process gave up, for a person."""

    why: str


class Begin(Struct, frozen=True):
    """The run begins at this time of the wall clock, microseconds since 1970."""

    start_us: int


class End(Struct, frozen=True):
    """The run is to end now, as if its time were over."""
