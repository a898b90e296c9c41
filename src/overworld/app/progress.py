"""What people see while they wait for more than a second: on a terminal only, and on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock, Timer

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_SLOW_S = 1.0


@contextmanager
def spinning(what: str) -> Iterator[None]:
    """A spinner with a clock, gone when the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    # Redirected, what the block prints would go to the terminal, also when standard output is a pipe.
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    progress.add_task(what, total=None)
    try:
        with _when_slow(progress.start):
            yield
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def step(what: str) -> Iterator[None]:
    """A line that says what takes so long, between the lines of the log."""

    def say() -> None:
        sys.stderr.write(f"{what} ...\n")
        sys.stderr.flush()

    with _when_slow(say) if sys.stderr.isatty() else nullcontext():
        yield


@contextmanager
def _when_slow(show: Callable[[], None]) -> Iterator[None]:
    """Calls `show` in a thread when the block has run for a second, never after its end."""
    turn, over = Lock(), False

    def show_unless_over() -> None:
        with turn:
            if not over:
                show()

    timer = Timer(_SLOW_S, show_unless_over)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with turn:
            over = True
