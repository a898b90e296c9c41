"""Fixes a second in packed frames, at a rate, from players who are told of each other."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.fences import FenceCount, draw, shapes
from bench.load.packed import MIDDLE_DEG, RECORDS_MAX, PackedLoad, PackedPlan
from bench.load.process import Generator
from bench.machine import machine, rss_mb
from bench.players import sign_in
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds, cpu_us, measure, spans
from bench.servers import ServerProcess
from overworld.app.game import SHIPPED
from overworld.domains.world.fences.types import Shape

_DEGREE_KM = 111.195

Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=15_000))]
Records = Annotated[int, Parameter(validator=Number(gte=1, lte=RECORDS_MAX))]
Rate = Annotated[float, Parameter(validator=Number(gte=1, lte=2_000_000))]
AckShare = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]
Hz = Annotated[float, Parameter(validator=Number(gte=1, lte=60))]
CityKm = Annotated[float, Parameter(validator=Number(gte=0.1, lte=100))]


class Wanted(Struct, frozen=True, kw_only=True):
    """What is offered, and for how long."""

    benchmark: str
    connections: int
    records: int
    rate: float
    seconds: float
    rounds: int
    seed: int
    database: str | None
    ack_share: float = 0.01
    interest_hz: float = 10
    city_km: float = 10
    fences: int = 0


def location(
    *,
    connections: Connections = 5_000,
    records: Records = 8,
    rate: Rate = 300_000,
    ack_share: AckShare = 0.01,
    interest_hz: Hz = 10,
    city_km: CityKm = 10,
    fences: FenceCount = 0,
    seconds: Seconds = 100,
    rounds: RoundCount = 5,
    seed: int = 1,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Fixes a second in packed frames of 8, from players who see each other walk.

    Every player walks up and down a street of a dense city at 0.9 to 1.9 m/s in real time, and is told of all around
    it as packed frames. Open loop: a latency begins when its fix was due, not when the generator came to send it.

    Parameters
    ----------
    connections
        Connections, each a player.
    records
        Fixes in a frame, their times spread over the time since the frame before.
    rate
        Fixes a second, of all players together.
    ack_share
        Share of the fixes that ask for their verdict: these have a latency.
    interest_hz
        How often the server tells what has changed around players.
    city_km
        Length of the sides of the city.
    fences
        Geofences in the city, half of them circles and half polygons of 4 to 15 corners, 20 to 300 m wide each way.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of streets, and of which fixes ask for their verdict.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    wanted = Wanted(
        benchmark="location", connections=connections, records=records, rate=rate, ack_share=ack_share,
        interest_hz=interest_hz, city_km=city_km, fences=fences, seconds=seconds, rounds=rounds, seed=seed,
        database=database,
    )  # fmt: skip
    return report.run(partial(measured, wanted), json=json)


def location_single(
    *,
    connections: Connections = 1_000,
    rate: Rate = 100_000,
    seconds: Seconds = 100,
    rounds: RoundCount = 5,
    seed: int = 1,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Fixes a second in packed frames of one, from players who see each other: what a frame costs.

    As `location` in everything else.

    Parameters
    ----------
    connections
        Connections, each a player.
    rate
        Fixes a second, of all players together.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of streets, and of which fixes ask for their verdict.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    wanted = Wanted(
        benchmark="location-single", connections=connections, records=1, rate=rate, seconds=seconds, rounds=rounds,
        seed=seed, database=database,
    )  # fmt: skip
    return report.run(partial(measured, wanted), json=json)


def lifelike(folder: Path) -> str:
    """The game for players who see each other: `ore`, in which strangers are seen where they are. Gives its folder.

    Seen only coarsely, a walker would hardly ever seem to move, and the server would have nothing to tell.
    """
    game = folder / "game"
    game.mkdir()
    text = (SHIPPED / "ore" / "game.toml").read_text()
    assert "[interest]" not in text, "the game has rules of its own for what strangers see"
    (game / "game.toml").write_text(f'{text}\n[interest]\nstrangers = "exact"\n')
    return str(game)


async def measured(wanted: Wanted, folder: Path) -> Report:
    environment = {"OVERWORLD_WORLD__INTEREST_HZ": str(wanted.interest_hz)}
    server = ServerProcess(folder / "data", dsn=wanted.database, game=lifelike(folder), environment=environment)
    say("starting a server")
    async with server:
        players = await sign_in(server.http, wanted.connections)
        await draw(server, players[0], _fences(wanted))
        plan = PackedPlan(
            realtime=server.realtime,
            players=players,
            records=wanted.records,
            per_s=wanted.rate,
            ack_share=wanted.ack_share,
            city_km=wanted.city_km,
            seed=wanted.seed,
            listen={"channels": ["location:around"], "positions": "packed"},
        )
        say(f"connecting {wanted.connections} players")
        async with Generator(PackedLoad.make, plan) as generator:
            rounds = await measure(
                generator,
                server,
                unit="updates",
                rounds=wanted.rounds,
                seconds=wanted.seconds,
                guess_per_s=wanted.rate,
            )
            memory_mb = rss_mb(server)
        return Report(
            benchmark=wanted.benchmark,
            spans=spans(rounds.measured, rate="updates_per_s"),
            cpu=[one.cpu for one in rounds.measured],
            rss_mb=memory_mb,
            machine=await machine(server.dsn),
            settings=_settings(wanted),
            figures={"refusals": rounds.refusals(), **cpu_us(rounds.measured, "update")},
            faults=[fault for tally in rounds.tallies for fault in tally.faults],
        )


def _fences(wanted: Wanted) -> list[Shape]:
    lat_deg = wanted.city_km / _DEGREE_KM
    size_deg = (lat_deg, lat_deg / math.cos(math.radians(MIDDLE_DEG[0])))
    return shapes(wanted.fences, middle_deg=MIDDLE_DEG, size_deg=size_deg, seed=wanted.seed)


def _settings(wanted: Wanted) -> dict[str, Any]:
    return {
        "connections": wanted.connections,
        "records": wanted.records,
        "rate": wanted.rate,
        "ack_share": wanted.ack_share,
        "interest_hz": wanted.interest_hz,
        "city_km": wanted.city_km,
        "fences": wanted.fences,
        "seconds": wanted.seconds,
        "loop": "open",
        "database": "given" if wanted.database else "embedded",
    }
