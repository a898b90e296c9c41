"""What people see while bots run, on standard error: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from overworld.app.bots.kinds import KINDS
from overworld.app.bots.wire import At, Tally
from overworld.geo.columns import I64

_SAY_EVERY_S = 10.0
_LOOKS_HZ = 4


class View:
    """Shows how far all processes are. `kind` is the kind of each bot, `seconds` how long they run."""

    def __init__(self, kind: I64, *, seconds: float, processes: int) -> None:
        self._processes = processes
        self._console = Console(stderr=True)
        self._bots = np.bincount(kind, minlength=len(KINDS))
        self._seconds = seconds
        self._live: Live | None = None
        self._at: dict[str, dict[int, At]] = {}
        self._said_s = 0.0
        self._said = ""
        self._begun = (0.0, 0)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            starting = Text("Starting; the first time, what moves bots is compiled.")
            self._live = Live(starting, console=self._console, refresh_per_second=_LOOKS_HZ, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def at(self, process: int, at: At) -> None:
        """A process has come so far with what comes before and after the run."""
        same = self._at.setdefault(at.phase, {})
        same[process] = at
        done, of = sum(one.done for one in same.values()), sum(one.of for one in same.values())
        self._show(f"{done:,} of {of:,} {at.phase}", is_whole=done == of and len(same) == self._processes)

    def runs(self, at_s: float, tally: Tally) -> None:
        """The run has lasted so long and come to so much."""
        sent, refused = int(tally.sent.sum()), int(tally.refused.sum())
        before_s, before = self._begun
        per_s = (sent - before) / (at_s - before_s) if at_s > before_s else 0.0
        if at_s - before_s > 2:  # noqa: PLR2004 - a rate over two seconds
            self._begun = at_s, sent
        line = (
            f"{at_s:,.0f} of {self._seconds:,.0f} s: {tally.online:,} online, {sent:,} fixes ({per_s:,.0f}/s), "
            f"{refused:,} refused, {int(tally.collected.sum()):,} collected"
        )
        self._show(line, tally=tally)

    def _show(self, line: str, *, is_whole: bool = False, tally: Tally | None = None) -> None:
        if self._live is not None:
            shown = Text(line) if tally is None else Group(Text(f"{line}. Ctrl-C ends it."), self._table(tally))
            self._live.update(shown)
        elif (is_whole and line != self._said) or (tally is not None and monotonic() - self._said_s > _SAY_EVERY_S):
            self._said, self._said_s = line, monotonic()
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def _table(self, tally: Tally) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("KIND", "BOTS", "FIXES", "REFUSED", "COLLECTED"):
            table.add_column(name, justify="left" if name == "KIND" else "right")
        for number, kind in enumerate(KINDS):
            if self._bots[number]:
                counts = (self._bots[number], tally.sent[number], tally.refused[number].sum(), tally.collected[number])
                name = f"{kind.name} *" if kind.is_cheat else kind.name
                table.add_row(name, *(f"{int(count):,}" for count in counts))
        return table
