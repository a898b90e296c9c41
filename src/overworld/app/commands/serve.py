"""`overworld serve`: the server."""

from __future__ import annotations

import os
from pathlib import Path

from overworld.app.commands.flags import Flags
from overworld.app.kernel_cache import kernel_cache
from overworld.app.settings_sources import data_folder


def serve(*, flags: Flags = Flags()) -> None:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C); a second time ends it at once.

    SIGHUP reads the settings again: the log level and the rate limits change while players play.
    """
    data = data_folder(flags=flags.source(), environment=os.environ, folder=Path.cwd())
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(data)))

    from overworld.app.game import GameErrors
    from overworld.app.serve import serve as run

    try:
        run(flags.settings)
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
