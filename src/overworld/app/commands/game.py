"""`overworld game`: game definitions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cyclopts import App

from overworld.app.kernel_cache import kernel_cache

app = App(name="game", help="Check a game's definition, and test what it says.")


@app.command
def check(game: str = "ore") -> None:
    """Check a game.toml and print everything that is wrong with it.

    Each error has its line, its key, the reason and what would be allowed. Nothing is started or changed.

    For example:
      overworld game check             the game that is shipped
      overworld game check ./my-game   a folder with a game.toml

    Exit codes: 0 the definition is fine, 1 it is not.

    Parameters
    ----------
    game
        A name in games/, or a path.
    """
    from overworld.app.game import GameErrors, check, found

    try:
        checked = check(found(game))
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
    sys.stdout.write(f"{checked.file}: fine; {checked.title}, version {checked.digest[:12]}\n")


@app.command
def test(game: str = "ore") -> int:
    """Run a game's own tests: what should happen in a situation, decided by the rules of the server.

    The tests are the files tests/*.toml beside its game.toml. They need no server and no database. A scenario is a
    few lines:

      [collect."a gold coin in reach is taken"]
      given.collectible.type = "gold"
      given.player.away_m = 30
      then.amount = "20"

    docs/game-tests.md says what can be given and expected.

    For example:
      overworld game test             the game that is shipped
      overworld game test ./my-game   a folder with a game.toml and tests/

    Exit codes: 0 everything is as expected, 1 a scenario is not or the game.toml is wrong, 2 a test file is wrong or
    there is none.

    Parameters
    ----------
    game
        A name in games/, or a path.
    """
    from overworld.app.game import GameErrors, check, found

    try:
        checked = check(found(game))
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(Path("data"))))

    from overworld.app.progress import spinning

    with spinning("Compiling the rules"):
        from overworld.app.scenarios.run import WRONG, code_of, lines_of, run, summary
        from overworld.app.scenarios.written import FOLDER, files

        tests = files(checked)
        outcomes = list(run(tests, game=checked))
    if not tests:
        sys.stderr.write(f"overworld: {checked.name} has no tests: no *.toml in {checked.file.parent / FOLDER}\n")
        return WRONG
    for outcome in outcomes:
        sys.stdout.writelines(f"{line}\n" for line in lines_of(outcome))
    sys.stdout.write(f"{checked.title}: {summary(outcomes)}\n")
    return code_of(outcomes)
