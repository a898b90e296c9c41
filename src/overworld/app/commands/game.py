"""`overworld game`: game definitions."""

from __future__ import annotations

import sys

from cyclopts import App

app = App(name="game", help="Look at a game's definition.")


@app.command
def check(game: str = "ore") -> None:
    """Check a game.toml and print everything that is wrong with it.

    Parameters
    ----------
    game:
        A name in games/, or a path.
    """
    from overworld.app.game import GameErrors, check, found

    try:
        checked = check(found(game))
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
    sys.stdout.write(f"{checked.file}: fine; {checked.title}, version {checked.digest[:12]}\n")
