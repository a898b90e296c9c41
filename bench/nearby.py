"""Nearby queries a second: what can be collected, and who is around, in a city full of players."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report, wrk
from bench.dense import Dense, measure_dense
from bench.machine import machine, rss_mb
from bench.players import ask_all, fix_request, sign_in
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds, cpu_us, spans
from bench.servers import ServerProcess
from bench.wrk import Wrk, WrkRounds, write_requests
from overworld.client.raw_http import request

_MIDDLE_DEG = (48.137, 11.575)
_CITY_DEG = (0.09, 0.135)  # 10 km by 10 km at this latitude
_RADIUS_M = 500
_VIEWERS_MAX = 2_000
_ASKED = {
    "coins": "/v1/game/coins/nearby?",
    "players": "/v1/location/nearby?types=player&",
    "all": "/v1/location/nearby?",
}
_MIXED = "mixed"

Players = Annotated[int, Parameter(validator=Number(gte=1, lte=50_000))]
Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Entities = Annotated[int | None, Parameter(validator=Number(gte=100, lte=1_000_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=1, lte=10_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    connections: int
    seconds: float
    rounds: int
    seed: int
    database: str | None


def nearby(
    *,
    players: Players = 10_000,
    connections: Connections = 32,
    seconds: Seconds = 24,
    rounds: RoundCount = 5,
    seed: int = 1,
    entities: Entities = None,
    rate: Rate = 500,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Nearby queries a second: what can be collected, and who is around, in a city full of players.

    wrk asks as one player after another, each at its own place, with a radius of 500 m and a page of 50: for coins, for
    players and for all there is, by turns (these are the figures at the top), then for each kind alone. Closed loop.
    With `entities` the city is as dense as Seoul, the radius 1 km and the loop open, at `rate`; the same world in one
    process with the client is asked too.

    Parameters
    ----------
    players
        Players who stand in a city of 10 km by 10 km.
    connections
        Connections of wrk, each with one request under way.
    seconds
        Measured time, all rounds together; wrk knows whole seconds only, so a round takes at least one.
    rounds
        Rounds of each kind, after a warm-up.
    seed
        Of where players stand.
    entities
        Ask in a city of so many entities, put into the world before the server opens.
    rate
        With `entities`: requests a second.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    if entities is not None:
        dense = Dense(
            entities=entities,
            per_s=rate,
            seconds=seconds,
            rounds=rounds,
            seed=seed,
            database=database,
            paths=_ASKED,
        )
        return report.run(partial(measure_dense, dense), json=json)
    if not wrk.is_there():
        return wrk.without()
    wanted = _Wanted(
        players=players, connections=connections, seconds=seconds, rounds=rounds, seed=seed, database=database
    )
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    server = ServerProcess(folder / "data", dsn=wanted.database)
    say("starting a server")
    async with server:
        asked = await _settled(wanted, server)
        kinds = {_MIXED: [one for turn in zip(*asked.values(), strict=True) for one in turn], **asked}
        rounds: dict[str, WrkRounds] = {}
        for kind, requests in kinds.items():
            file = folder / kind
            write_requests(file, requests)
            load = Wrk(server.http, file, wanted.connections)
            rounds[kind] = await wrk.measure(
                load, server, what=kind, rounds=wanted.rounds, seconds=wanted.seconds / len(kinds)
            )
        return Report(
            benchmark="nearby",
            spans=spans(rounds[_MIXED].measured, rate="requests_per_s"),
            cpu=[one.cpu for kind in rounds.values() for one in kind.measured],
            rss_mb=rss_mb(server),
            machine=await machine(server.dsn),
            settings={
                "players": wanted.players,
                "connections": wanted.connections,
                "seconds": wanted.seconds,
                "loop": "closed",
                "database": "given" if wanted.database else "embedded",
            },
            figures={f"{kind}_alone": _figures(rounds[kind]) for kind in asked},
            faults=[fault for kind in rounds.values() for fault in kind.faults],
        )


async def _settled(wanted: _Wanted, server: ServerProcess) -> dict[str, list[str]]:
    """Puts the players into the city; gives the requests of some of them, of each kind, aligned."""
    random = Random(wanted.seed)
    seats = await sign_in(server.http, wanted.players)
    places = [
        tuple(middle + size * (random.random() - 0.5) for middle, size in zip(_MIDDLE_DEG, _CITY_DEG, strict=True))
        for _ in seats
    ]
    fixes = [fix_request(seat, lat, lng).encode() for seat, (lat, lng) in zip(seats, places, strict=True)]
    for verdict in await ask_all(server.http, "players placed", fixes):
        if b'"accepted":true' not in verdict:
            raise RuntimeError(f"a fix was answered {verdict!r}")
    viewers = list(zip(seats, places, strict=True))[:_VIEWERS_MAX]
    return {
        kind: [
            request("GET", f"{path}lat={lat:.6f}&lng={lng:.6f}&radius_m={_RADIUS_M}", token=seat.token)
            for seat, (lat, lng) in viewers
        ]
        for kind, path in _ASKED.items()
    }


def _figures(rounds: WrkRounds) -> dict[str, Any]:
    over_rounds = spans(rounds.measured, rate="requests_per_s")
    return {name: median(values) for name, values in over_rounds.items()} | cpu_us(rounds.measured, "request")
