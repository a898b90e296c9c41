"""The command line: `overworld --help`.

Exit codes: 0 it is done; 1 it was refused or failed, and the reason stands on standard error; 2 the command or the
settings are wrong, and everything that is wrong with them stands there; 130 it was interrupted. A reader of standard
output who has had enough, as `head`, ends a command with 0.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import App, CycloptsError, Group

from overworld import __version__
from overworld.app.commands import accounts, audit, boards, config, events, experiments, game, ledger, migrate, simulate
from overworld.app.commands.bots import bots
from overworld.app.commands.demo import demo
from overworld.app.commands.doctor import doctor
from overworld.app.commands.query import query
from overworld.app.commands.replay import replay
from overworld.app.commands.serve import serve
from overworld.app.console import OutConsole
from overworld.app.help_pages import PlainPages
from overworld.app.settings_sources import BadSettings
from overworld.kernel.refusals import Refusal

REFUSED, WRONG, INTERRUPTED = 1, 2, 130

_ABOUT = """\
Overworld is the open-source backend for games played on a planet: players on a map, what they find there, and what
they own. One command starts all of it, with a PostgreSQL of its own in the folder `data`.
"""

_MORE = """\
For example:
  overworld serve --demo              a server with simulated players to watch
  overworld serve                     a server that waits for yours
  overworld doctor                    find out why something does not work
  overworld game check my-game        check a game's definition before it runs
  overworld config show | less        every setting in force, and who set it

Exit codes:
  0    done
  1    refused or failed; standard error says why
  2    wrong usage or settings; standard error lists everything that is wrong
  130  interrupted by Ctrl-C

Every command explains itself: overworld COMMAND --help. Settings are flags,
OVERWORLD_SECTION__KEY in the environment, or overworld.toml in this folder.
"""

_RUN, _MAKE, _KEEP, _OPTIONS = (
    Group(title, sort_key=place)
    for place, title in enumerate(("Run a world", "Make a game", "Look after a server", "Options"))
)

app = App(
    name="overworld",
    help=_ABOUT,
    help_format="plaintext",
    help_formatter=PlainPages(),
    help_epilogue=_MORE,
    usage="Usage: overworld COMMAND [OPTIONS]",
    version=__version__,
    console=OutConsole(),
)
app["--help"].group = app["--version"].group = _OPTIONS


_COMMANDS: tuple[tuple[Group, App | Callable[..., Any]], ...] = (
    (_RUN, serve),
    (_RUN, replay),
    (_RUN, demo),
    (_RUN, bots),
    (_MAKE, game.app),
    (_MAKE, simulate.app),
    (_KEEP, doctor),
    (_KEEP, config.app),
    (_KEEP, migrate.app),
    (_KEEP, events.app),
    (_KEEP, query),
    (_KEEP, accounts.app),
    (_KEEP, ledger.app),
    (_KEEP, audit.app),
    (_KEEP, boards.app),
    (_KEEP, experiments.app),
)
for _place, (_group, _command) in enumerate(_COMMANDS):
    # The examples and exit codes of the first page stay there.
    if isinstance(_command, App):
        _command.group, _command.sort_key, _command.help_epilogue = _group, _place, ""
        app.command(_command)
    else:
        app.command(_command, group=_group, sort_key=_place, help_epilogue="")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and leaves the process with its exit code; arguments default to those of the process."""
    _open_what_is_closed()
    try:
        _run(arguments)
    except CycloptsError as wrong:
        page = " ".join(("overworld", *(wrong.command_chain or ()), "--help"))
        _leave(WRONG, [f"overworld: {wrong}", f"`{page}` says how it is used."])
    except BadSettings as bad:
        _leave(WRONG, [f"overworld: {fault}" for fault in bad.faults])
    except Refusal as refused:
        _leave(REFUSED, [f"overworld: {refused} ({refused.code})"])
    except KeyboardInterrupt:
        _leave(INTERRUPTED, [])
    except BrokenPipeError:
        # Whoever read, as `head` does, has had enough; what is left must not be tried again at the end.
        _give_up_output()
    except OSError as failed:
        if failed.errno != errno.ENOSPC:
            raise
        _give_up_output()
        _leave(REFUSED, [f"overworld: what was to be written has no place: {failed.strerror}"])


def _open_what_is_closed() -> None:
    """Whoever starts us may have closed standard streams, as `>&-` does. What is written there goes nowhere then, and
    no file or socket of ours may get such a number, or what is written would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the process ends
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _give_up_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> None:
    try:
        app(arguments, print_error=False, exit_on_error=False)
    finally:
        sys.stdout.flush()


def _leave(code: int, lines: Sequence[str]) -> None:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    raise SystemExit(code)
