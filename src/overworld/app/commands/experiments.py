"""`overworld experiments`: what the experiments of a game came to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from overworld.app.commands.flags import Flags

app = App(name="experiments", help="See what experiments came to.")


@app.command
def report(
    flag: str,
    *,
    html: Path | None = None,
    table: Path | None = None,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    flags: Flags = Flags(),
) -> int:
    """Report on the experiment of a flag: who is in it, what each variant did, and whether that says anything.

    It looks into the database of the running server, or the one given by --database, and changes nothing. Its intervals
    are true however often it is asked; docs/concepts/experiments.md says how they are made.

    For example:
      overworld experiments report better-map
      overworld experiments report better-map --html report.html
      overworld experiments report better-map --table outcomes.parquet --json

    Exit codes: 0 done; 1 the numbers cannot be believed (the players do not divide as the weights say), or there is no
    such database or experiment.

    Parameters
    ----------
    flag
        The flag's key.
    html
        A file for the report as a page with charts.
    table
        A Parquet file of outcomes in the place of what the server counted: player, exposed_at, variant, metric, value,
        before.
    json
        Print the report as JSON.
    """
    settings = flags.settings().tree

    import msgspec

    from overworld.app.experiments import tools
    from overworld.app.experiments.page import page
    from overworld.app.progress import spinning

    with spinning("Reading the experiment"):
        found = tools.report(settings, flag, table=table)
    if html is not None:
        try:
            html.write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise SystemExit(f"overworld: cannot write {html}: {error.strerror}") from error
    if json:
        sys.stdout.write(f"{msgspec.json.encode(found).decode()}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in tools.lines(found))
    return 0 if found.is_sound else 1
