"""Deliveries a second: in many rooms one speaks, and everybody there hears it, while others report where they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.load.packed import PackedLoad, PackedPlan, Room
from bench.load.process import Generator
from bench.location import AckShare, Hz, lifelike
from bench.machine import machine, rss_mb
from bench.players import Seat, sign_in
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds, cpu_us, measure, spans
from bench.servers import ServerProcess
from overworld.domains.world.types import WorldSettings
from overworld.geo import cells

_RECORDS = 8
_CITY_KM = 10.0
_FIRST_DEG = (40.0, -3.0)
_APART_DEG = 0.05
_ROOMS_IN_A_ROW = 20

Members = Annotated[int, Parameter(validator=Number(gte=1, lte=15_000))]
RoomSize = Annotated[int, Parameter(validator=Number(gte=1, lte=190))]
SayingsPerS = Annotated[float, Parameter(validator=Number(gte=0.1, lte=5))]
Others = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=1, lte=1_000_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    members: int
    room_size: int
    sayings: float
    others: int
    rate: float
    ack_share: float
    interest_hz: float
    seconds: float
    rounds: int
    seed: int
    database: str | None


def fanout(
    *,
    members: Members = 10_000,
    room_size: RoomSize = 100,
    sayings: SayingsPerS = 4,
    others: Others = 1_000,
    rate: Rate = 50_000,
    ack_share: AckShare = 0.01,
    interest_hz: Hz = 10,
    seconds: Seconds = 50,
    rounds: RoundCount = 5,
    seed: int = 1,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Deliveries a second: in each of many rooms one player speaks, and all who stand there hear it.

    A latency lasts from when a speaker was due to say something to when a member has read it. Meanwhile others walk,
    report where they are in packed frames of 8, and are told of each other.

    Parameters
    ----------
    members
        Connections that listen, each a player who stands; what is left over from whole rooms is left out.
    room_size
        How many of them stand together, in a room cell of their own.
    sayings
        Messages a second of the speaker of each room, who has a connection too and hears itself.
    others
        Connections of players who walk.
    rate
        Fixes a second of these, all together.
    ack_share
        Share of these fixes that ask for their verdict.
    interest_hz
        How often the server tells the others what has changed around them.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of where the others walk, and of which fixes ask for their verdict.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(
        members=members, room_size=min(room_size, members), sayings=sayings, others=others, rate=rate,
        ack_share=ack_share, interest_hz=interest_hz, seconds=seconds, rounds=rounds, seed=seed, database=database,
    )  # fmt: skip
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    environment = {
        "OVERWORLD_WORLD__INTEREST_HZ": str(wanted.interest_hz),
        # Who is connected first waits for the last one, and meanwhile nobody answers the server's pings.
        "OVERWORLD_REALTIME__IDLE_S": "600",
    }
    server = ServerProcess(folder / "data", dsn=wanted.database, game=lifelike(folder), environment=environment)
    say("starting a server")
    async with server:
        rooms = wanted.members // wanted.room_size
        seats = await sign_in(server.http, wanted.others + rooms * (1 + wanted.room_size))
        plan = _plan(wanted, server, seats, rooms)
        before_mb = rss_mb(server)
        say(f"connecting {len(seats)} players")
        async with Generator(PackedLoad.make, plan) as generator:
            measured = await measure(
                generator,
                server,
                unit="deliveries",
                rounds=wanted.rounds,
                seconds=wanted.seconds,
                guess_per_s=rooms * wanted.room_size * wanted.sayings,
            )
            memory_mb = rss_mb(server)
        return Report(
            benchmark="fanout",
            spans=spans(measured.measured, rate="deliveries_per_s"),
            cpu=[one.cpu for one in measured.measured],
            rss_mb=memory_mb,
            machine=await machine(server.dsn),
            settings={
                "connections": len(seats),
                "rooms": rooms,
                "room_size": wanted.room_size,
                "sayings": wanted.sayings,
                "others": wanted.others,
                "rate": wanted.rate,
                "interest_hz": wanted.interest_hz,
                "seconds": wanted.seconds,
                "loop": "open",
                "database": "given" if wanted.database else "embedded",
            },
            figures={
                "kb_per_connection": round(1_000 * (memory_mb - before_mb) / len(seats), 1),
                "refusals": measured.refusals(),
                **cpu_us(measured.measured, "delivery"),
            },
            faults=[fault for tally in measured.tallies for fault in tally.faults],
        )


def _plan(wanted: _Wanted, server: ServerProcess, seats: list[Seat], rooms: int) -> PackedPlan:
    others, speakers, members = (
        seats[: wanted.others],
        seats[wanted.others : wanted.others + rooms],
        seats[wanted.others + rooms :],
    )
    return PackedPlan(
        realtime=server.realtime,
        players=others,
        records=_RECORDS,
        per_s=wanted.rate,
        ack_share=wanted.ack_share,
        city_km=_CITY_KM,
        seed=wanted.seed,
        listen={"channels": ["location:around"], "positions": "packed"},
        rooms=[
            _room(i, speaker, members[i * wanted.room_size : (i + 1) * wanted.room_size])
            for i, speaker in enumerate(speakers)
        ],
        sayings_per_s=rooms * wanted.sayings,
    )


def _room(i: int, speaker: Seat, members: list[Seat]) -> Room:
    """The middle of a room cell, kilometres from all others."""
    row, column = divmod(i, _ROOMS_IN_A_ROW)
    cell = cells.cell_of(
        _FIRST_DEG[0] + row * _APART_DEG, _FIRST_DEG[1] + column * _APART_DEG, WorldSettings().room_level
    )
    lat_deg, lng_deg = cells.centre_deg(cell)
    channel = f"location:cell:{cells.token(cell)}"
    return Room(lat_deg=lat_deg, lng_deg=lng_deg, channel=channel, speaker=speaker, members=members)
