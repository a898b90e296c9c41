"""`overworld audit`: the log of what staff did."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from overworld.app.commands.flags import Flags

app = App(name="audit", help="Verify the log of what staff did.")


@app.command
def verify(*, head: Annotated[str | None, Parameter(show_default=False)] = None, flags: Flags = Flags()) -> int:
    """Make every hash of the audit log again, and name what was changed, is missing or was cut off.

    It looks into the database of the running server, or the one given by --database, and changes nothing. It prints
    where the chain ends: keep that elsewhere, and give it the next time. A chain that somebody wrote anew from some
    entry on, or cut, agrees with itself, but not with an end that was seen before.

    For example:
      overworld audit verify
      overworld audit verify --head "$(cat audit.head)"

    Exit codes: 0 the log holds, 1 it does not, or there is no such database.

    Parameters
    ----------
    head
        An end that was printed before, as NUMBER:HASH, or told by an event `events.audit.sealed`.
    """
    settings = flags.settings().tree

    from overworld.app import audit_tools

    verdict = audit_tools.verify(settings, head)
    sys.stdout.writelines(f"{fault}\n" for fault in verdict.faults)
    sys.stdout.writelines(f"{line}\n" for line in audit_tools.lines(verdict))
    return 1 if verdict.faults else 0
