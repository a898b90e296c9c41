"""`overworld migrate`: the database's schema."""

from __future__ import annotations

import sys

from cyclopts import App

from overworld.app.commands.flags import Flags

app = App(name="migrate", help="See which migrations the database lacks, or run them.")


@app.command
def plan(*, flags: Flags = Flags()) -> None:
    """Print the migrations that `up` would run, a line each; nothing when the database is up to date.

    It looks at the database given by --database, or at that of the data folder, which is started for this when no
    server runs there. The tables are not changed.

    For example:
      overworld migrate plan --database postgresql://me@db.example/game
    """
    settings = flags.settings().tree

    from overworld.app import migrate
    from overworld.app.progress import spinning

    with spinning("Looking at the database"):
        lines = migrate.plan(settings)
    sys.stdout.writelines(f"{line}\n" for line in lines)


@app.command
def up(*, flags: Flags = Flags()) -> None:
    """Run the migrations that the database lacks, and print what was run.

    Each runs in a transaction of its own; several processes may try at once, one of them works. A server brings the
    database in its own data folder up to date by itself.

    For example:
      overworld migrate up --database postgresql://me@db.example/game

    Exit codes: 0 the database is up to date, 1 it is not (out of reach, newer than this build, a migration failed).
    """
    settings = flags.settings().tree

    from overworld.app import migrate
    from overworld.app.progress import spinning

    with spinning("Migrating the database"):
        lines = migrate.up(settings)
    sys.stdout.writelines(f"{line}\n" for line in lines)
