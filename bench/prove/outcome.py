"""How a proof tells what it does and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_FAULTS_SHOWN_MAX = 20


class Outcome(Struct, frozen=True):
    """What a proof found: its figures, and every way in which the promise was broken; none when it held."""

    figures: dict[str, Any]
    faults: Sequence[str]


class Steps:
    """Tells how far a proof is: a bar on a terminal, a line for every tenth part in a pipe."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._task = self._bar.add_task(what, total=total)

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def done(self, note: str = "") -> None:
        """One step more is done."""
        tenth = self._done * 10 // self._total
        self._done += 1
        self._bar.advance(self._task)
        if self._bar.disable and self._done * 10 // self._total > tenth:
            say(f"{self._what}: {self._done} of {self._total}{note and f', {note}'}")


def say(line: str) -> None:
    """Tells one line at once."""
    print(line, flush=True)


def conclude(proof: str, outcome: Outcome, *, seed: int) -> int:
    """Prints figures, faults and the line of JSON; gives the exit code."""
    for name, value in outcome.figures.items():
        say(f"  {name:<24}{value}")
    for fault in outcome.faults[:_FAULTS_SHOWN_MAX]:
        say(f"BROKEN: {fault}")
    held = not outcome.faults
    say(f"{proof}: {'held' if held else f'{len(outcome.faults)} faults'}")
    told = {"proof": proof, "held": held, "seed": seed, **outcome.figures, "faults": outcome.faults}
    say(msgspec.json.encode(told).decode())
    return 0 if held else 1


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank); 0 of none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
