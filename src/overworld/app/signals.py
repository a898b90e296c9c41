"""What the operating system may ask of a running server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import structlog

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_STANDARD_INPUT = 0


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets, for an orderly end. The second of them ends the process at once.

    On a terminal whoever pressed Ctrl-C is told so: an end may take a while, most of all one during the start.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_stop() -> None:
        stop.set()
        for number in _STOPPING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        if sys.stderr.isatty():
            sys.stderr.write("\nStopping in good order; Ctrl-C once more ends at once.\n")
            sys.stderr.flush()

    for number in _STOPPING:
        loop.add_signal_handler(number, on_stop)
    return stop


def end_after(seconds: float) -> None:
    """Ends the process by force, with exit code 1, should it still live then. What was acknowledged is on disk."""

    def end() -> None:
        structlog.get_logger("overworld.server").error("stopping took too long and is abandoned", after_s=seconds)
        os._exit(1)

    asyncio.get_running_loop().call_later(seconds, end)


def reload_on_signal(reload: Callable[[], None], *, stop: asyncio.Event) -> None:
    """Calls `reload` on SIGHUP; one that says that our terminal was closed sets `stop` instead."""
    on_terminal = os.isatty(_STANDARD_INPUT)

    def on_hangup() -> None:
        if on_terminal and not os.isatty(_STANDARD_INPUT):
            stop.set()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, on_hangup)
