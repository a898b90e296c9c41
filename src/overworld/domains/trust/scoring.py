"""From sightings to a score, and from a score to a gate; pure, and the same for the same events in the same order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust.rules import Sighting
from overworld.domains.trust.types import (
    SIGHTINGS_BITS,
    Evidence,
    Kind,
    Mark,
    PlayerState,
    TrustRules,
    Window,
)
from overworld.kernel.standing import Gate

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S
CLEAN_KEEPS = 0.98
"""What a window of clean movement leaves of every mark."""

SPEAKS_FROM = 0.1
"""A mark of less corroborates nothing."""

_MARK_MIN = 0.001
_ALL_BITS = (1 << SIGHTINGS_BITS) - 1
_ORDER = (Gate.NORMAL, Gate.REDUCED, Gate.REVIEW, Gate.REFUSED)
_PRECISION = 6
_NEVER_S = 10 * 365 * DAY_S


class Trait(Struct, frozen=True):
    """How one kind of evidence weighs.

    `group` says what it is about: two groups corroborate each other, two kinds of one group do not. `weight` is taken
    by one sighting, at most `most` by all; `alone` is the worst gate while nothing corroborates it; `needs` so many of
    the last 16 windows must have shown it before it weighs.
    """

    group: str
    weight: float
    half_life_s: float
    most: float
    alone: Gate
    needs: int = 1


TRAITS: Mapping[Kind, Trait] = MappingProxyType(
    {
        Kind.MANY_REFUSALS: Trait("jumps", 0.06, 2 * HOUR_S, 0.28, Gate.NORMAL, needs=3),
        Kind.TELEPORTS: Trait("jumps", 0.2, 6 * HOUR_S, 0.8, Gate.REFUSED),
        Kind.TWO_PLACES: Trait("jumps", 0.2, 12 * HOUR_S, 0.9, Gate.REFUSED, needs=3),
        Kind.MOCK_POSITIONS: Trait("mock", 0.15, 12 * HOUR_S, 0.9, Gate.REFUSED),
        Kind.REPLAYED_TRACK: Trait("copies", 0.2, DAY_S, 0.9, Gate.REFUSED),
        Kind.SHARED_TRACK: Trait("copies", 0.2, DAY_S, 0.9, Gate.REFUSED),
        Kind.STRAIGHT_LINE: Trait("shape", 0.12, 2 * HOUR_S, 0.6, Gate.REVIEW, needs=3),
        Kind.TOO_SMOOTH: Trait("shape", 0.12, 2 * HOUR_S, 0.6, Gate.REVIEW, needs=3),
        Kind.MACHINE_PACE: Trait("shape", 0.12, 2 * HOUR_S, 0.6, Gate.REVIEW),
        Kind.MOVED_TOGETHER: Trait("copies", 0.16, 6 * HOUR_S, 0.6, Gate.REVIEW),
        Kind.CLOCK_GAMES: Trait("clock", 0.2, 2 * HOUR_S, 0.4, Gate.REDUCED),
        Kind.CLAIM_RHYTHM: Trait("rhythm", 0.2, 6 * HOUR_S, 0.6, Gate.REVIEW),
        Kind.SHARED_DEVICE: Trait("device", 0.05, DAY_S, 0.15, Gate.NORMAL),
        Kind.ANOMALY: Trait("shape", 0.04, HOUR_S, 0.28, Gate.REDUCED, needs=3),
    }
)


def weight_of(kind: Kind, rules: TrustRules) -> float:
    """What one sighting takes, in this game."""
    return rules.weights.get(kind, TRAITS[kind].weight)


def half_life_s(kind: Kind, rules: TrustRules) -> float:
    """After how long half of it is given back, in this game."""
    return rules.half_lives_s.get(kind, TRAITS[kind].half_life_s)


def level_at(kind: Kind, mark: Mark, at_us: int, rules: TrustRules) -> float:
    """What is left of a mark at an instant."""
    elapsed_s = max(0, at_us - mark.at_us) / 1e6
    return float(mark.level * 2 ** (-elapsed_s / half_life_s(kind, rules)))


def score_at(state: PlayerState, at_us: int, rules: TrustRules) -> float:
    """The reputation at an instant, 0 to 1: what all marks leave of it."""
    taken = sum(level_at(kind, mark, at_us, rules) for kind, mark in state.marks.items())
    return round(max(0.0, 1 - taken), _PRECISION)


def sighted(state: PlayerState, sighting: Sighting, window: Window, rules: TrustRules) -> Evidence | None:
    """Takes one sighting in a window into the state; the evidence when it weighs something by now.

    Call `next_window` before the sightings of each window.
    """
    kind = sighting.kind
    seen = state.sightings.get(kind, 0) | 1
    state.sightings[kind] = seen
    if seen.bit_count() < TRAITS[kind].needs:
        return None
    return marked(
        state,
        sighting,
        player_id=window.player_id,
        at_us=window.at_us,
        span_us=(window.began_us, window.ended_us),
        rules=rules,
    )


def marked(
    state: PlayerState,
    sighting: Sighting,
    *,
    player_id: UUID,
    at_us: int,
    span_us: tuple[int, int] | None = None,
    rules: TrustRules,
) -> Evidence | None:
    """Takes a sighting's weight from the player's score; the evidence, or None where it takes nothing.

    `span_us` is the time that it is about; without it that is the instant.
    """
    kind = sighting.kind
    began_us, ended_us = span_us or (at_us, at_us)
    if state.spared.get(kind, 0) > at_us:
        return None
    mark = state.marks.get(kind, Mark(0.0, at_us, 0))
    before = level_at(kind, mark, at_us, rules)
    after = max(before, min(TRAITS[kind].most, before + weight_of(kind, rules) * sighting.strength))
    state.marks[kind] = Mark(after, max(at_us, mark.at_us), mark.count + 1)
    if after - before < _MARK_MIN:
        return None
    return Evidence(
        player_id=player_id,
        kind=kind,
        at_us=at_us,
        began_us=began_us,
        ended_us=ended_us,
        weight=round(after - before, _PRECISION),
        half_life_s=half_life_s(kind, rules),
        reason=sighting.reason,
        figures={name: round(value, _PRECISION) for name, value in sighting.figures.items()},
    )


def next_window(state: PlayerState) -> None:
    """A window has come: what was seen moves one back, and what is too long ago is forgotten."""
    if state.sightings:
        moved = {kind: seen << 1 & _ALL_BITS for kind, seen in state.sightings.items()}
        state.sightings = {kind: seen for kind, seen in moved.items() if seen}


def clean_window(state: PlayerState, at_us: int, rules: TrustRules) -> None:
    """A window of clean movement gives a part of every mark back; those next to nothing are gone."""
    if not state.marks:
        return
    left = {
        kind: Mark(CLEAN_KEEPS * level_at(kind, mark, at_us, rules), max(at_us, mark.at_us), mark.count)
        for kind, mark in state.marks.items()
    }
    state.marks = {kind: mark for kind, mark in left.items() if mark.level >= _MARK_MIN}


def gate_at(state: PlayerState, at_us: int, rules: TrustRules) -> Gate:
    """The gate that the marks lead to, given the one the player stands at: it opens `margin` above where it closed."""
    score = score_at(state, at_us, rules)
    closing = min(_ORDER.index(by_score(score, rules)), _worst(state, at_us, rules, speaks_from=SPEAKS_FROM))
    eased = _ORDER.index(by_score(score - rules.margin, rules))
    holding = min(_ORDER.index(state.gate), eased, _worst(state, at_us, rules, speaks_from=SPEAKS_FROM / 2))
    return _ORDER[max(closing, holding)]


def by_score(score: float, rules: TrustRules) -> Gate:
    """What a score leads to by itself."""
    if score < rules.refuse_below:
        return Gate.REFUSED
    if score < rules.review_below:
        return Gate.REVIEW
    return Gate.REDUCED if score < rules.reduced_below else Gate.NORMAL


def _worst(state: PlayerState, at_us: int, rules: TrustRules, *, speaks_from: float) -> int:
    """The worst gate that the evidence supports: any when two things corroborate each other, else what each may."""
    levels = {kind: level_at(kind, mark, at_us, rules) for kind, mark in state.marks.items()}
    speaking = {TRAITS[kind].group for kind, level in levels.items() if level >= speaks_from}
    if len(speaking) > 1:
        return _ORDER.index(Gate.REFUSED)
    return max((_ORDER.index(TRAITS[kind].alone) for kind in levels), default=0)


def opens_us(state: PlayerState, at_us: int, rules: TrustRules) -> int | None:
    """When the gate opens by one step if nothing more happens; None at the normal one. To the second."""
    if state.gate is Gate.NORMAL:
        return None
    low_s, high_s = 0.0, 60.0
    while not _opened(state, at_us, high_s, rules):
        low_s, high_s = high_s, 2 * high_s
        if high_s > _NEVER_S:
            return None
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) / 2
        low_s, high_s = (low_s, middle_s) if _opened(state, at_us, middle_s, rules) else (middle_s, high_s)
    return at_us + math.ceil(high_s) * 1_000_000


def normal_us(state: PlayerState, at_us: int, rules: TrustRules) -> int | None:
    """When the gate is normal again if nothing more happens; None when it is."""
    until_us, step_us = None, at_us
    trial = PlayerState(marks=dict(state.marks), gate=state.gate)
    while (opening_us := opens_us(trial, step_us, rules)) is not None:
        until_us = step_us = opening_us
        trial.gate = gate_at(trial, step_us, rules)
    return until_us


def _opened(state: PlayerState, at_us: int, after_s: float, rules: TrustRules) -> bool:
    return gate_at(state, at_us + int(after_s * 1e6), rules) is not state.gate
