"""The command line: `overworld --help`.

Exit codes: 0 it is done; 1 it was refused or failed, and the reason stands on standard error; 2 the command or the
settings are wrong, and everything that is wrong with them stands there; 130 it was interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App

from overworld import __version__
from overworld.app.commands import config, game, migrate
from overworld.app.commands.demo import demo
from overworld.app.commands.replay import replay
from overworld.app.commands.serve import serve
from overworld.app.settings_sources import BadSettings
from overworld.kernel.refusals import Refusal

REFUSED, WRONG, INTERRUPTED = 1, 2, 130

app = App(name="overworld", help="The open-source backend for games played on a planet.", version=__version__)
app.command(serve)
app.command(replay)
app.command(demo)
app.command(config.app)
app.command(game.app)
app.command(migrate.app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and leaves the process with its exit code; arguments default to those of the process."""
    try:
        _run(arguments)
    except BadSettings as bad:
        _leave(WRONG, [f"overworld: {fault}" for fault in bad.faults])
    except Refusal as refused:
        _leave(REFUSED, [f"overworld: {refused} ({refused.code})"])
    except KeyboardInterrupt:
        _leave(INTERRUPTED, [])
    except BrokenPipeError:
        # Whoever read, as `head` does, has had enough; what is left must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> None:
    try:
        app(arguments)
    finally:
        sys.stdout.flush()


def _leave(code: int, lines: Sequence[str]) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    raise SystemExit(code)
