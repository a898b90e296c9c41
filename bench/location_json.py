"""Fixes a second as JSON: many walkers report where they are, over the socket one a frame, or over HTTP."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import asyncpg
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report, wrk
from bench.load.fixes import FIRST_LAT_DEG, FixesLoad, FixesPlan, lng_deg
from bench.load.process import Generator
from bench.machine import machine, rss_mb
from bench.players import Seat, sign_in
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, Over, Round, RoundCount, Seconds, cpu_us, measure, spans
from bench.servers import ServerProcess
from bench.wrk import Wrk, write_requests
from overworld.client.raw_http import request

_GUESS_PER_S = 60_000
_PLAYERS_PER_CONNECTION = 8
_REFUSED = "SELECT count(*) FROM eventlog.outbox WHERE 'events.movement.rejected' = ANY (topics)"

Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
AckEvery = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Rate = Annotated[float | None, Parameter(validator=Number(gte=1))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    over: Over
    connections: int
    ack_every: int
    per_s: float | None
    seconds: float
    rounds: int
    database: str | None


def location_json(
    *,
    over: Over = "socket",
    connections: Connections = 200,
    ack_every: AckEvery = 8,
    rate: Rate = None,
    seconds: Seconds = 15,
    rounds: RoundCount = 3,
    database: str | None = None,
    json: Json = False,
) -> int:
    """Fixes a second as JSON: many walkers report where they are, over the socket one a frame, or over HTTP.

    Every fix is another second of a walk at 1.4 m/s, so that events of movement are written as often per fix as with
    real phones. Without `rate` the loop is closed. With it the loop is open, and a latency begins when the fix was due,
    not when the generator came to send it.

    Parameters
    ----------
    over
        How fixes are sent. Over HTTP, wrk sends them and waits for every verdict.
    connections
        Connections; over the socket each is a player, over HTTP it stands for eight in turn.
    ack_every
        Over the socket: every so many fixes of a player ask for their verdict, and only these have a latency.
    rate
        Over the socket: fixes a second, of all players together. Left out, a player sends `ack_every` fixes and the
        next ones when their verdict comes.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    database
        DSN of an empty database to use instead of the server's own PostgreSQL; it then counts as other processes.
    json
        Print the line of JSON alone.
    """
    if over == "http" and rate is not None:
        sys.stderr.write("--rate is for the socket: wrk has a closed loop only\n")
        return 2
    if over == "http" and not wrk.is_there():
        return wrk.without()
    wanted = _Wanted(
        over=over, connections=connections, ack_every=ack_every, per_s=rate, seconds=seconds, rounds=rounds,
        database=database,
    )  # fmt: skip
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    server = ServerProcess(folder / "data", dsn=wanted.database)
    say("starting a server")
    async with server:
        if wanted.over == "socket":
            measured, faults = await _over_socket(wanted, server)
        else:
            measured, faults = await _over_http(wanted, server, folder)
        return Report(
            benchmark="location-json",
            spans=spans(measured, rate="updates_per_s"),
            cpu=[one.cpu for one in measured],
            rss_mb=rss_mb(server),
            machine=await machine(server.dsn),
            settings=_settings(wanted),
            figures=cpu_us(measured, "update"),
            faults=[*faults, *await _refused(server.dsn)],
        )


async def _over_socket(wanted: _Wanted, server: ServerProcess) -> tuple[list[Round], list[str]]:
    plan = FixesPlan(
        realtime=server.realtime,
        key=server.key,
        seats=await sign_in(server.http, wanted.connections),
        ack_every=wanted.ack_every,
        per_s=wanted.per_s,
    )
    async with Generator(FixesLoad.make, plan) as generator:
        rounds = await measure(
            generator,
            server,
            unit="updates",
            rounds=wanted.rounds,
            seconds=wanted.seconds,
            guess_per_s=wanted.per_s or _GUESS_PER_S,
        )
    return rounds.measured, [fault for tally in rounds.tallies for fault in tally.faults]


async def _over_http(wanted: _Wanted, server: ServerProcess, folder: Path) -> tuple[list[Round], list[str]]:
    seats = await sign_in(server.http, wanted.connections * _PLAYERS_PER_CONNECTION)
    requests = folder / "requests"
    write_requests(requests, [_fix(seat, i, key=server.key) for i, seat in enumerate(seats)])
    load = Wrk(server.http, requests, wanted.connections)
    rounds = await wrk.measure(load, server, what="location over HTTP", rounds=wanted.rounds, seconds=wanted.seconds)
    return rounds.measured, rounds.faults


def _fix(seat: Seat, i: int, *, key: str) -> str:
    """A fix whose place and time wrk's script puts in: both marks are as long as what comes in their stead."""
    lat, time = f"{FIRST_LAT_DEG:.7f}", "2020-01-01T00:00:00Z"
    body = f'{{"lat":{lat},"lng":{lng_deg(i):.7f},"accuracy_m":5,"timestamp":"{time}"}}'
    whole = request("POST", "/v1/location/update", token=seat.token, key=key, body=body)
    return whole.replace(lat, f"@{lat}@", 1).replace(time, "#TIME#", 1)


async def _refused(dsn: str) -> list[str]:
    """Fixes that the log of events says were refused: none was meant to be."""
    connection = await asyncpg.connect(dsn)
    try:
        count = await connection.fetchval(_REFUSED)
    finally:
        await connection.close()
    return [f"{count} batches of events tell of refused fixes"] * (count > 0)


def _settings(wanted: _Wanted) -> dict[str, Any]:
    settings = {
        "over": wanted.over,
        "connections": wanted.connections,
        "seconds": wanted.seconds,
        "loop": "closed" if wanted.per_s is None else "open",
        "database": "given" if wanted.database else "embedded",
    }
    return settings | ({"ack_every": wanted.ack_every, "rate": wanted.per_s} if wanted.over == "socket" else {})
