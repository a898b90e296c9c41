"""`overworld events`: the event log."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from overworld.app.commands.flags import Flags

app = App(name="events", help="See how far the readers of the event log are.")


@app.command
def lag(
    *,
    warn_events: Annotated[int | None, Parameter(validator=Number(gte=0))] = None,
    warn_s: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    flags: Flags = Flags(),
) -> int:
    """Show how far each durable consumer is behind, what failed for good, and what came into the log.

    It looks into the database of the running server, or the one given by --database, and starts and changes nothing.
    Events that wait are those of all topics, also of topics that a consumer passes over.

    For example:
      overworld events lag
      overworld events lag --json --database postgresql://me@db.example/game
      overworld events lag --warn-s 60    for a cron job or a probe

    Exit codes: 0 done, 1 there is no such database, or a consumer is farther behind than a --warn option allows.

    Parameters
    ----------
    warn_events
        Exit with 1 when a consumer is more events behind.
    warn_s
        Exit with 1 when a consumer is more seconds behind.
    json
        Print one JSON object.
    """
    settings = flags.settings().tree

    import msgspec

    from overworld.app import events_lag

    looked = events_lag.look(settings)
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(events_lag.as_json(looked))).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in events_lag.lines(looked))
    late = events_lag.warnings(looked.log, events_max=warn_events, behind_max_s=warn_s)
    sys.stderr.writelines(f"overworld: {line}\n" for line in late)
    return 1 if late else 0
