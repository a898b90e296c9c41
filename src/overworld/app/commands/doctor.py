"""`overworld doctor`: what is wrong, and what to do."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from overworld.app.commands.flags import Flags
from overworld.app.plain_json import print_json


def doctor(*, json: Annotated[bool, Parameter(negative="", show_default=False)] = False, flags: Flags = Flags()) -> int:
    """Find out why a server does not start or will not run well, and what to do about it.

    It looks at Python and its packages, the settings, the game, the data folder, the ports, the machine and the
    database. It starts and changes nothing, asks nobody outside, prints no secret, and works beside a running server.
    Each check is `ok`, a `warning` or a `problem`; below the last two stands what to do.

    For example:
      overworld doctor
      overworld doctor --data /srv/ow --http-port 80    before you serve so
      overworld doctor --json | jq '.checks[] | select(.level != "ok")'

    Exit codes: 0 no problem, 1 there is one; warnings alone are no problem.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from overworld import __version__
    from overworld.app.doctor import findings
    from overworld.app.doctor.run import findings as find
    from overworld.app.progress import spinning

    with spinning("Looking around"):
        found = list(find(flags.settings, environment=os.environ))
    if json:
        told = findings.as_json(found, version=__version__)
        print_json(told)
    else:
        sys.stdout.writelines(f"{line}\n" for line in [*findings.lines(found), "", findings.summary(found)])
    return findings.code_of(found)
