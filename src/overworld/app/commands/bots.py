"""`overworld bots`: thousands of players who are no people, some of them cheats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, Token
from cyclopts.validators import Number

from overworld.app.commands.target import server_of
from overworld.app.kernel_cache import keep_kernels

_PLAYERS_MAX, _SECONDS_MAX, _SEED_MAX, _PROCESSES_MAX = 100_000, 86_400, 2**32 - 1, 64


CityName = Literal[
    "berlin", "cairo", "lagos", "ljubljana", "london", "mexico-city", "mumbai", "new-york", "paris", "sao-paulo",
    "seoul", "suva", "sydney", "tokyo",
]  # fmt: skip


def _share(_: Any, tokens: Sequence[Token]) -> float:
    """`2%` or `0.02`. Raises: ValueError."""
    text = tokens[0].value.strip()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"{text!r} is no share; write 2% or 0.02") from None
    if not 0 <= value <= 1:
        raise ValueError(f"{text!r} is no share between 0 and 100%")
    return value


def bots(
    *,
    players: Annotated[int, Parameter(validator=Number(gte=1, lte=_PLAYERS_MAX))] = 1_000,
    city: CityName = "seoul",
    seconds: Annotated[float, Parameter(validator=Number(gt=0, lte=_SECONDS_MAX))] = 60.0,
    cheaters: Annotated[float, Parameter(converter=_share)] = 0.02,
    seed: Annotated[int, Parameter(validator=Number(gte=0, lte=_SEED_MAX))] = 1,
    processes: Annotated[int, Parameter(validator=Number(gte=1, lte=_PROCESSES_MAX))] = 2,
    server: str | None = None,
    data: Path = Path("data"),
    record: Path | None = None,
    replay: Path | None = None,
    json: Path | None = None,
    html: Path | None = None,
) -> int:
    """Send thousands of bots through a running server, cheats among them, and see who is believed.

    Each is a player with a socket of its own, who moves as people on foot, by bicycle, car and train do, or cheats in
    one of six ways; docs/bots.md tells them. The report says of each kind what was accepted, and how its bots stand in
    the end. Every run makes new accounts, more than a server lets people make: start it with
    OVERWORLD_LIMITS__ENABLED=false.

    For example:
      overworld bots --players 10000 --city seoul --cheaters 2% --seed 7
      overworld bots --players 200 --seconds 600 --html bots.html --record run.npz
      overworld bots --replay run.npz

    Exit codes: 0 the run is whole, 1 no server, or it refused bots, broke lines or lost fixes, 2 wrong usage.

    Parameters
    ----------
    players
        How many.
    city
        Around the middle of which city; its streets are made up.
    seconds
        For how long.
    cheaters
        How many of them cheat: 2% or 0.02.
    seed
        Who they are and how they move.
    processes
        How many processes send for them; it changes nothing of what they do.
    server
        Address of the server's HTTP port; otherwise that of the server that uses the data folder.
    data
        The server's data folder.
    record
        File to write every fix of the run to.
    replay
        File of a run to send again, the same but for its times; it says who and how long.
    json
        File to write the report to as JSON.
    html
        File to write the report to as a page with charts.
    """
    where = server_of(server=server, data=data)
    keep_kernels(data)

    from overworld.app.bots.run import Options
    from overworld.app.bots.run import bots as run
    from overworld.app.demo.cities import CITIES

    return run(
        Options(
            server=where, city_name=city, city=CITIES[city], players=players, cheaters=cheaters, seed=seed,
            seconds=seconds, processes=processes, record=record, replay=replay, json=json, html=html,
        )
    )  # fmt: skip
