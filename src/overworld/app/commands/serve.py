"""`overworld serve`: the server."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from overworld.app.commands.flags import Flags
from overworld.app.kernel_cache import keep_kernels
from overworld.app.settings_sources import data_folder


def serve(*, flags: Flags = Flags()) -> None:
    """Run a server: a planet, its game, and a PostgreSQL of its own in the data folder.

    It prints where it listens once it is ready, and logs to standard error. SIGTERM or Ctrl-C drains and stops it, a
    second one ends it at once. SIGHUP reads the settings again: the log level and the rate limits change while
    players play.

    For example:
      overworld serve                        in ./data, on ports 7400, 7401, 7403
      overworld serve --demo                 with simulated players in a city
      overworld serve --data /srv/ow --game ./my-game
      overworld serve --database postgresql://me@db.example/game --migrate

    Exit codes: 0 it was stopped, 1 it could not start (`overworld doctor` says why), 2 the settings are wrong.
    """
    data = data_folder(flags=flags.source(), environment=os.environ, folder=Path.cwd())
    keep_kernels(data)
    gc.disable()  # until app/collector.py takes over: what is loaded stays, and looking it through costs a tenth

    from overworld.app.game import GameErrors
    from overworld.app.serve import serve as run

    gc.freeze()  # of what was imported nothing is garbage, so the collection at the end of the start passes it over

    try:
        run(flags.settings)
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
