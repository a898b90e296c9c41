"""How far a player is to be trusted, as whoever gives something away asks: a score, and the gate it stands at."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Gate(StrEnum):
    """What a score leads to: rewards as ever, fewer, held until somebody has looked, or none."""

    NORMAL = "normal"
    REDUCED = "reduced"
    REVIEW = "review"
    REFUSED = "refused"


WITHHELD = frozenset({Gate.REVIEW, Gate.REFUSED})
"""Where nothing is given at once."""


class Standing(Struct, frozen=True):
    """A player's reputation, 0 to 1, and the gate that the game's rules, or somebody's decision, make of it."""

    score: float
    gate: Gate


UNSUSPECTED = Standing(1.0, Gate.NORMAL)
