"""What the verdicts come to for each kind of players, and which of it breaks the promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from msgspec import Struct

from bench.prove.fairplay.crowd import CHEATS, HARD
from bench.prove.fairplay.judge import Judged

DETECTED_MIN = 0.95
FALSE_MAX = 0.001


class OfKind(Struct, frozen=True):
    """One kind: how many there were, of how many the gate left normal, when in the middle, by which evidence."""

    kind: str
    players: int
    suspected: int
    median_s: float | None
    evidence: dict[str, int]

    @property
    def share(self) -> float:
        """Of the kind's players, those whose gate left normal."""
        return self.suspected / self.players


def by_kind(judged: Judged) -> list[OfKind]:
    """Every kind of the crowd, in the crowd's order."""
    players: dict[str, list[int]] = {}
    for number, kind in enumerate(judged.crowd.kinds):
        players.setdefault(kind, []).append(number)
    return [_of_kind(judged, kind, numbers) for kind, numbers in players.items()]


def _of_kind(judged: Judged, kind: str, numbers: list[int]) -> OfKind:
    after_s = [seconds for number in numbers if (seconds := judged.after_s(number)) is not None]
    evidence: Counter[str] = Counter()
    for number in numbers:
        if number in judged.suspected_us:
            evidence.update({kind for kind, *_ in judged.evidence[number]})
    middle = round(float(np.median(after_s)), 1) if after_s else None
    return OfKind(kind, len(numbers), len(after_s), middle, dict(evidence.most_common()))


def table(title: str, kinds: Iterable[OfKind]) -> Iterator[str]:
    """Lines to read: a kind in each."""
    yield f"{title:<20}{'players':>9}{'suspected':>11}{'share':>9}{'median s':>10}  evidence (players)"
    for one in kinds:
        told = ", ".join(f"{kind} {count}" for kind, count in one.evidence.items())
        middle = "" if one.median_s is None else f"{one.median_s:.0f}"
        yield f"  {one.kind:<18}{one.players:>9}{one.suspected:>11}{one.share:>9.2%}{middle:>10}  {told}"


def split(kinds: Iterable[OfKind]) -> tuple[list[OfKind], list[OfKind], list[OfKind]]:
    """Honest kinds, cheaters, and those that can hardly be told."""
    every = list(kinds)
    cheats = [one for one in every if one.kind in CHEATS]
    hard = [one for one in every if one.kind in HARD]
    return [one for one in every if one.kind not in CHEATS and one.kind not in HARD], cheats, hard


def told(kinds: Iterable[OfKind]) -> dict[str, dict[str, float | None]]:
    """The same for the line of JSON, without what it was by."""
    return {one.kind: {"players": one.players, "suspected": one.suspected, "median_s": one.median_s} for one in kinds}


def faults(honest: list[OfKind], cheats: list[OfKind]) -> list[str]:
    """How detection fell short."""
    found = [
        f"{one.kind}: {one.suspected} of {one.players} detected, {DETECTED_MIN:.0%} are wanted"
        for one in cheats
        if one.share < DETECTED_MIN
    ]
    alarms, people = sum(one.suspected for one in honest), sum(one.players for one in honest)
    if alarms > FALSE_MAX * people:
        found.append(f"{alarms} of {people} honest players were suspected, {FALSE_MAX:.1%} at most may be")
    return found
