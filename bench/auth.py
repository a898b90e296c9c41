"""Requests with a token over two servers on one port, sign-ins beside other requests, and tokens in this process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from uuid import uuid4

import asyncpg
import psutil
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import own_redis, report, wrk
from bench.load.paced import PacedLoad, PacedPlan
from bench.load.process import Generator
from bench.machine import machine, rss_mb
from bench.own_redis import RedisProcess
from bench.players import ask_all, new_devices, sign_in_devices
from bench.prove.outcome import percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Seconds, cpu_us, spans
from bench.servers import ServerProcess, free_ports
from bench.tokens import measure_tokens
from bench.wrk import Wrk, WrkRounds, write_requests
from overworld.client.raw_http import request

HOT = "/v1/location/nearby?types=player&lat=0&lng=0&radius_m=100"
_PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live for a minute
_PACED_CONNECTIONS = 16
_FAULTS_MAX = 3
_MOST = "1000000"
_COUNTED = {
    "OVERWORLD_LIMITS__ENABLED": "true",
    "OVERWORLD_LIMITS__ACCOUNT_PER_MIN": _MOST,
    "OVERWORLD_LIMITS__ADDRESS_PER_MIN": _MOST,
    "OVERWORLD_ACCOUNTS__NEW_DEVICES_MAX": _MOST,
    "OVERWORLD_ACCOUNTS__REGISTRATIONS_MAX": "100000",
}

Players = Annotated[int, Parameter(validator=Number(gte=1, lte=20_000))]
Accounts = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=1, lte=10_000))]
Flag = Annotated[bool, Parameter(negative=())]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    accounts: int
    connections: int
    logins: int
    rate: float
    redis: bool
    seconds: float
    rounds: int


class Both(Struct, frozen=True):
    """Servers that share a port and a database, which the first one runs."""

    servers: Sequence[ServerProcess]

    @property
    def family(self) -> list[psutil.Process]:
        """The servers' processes, then what they have started."""
        families = [server.family for server in self.servers]
        return [family[0] for family in families] + [one for family in families for one in family[1:]]


def auth(
    *,
    players: Players = 2_000,
    accounts: Accounts = 64,
    connections: Connections = 64,
    logins: Connections = 32,
    rate: Rate = 200,
    redis: Flag = False,
    seconds: Seconds = 30,
    rounds: RoundCount = 5,
    json: Json = False,
) -> int:
    """Requests with a token over two servers on one port; sign-ins beside others; tokens inside this process.

    wrk asks who is around at a place where nobody is, as one player after another: what is left is the edge, the token
    and the limits. Closed loop, over one server, then over two (the figures at the top). Then wrk signs accounts in by
    password at one server, as fast as it takes them, while others ask the same as before at a rate; and these alone.

    Parameters
    ----------
    players
        Players whose tokens are used by turns.
    accounts
        Accounts with a password that sign in by turns.
    connections
        Connections of wrk, each with one request under way.
    logins
        Connections that sign in, each with one sign-in under way.
    rate
        Requests a second of the others, open loop.
    redis
        Count limits, which are otherwise off, in a Redis of the benchmark's own; nobody reaches them.
    seconds
        Measured time, all rounds together; wrk knows whole seconds only, so a round takes at least one.
    rounds
        Rounds of each kind, after a warm-up.
    json
        Print the line of JSON alone.
    """
    if not wrk.is_there() or (redis and not own_redis.is_there()):
        return wrk.without()
    wanted = _Wanted(
        players=players, accounts=accounts, connections=connections, logins=logins, rate=rate, redis=redis,
        seconds=seconds, rounds=rounds,
    )  # fmt: skip
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say("tokens in this process")
    tokens = measure_tokens(wanted.rounds)
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisProcess(folder / "redis") if wanted.redis else nullcontext())
        environment = {"OVERWORLD_HTTP__REUSE_PORT": "true"}
        if redis is not None:
            environment |= {**_COUNTED, "OVERWORLD_REDIS__URL": redis.url}
        port = free_ports()[0]
        say("starting a server")
        first = ServerProcess(folder / "1", ports=(port, 0, 0), environment=environment)
        await stack.enter_async_context(first)
        hot = await _hot(first, wanted.players)
        sign_ins = await _accounts(first.http, wanted.accounts)
        beside = await _sign_ins(wanted, first, folder, hot=hot, sign_ins=sign_ins)
        alone = await _verified(wanted, Both([first]), folder, hot)
        say("starting another on the same port")
        second = ServerProcess(folder / "2", dsn=first.dsn, migrate=False, ports=(port, 0, 0), environment=environment)
        await stack.enter_async_context(second)
        both = await _verified(wanted, Both([first, second]), folder, hot)
        return Report(
            benchmark="auth",
            spans=spans(both.measured, rate="http_verified_per_s"),
            cpu=[one.cpu for one in both.measured],
            rss_mb=max(rss_mb(Both([server])) for server in (first, second)),
            machine=await machine(first.dsn),
            settings={
                "players": wanted.players,
                "connections": wanted.connections,
                "logins": wanted.logins,
                "rate": wanted.rate,
                "limits": "in Redis" if wanted.redis else "off",
                "route": HOT,
            },
            figures={
                **cpu_us(both.measured, "request"),
                **tokens,
                "one_server": _figures(alone),
                **beside.figures,
            },
            faults=[*alone.faults, *both.faults, *beside.faults],
        )


async def _hot(server: ServerProcess, count: int) -> list[str]:
    """Requests of so many, who may look anywhere and so need no place of their own, on whichever server."""
    devices = new_devices(count)
    await sign_in_devices(server.http, devices)
    database = await asyncpg.connect(server.dsn)
    try:
        await database.execute("UPDATE accounts.account SET role = 'moderator'")
    finally:
        await database.close()
    return [request("GET", HOT, token=seat.token) for seat in await sign_in_devices(server.http, devices)]


async def _accounts(url: str, count: int) -> list[str]:
    """Registers accounts; gives the requests by which they sign in."""
    names = [f"bench-{uuid4().hex[:16]}" for _ in range(count)]
    bodies = [f'"email":"{name}@example.org","password":"{_PASSWORD}"' for name in names]
    wanted = [
        request("POST", "/v1/auth/register", body=f'{{"username":"{name}",{body}}}').encode()
        for name, body in zip(names, bodies, strict=True)
    ]
    await ask_all(url, "accounts registered", wanted)
    return [request("POST", "/v1/auth/login", body=f"{{{body}}}") for body in bodies]


async def _verified(wanted: _Wanted, servers: Both, folder: Path, hot: Sequence[str]) -> WrkRounds:
    count = len(servers.servers)
    file = folder / f"verified-{count}"
    write_requests(file, hot)
    return await wrk.measure(
        Wrk(servers.servers[0].http, file, wanted.connections),
        servers,
        what=f"requests with a token, servers: {count}",
        rounds=wanted.rounds,
        seconds=wanted.seconds / 3,
        servers=count,
    )


class _Beside(Struct, frozen=True):
    """What sign-ins did, and what they did to others."""

    figures: dict[str, Any]
    faults: list[str]


async def _sign_ins(
    wanted: _Wanted, server: ServerProcess, folder: Path, *, hot: Sequence[str], sign_ins: Sequence[str]
) -> _Beside:
    file = folder / "sign-ins"
    write_requests(file, sign_ins)
    load = Wrk(server.http, file, wanted.logins)
    plan = PacedPlan(
        url=server.http,
        requests=[one.encode() for one in hot],
        per_s=wanted.rate,
        connections=_PACED_CONNECTIONS,
    )
    each_s = wanted.seconds / 6 / wanted.rounds
    beside_s = max(1.0, each_s * (wanted.rounds + 1))
    faults: list[str] = []
    async with Generator(PacedLoad.connect, plan) as others:
        quiet_ms = [await _p99_ms(others, each_s, faults) for _ in range(wanted.rounds + 1)]
        # In one run: whoever is cut off at the end of a round still waits for its turn at the hashes, before the next.
        told, beside_ms = await asyncio.gather(
            load.run(math.ceil(beside_s)), _p99s_ms(others, beside_s, wanted.rounds + 1, faults)
        )
    failed = told.refused + told.broken
    faults += [f"{failed} sign-ins were refused or not answered"] * (failed > 0)
    faults += ["no sign-in was answered"] * (told.requests == 0)
    await ask_all(server.http, "sign-ins that wait no more", [sign_ins[0].encode()])
    per_s = round(told.requests / told.seconds, 1)
    say(f"sign-ins: {per_s:,.1f}/s")
    figures = {
        "logins": told.requests,
        "logins_per_s": per_s,
        "login_p50_ms": told.p50_ms,
        "login_p99_ms": told.p99_ms,
        "others_p99_ms": round(median(beside_ms[1:]), 3),
        "others_alone_p99_ms": round(median(quiet_ms[1:]), 3),
    }
    return _Beside(figures, faults)


async def _p99s_ms(others: Generator, seconds: float, rounds: int, faults: list[str]) -> list[float]:
    return [await _p99_ms(others, seconds / rounds, faults) for _ in range(rounds)]


async def _p99_ms(others: Generator, seconds: float, faults: list[str]) -> float:
    await others.round(seconds)
    tally = await others.tally()
    faults += tally.faults[:_FAULTS_MAX]
    return 1e3 * percentile(sorted(tally.latencies_s), 0.99)


def _figures(rounds: WrkRounds) -> dict[str, Any]:
    over_rounds = spans(rounds.measured, rate="http_verified_per_s")
    return {name: median(values) for name, values in over_rounds.items()} | cpu_us(rounds.measured, "request")
