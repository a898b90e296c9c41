"""Runs the scenarios of a game's test files and says which do not hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from overworld.app.game import Game, GameErrors
from overworld.app.scenarios.decided import differences
from overworld.app.scenarios.written import ScenarioFile, read

FAILED, WRONG = 1, 2


class Compared(Struct, frozen=True):
    """A file that was run: how many scenarios hold, and what differs in those that do not, by name."""

    file: Path
    held: int
    failed: dict[str, list[str]]


class Unreadable(Struct, frozen=True):
    """A file that is no test file."""

    errors: GameErrors


def run(files: Sequence[Path], *, game: Game) -> Iterator[Compared | Unreadable]:
    """The outcome of each file, one after the other."""
    for file in files:
        try:
            written = read(file, game=game)
        except GameErrors as errors:
            yield Unreadable(errors)
        else:
            yield _compared(file, written, game)


def code_of(outcomes: Sequence[Compared | Unreadable]) -> int:
    """The exit code: 2 when a file cannot be read, else 1 when a scenario does not hold, else 0."""
    if any(isinstance(outcome, Unreadable) for outcome in outcomes):
        return WRONG
    return FAILED if any(isinstance(outcome, Compared) and outcome.failed for outcome in outcomes) else 0


def lines_of(outcome: Compared | Unreadable) -> Iterator[str]:
    """What came out of one file: a line for it, and one for each difference."""
    if isinstance(outcome, Unreadable):
        yield str(outcome.errors)
        return
    if not outcome.failed:
        yield f"{outcome.file.name}: {_count(outcome.held)} as expected"
        return
    yield f"{outcome.file.name}: {_count(outcome.held)} as expected, {len(outcome.failed)} not"
    for name, different in outcome.failed.items():
        yield f"  {name}"
        yield from (f"    {line}" for line in different)


def summary(outcomes: Sequence[Compared | Unreadable]) -> str:
    """One line for all files."""
    tested = [outcome for outcome in outcomes if isinstance(outcome, Compared)]
    held, failed = sum(each.held for each in tested), sum(len(each.failed) for each in tested)
    unreadable = len(outcomes) - len(tested)
    parts = [f"{_count(held)} as expected", *([f"{failed} not"] if failed else [])]
    parts += [f"{unreadable} file{'s' * (unreadable != 1)} with errors"] if unreadable else []
    return ", ".join(parts)


def _compared(file: Path, written: ScenarioFile, game: Game) -> Compared:
    found = {name: differences(scenario, game=game) for name, scenario in written.scenarios()}
    failed = {name: different for name, different in found.items() if different}
    return Compared(file, len(found) - len(failed), failed)


def _count(scenarios: int) -> str:
    return f"{scenarios} scenario{'s' * (scenarios != 1)}"
