"""`overworld demo`: simulated players in a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from overworld.app.commands.target import server_and_key
from overworld.app.demo.settings import RADIUS_MAX_M, RADIUS_MIN_M, SEED_MAX, WALKERS_MAX, DemoSettings

_LJUBLJANA = DemoSettings()


def demo(
    *,
    walkers: Annotated[int, Parameter(validator=Number(gte=1, lte=WALKERS_MAX))] = _LJUBLJANA.walkers,
    seed: Annotated[int, Parameter(validator=Number(gte=0, lte=SEED_MAX))] = _LJUBLJANA.seed,
    lat: Annotated[float, Parameter(validator=Number(gte=-90, lte=90))] = _LJUBLJANA.lat,
    lng: Annotated[float, Parameter(validator=Number(gte=-180, lte=180))] = _LJUBLJANA.lng,
    radius_m: Annotated[float, Parameter(validator=Number(gte=RADIUS_MIN_M, lte=RADIUS_MAX_M))] = _LJUBLJANA.radius_m,
    server: str | None = None,
    key: str | None = None,
    data: Path = Path("data"),
    until_input_ends: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Walk simulated players through a running server: they move, see what lies around, and collect it.

    They use the API and the socket as any client does, and walk until Ctrl-C. The same seed and key are the same
    players again. `overworld serve --demo` starts them together with the server.

    For example:
      overworld demo
      overworld demo --walkers 50 --lat 40.7580 --lng -73.9855 --radius-m 2000

    Exit codes: 0 they walked until they were told to end, 1 there is no server to walk on, 2 wrong usage.

    Parameters
    ----------
    walkers
        How many.
    seed
        Who they are and how they walk.
    lat
        Middle of their city, degrees.
    lng
        Middle of their city, degrees.
    radius_m
        How far from the middle they walk.
    server
        Address of the server's HTTP port; otherwise that of the server that uses the data folder.
    key
        Developer key; otherwise that of the data folder.
    data
        The server's data folder.
    until_input_ends
        End also when standard input does, for programs that start this one.
    """
    from overworld.app.demo.run import demo as run

    server, key = server_and_key(server=server, key=key, data=data)
    settings = DemoSettings(enabled=True, walkers=walkers, seed=seed, lat=lat, lng=lng, radius_m=radius_m)
    return run(settings, server=server, key=key, data=data, until_input_ends=until_input_ends)
