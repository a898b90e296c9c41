"""`overworld serve`: the server."""

from __future__ import annotations

import os
from pathlib import Path

from overworld.app.commands.flags import Flags
from overworld.app.kernel_cache import kernel_cache


def serve(*, flags: Flags = Flags()) -> None:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C)."""
    compiled = kernel_cache(flags=flags.source(), environment=os.environ, folder=Path.cwd())
    os.environ.setdefault("NUMBA_CACHE_DIR", str(compiled))
    settings = flags.settings().tree

    from overworld.app.game import GameErrors
    from overworld.app.serve import serve as run

    try:
        run(settings)
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
