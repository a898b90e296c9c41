"""`overworld simulate`: what a game comes to when many play it for long."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from overworld.app.kernel_cache import keep_kernels

app = App(name="simulate", help="Play a game's rules on a virtual clock, and see what they come to.")

_PLAYERS_MAX, _DAYS_MAX, _SEED_MAX = 100_000, 366, 2**32 - 1


@app.command
def economy(
    *,
    players: Annotated[int, Parameter(validator=Number(gte=1, lte=_PLAYERS_MAX))] = 1_000,
    days: Annotated[int, Parameter(validator=Number(gte=1, lte=_DAYS_MAX))] = 30,
    seed: Annotated[int, Parameter(validator=Number(gte=0, lte=_SEED_MAX))] = 1,
    game: str = "ore",
    out: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Let simulated players play a game for some days, and see what becomes of its money.

    Casual, regular and eager players walk a city and claim what they find, by the rules and services of the server on
    a clock that waits for nobody. It has a PostgreSQL of its own in a temporary folder; your data is not touched. The
    same seed gives the same figures.

    The figures are read from the ledger: faucets and sinks, supply, inflation, concentration, the time to levels,
    quests. The bands that they should lie in stand in the game's game.toml:

      [economy.targets]
      gini = [0.2, 0.6]
      days_to_level_5 = [1, 5]

    For example:
      overworld simulate economy --players 100 --days 7
      overworld simulate economy --game ./my-game --out report

    Exit codes: 0 every band is met, 1 one is missed or the game.toml is wrong, 2 wrong usage.

    Parameters
    ----------
    players
        How many play.
    days
        For how many days.
    seed
        Who they are, how they walk, and what they find.
    game
        A name in games/, or a path.
    out
        Folder for economy.json and economy.html, a page with charts.
    json
        Print the report as JSON.
    """
    from overworld.app.game import GameErrors, check, found

    try:
        checked = check(found(game))
    except GameErrors as wrong:
        raise SystemExit(str(wrong)) from wrong
    keep_kernels(Path("data"))

    from overworld.app.simulate.command import economy as run
    from overworld.app.simulate.run import Options

    lines, code = run(checked, Options(players=players, days=days, seed=seed), out=out, as_json=json)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return code
