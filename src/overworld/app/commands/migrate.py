"""`overworld migrate`: the database's schema."""

from __future__ import annotations

import sys

from cyclopts import App

from overworld.app.commands.flags import Flags

app = App(name="migrate", help="Look at the database's schema, or bring it up to date.")


@app.command
def plan(*, flags: Flags = Flags()) -> None:
    """Print the migrations that `up` would run."""
    settings = flags.settings().tree

    from overworld.app import migrate

    sys.stdout.writelines(f"{line}\n" for line in migrate.plan(settings))


@app.command
def up(*, flags: Flags = Flags()) -> None:
    """Run the migrations that the database lacks."""
    settings = flags.settings().tree

    from overworld.app import migrate

    sys.stdout.writelines(f"{line}\n" for line in migrate.up(settings))
