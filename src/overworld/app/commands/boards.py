"""`overworld boards`: the scores of leaderboards, counted again."""

from __future__ import annotations

import sys

from cyclopts import App

from overworld.app.commands.flags import Flags

app = App(name="boards", help="Look after the scores of leaderboards.")


@app.command
def check(*, flags: Flags = Flags()) -> int:
    """Count every score again, from the ledger and the log, and name those that differ.

    It looks into the database of the running server, or the one given by --database, in one snapshot, and changes
    nothing. The boards are those of the game: --game, as for `serve`.

    For example:
      overworld boards check
      overworld boards check --database postgresql://me@db.example/game

    Exit codes: 0 everything agrees, 1 something differs, or there is no such database.
    """
    return _recount(flags, repair=False)


@app.command
def rebuild(*, flags: Flags = Flags()) -> int:
    """Count every score again and put right what differs: after a restore, or when a board counts something else.

    Servers may run: claims go on, scores wait, and what they hold in memory is read again. Regions and experience are
    in the log alone; of players who have collected longer than it is kept, these stay as they are.

    For example:
      overworld boards rebuild
      overworld boards rebuild --data /var/lib/overworld

    Exit codes: 0 done, 1 there is no such database, or some regions do not add up and cannot be counted again.
    """
    return _recount(flags, repair=True)


def _recount(flags: Flags, *, repair: bool) -> int:
    settings = flags.settings().tree

    from overworld.app import boards_tools
    from overworld.app.progress import spinning

    with spinning("Counting every collection"):
        found = boards_tools.recount(settings, repair=repair)
    sys.stdout.writelines(f"{line}\n" for line in boards_tools.lines(found, repaired=repair))
    return int(bool(found.sums) if repair else not found.agrees)
