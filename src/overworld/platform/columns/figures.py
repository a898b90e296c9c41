"""What the store counts of itself; apart from the store, which is opened late and brings heavy libraries."""

from __future__ import annotations

from collections import Counter

from overworld.kernel.waiting import Line

QUESTIONS_MAX = 64


class Figures:
    """Counts that only grow, and the line of questions: those that wait and those that are being answered.

    `counts` has `written`, `doubled` and `kept_out` (events), `sealed` (hours), `erased` (players), `answered`,
    `too_long` (questions) and `failed` (work that the disk or the memory did not take).
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.questions = Line(QUESTIONS_MAX)
