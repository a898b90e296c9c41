"""Nearby queries in a city of a hundred thousand or a million: inside the process, and over HTTP at a rate."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from time import thread_time_ns
from typing import Any, cast
from uuid import UUID

import numpy as np
from msgspec import Struct

from bench import crowd
from bench.load.paced import PacedLoad, PacedPlan
from bench.load.process import Generator
from bench.machine import machine, rss_mb
from bench.players import ask_all, fix_request, sign_in
from bench.prove.outcome import percentile, say
from bench.report import Report
from bench.rounds import Rounds, cpu_us, measure, spans
from bench.servers import ServerProcess
from overworld.client.raw_http import request
from overworld.domains.world.engine.engine import warm
from overworld.domains.world.service import World
from overworld.domains.world.types import WorldSettings
from overworld.domains.world.wiring import build
from overworld.geo.columns import F64
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Scope

RADIUS_M = 1_000.0
LIMIT = 50
PLAYERS_MAX = 2_000_000
_VIEWERS_MAX = 1_000
_CONNECTIONS = 64
_QUERIES = 2_000
_WARM_QUERIES = 200
_MIXED = "mixed"
_PLAYERS = "players"
ENVIRONMENT = {
    "OVERWORLD_WORLD__FIX_KEPT_S": "3600",  # nobody of the crowd moves again
    "OVERWORLD_WORLD__PLAYERS_MAX": str(PLAYERS_MAX),
}


class Dense(Struct, frozen=True, kw_only=True):
    """What was asked for. `paths` are the kinds of queries, up to the question mark and the types."""

    entities: int
    per_s: float
    seconds: float
    rounds: int
    seed: int
    database: str | None
    paths: dict[str, str]


async def measure_dense(wanted: Dense, folder: Path) -> Report:
    """Fills a world in this process and asks it, then a server's and asks that."""
    lat_deg, lng_deg = crowd.city(wanted.entities, seed=wanted.seed)
    say(f"a world of {wanted.entities:,} in this process")
    inside = await in_process(lat_deg, lng_deg, rounds=wanted.rounds, seed=wanted.seed)
    say("starting a server with as many")
    server = ServerProcess(
        folder / "data",
        dsn=wanted.database,
        environment=ENVIRONMENT,
        program=(sys.executable, "-m", "bench.load.crowded", str(wanted.entities), str(wanted.seed)),
    )
    async with server:
        requests = await viewers(server, wanted.entities, wanted.seed, wanted.paths)
        rounds = {
            kind: await _paced(wanted, server, requests[kind], seconds=wanted.seconds / 2)
            for kind in (_PLAYERS, _MIXED)
        }
        measured = rounds[_MIXED].measured
        return Report(
            benchmark="nearby",
            spans=spans(measured, rate="requests_per_s") | {"p95_ms": p95_ms(rounds[_MIXED])},
            cpu=[one.cpu for kind in rounds.values() for one in kind.measured],
            rss_mb=rss_mb(server),
            machine=await machine(server.dsn),
            settings={
                "entities": wanted.entities,
                "rate": wanted.per_s,
                "radius_m": RADIUS_M,
                "limit": LIMIT,
                "seconds": wanted.seconds,
                "loop": "open",
                "database": "given" if wanted.database else "embedded",
            },
            figures={f"{kind}_over_http": _figures(rounds[kind]) for kind in rounds} | inside,
            faults=[fault for kind in rounds.values() for tally in kind.tallies for fault in tally.faults],
        )


async def in_process(lat_deg: F64, lng_deg: F64, *, rounds: int, seed: int) -> dict[str, Any]:
    """Figures of a world in this process: of the engine's search alone, and of the world's whole answer; medians.

    They are processor time, so that what others do on the machine is not in them.
    """
    world = world_of(lat_deg, lng_deg, seed=seed)
    asked = np.random.default_rng(seed).integers(0, lat_deg.size, _WARM_QUERIES + rounds * _QUERIES)
    places = list(zip(lat_deg[asked].tolist(), lng_deg[asked].tolist(), strict=True))
    viewer, scopes = UUID(int=0), frozenset({Scope.WORLD_READ})

    async def whole(lat: float, lng: float) -> None:
        await world.nearby(
            viewer_id=viewer, scopes=scopes, lat_deg=lat, lng_deg=lng, radius_m=RADIUS_M, limit=LIMIT + 1
        )

    async def search(lat: float, lng: float) -> None:
        world.engine.near(lat, lng, RADIUS_M, limit=LIMIT + 1)

    figures: dict[str, Any] = {}
    for name, ask in (("in_process", search), ("in_process_whole", whole)):
        for place in places[:_WARM_QUERIES]:
            await ask(*place)
        took_ms: list[list[float]] = []
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        for first in range(_WARM_QUERIES, len(places), _QUERIES):
            took_ms.append([])
            for place in places[first : first + _QUERIES]:
                begun_ns = thread_time_ns()
                await ask(*place)
                took_ms[-1].append((thread_time_ns() - begun_ns) / 1e6)
        gc.enable()
        gc.unfreeze()
        for share in (50, 99):
            of_rounds = [percentile(one, share / 100) for one in took_ms]
            figures[f"{name}_p{share}_ms"] = round(float(np.median(of_rounds)), 4)
    return figures


def world_of(lat_deg: F64, lng_deg: F64, *, seed: int) -> World:
    """A world of this process, without a database, with somebody at each place."""
    settings = WorldSettings(players_max=PLAYERS_MAX)
    warm(settings)
    clock = SystemClock()
    nothing_kept = cast(Any, None)
    world = build(
        database=nothing_kept, clock=clock, outbox=nothing_kept, audit=nothing_kept, settings=settings
    ).service
    crowd.fill(world, lat_deg, lng_deg, now_us=clock.now_us(), seed=seed)
    return world


async def viewers(server: ServerProcess, entities: int, seed: int, paths: dict[str, str]) -> dict[str, list[bytes]]:
    """Signs players in and puts them among the crowd; gives their requests of each kind, and of all by turns."""
    lat_deg, lng_deg = crowd.city(entities, seed=seed)
    seats = await sign_in(server.http, min(_VIEWERS_MAX, entities))
    chosen = np.random.default_rng(seed).integers(0, entities, len(seats))
    places = list(zip(lat_deg[chosen].tolist(), lng_deg[chosen].tolist(), strict=True))
    fixes = [fix_request(seat, lat, lng).encode() for seat, (lat, lng) in zip(seats, places, strict=True)]
    for verdict in await ask_all(server.http, "players placed", fixes):
        if b'"accepted":true' not in verdict:
            raise RuntimeError(f"a fix was answered {verdict!r}")

    def asked(path: str) -> list[bytes]:
        queries = [f"lat={lat:.6f}&lng={lng:.6f}&radius_m={RADIUS_M:.0f}&limit={LIMIT}" for lat, lng in places]
        return [
            request("GET", f"{path}{query}", token=seat.token).encode()
            for seat, query in zip(seats, queries, strict=True)
        ]

    kinds = {kind: asked(path) for kind, path in paths.items()}
    return kinds | {_MIXED: [one for turn in zip(*kinds.values(), strict=True) for one in turn]}


async def _paced(wanted: Dense, server: ServerProcess, requests: Sequence[bytes], *, seconds: float) -> Rounds:
    plan = PacedPlan(url=server.http, requests=requests, per_s=wanted.per_s, connections=_CONNECTIONS)
    async with Generator(PacedLoad.connect, plan) as generator:
        return await measure(
            generator, server, unit="requests", rounds=wanted.rounds, seconds=seconds, guess_per_s=wanted.per_s
        )


def p95_ms(rounds: Rounds) -> list[float]:
    """The latency within which 95 % were answered, of each measured round; the first tally is the warm-up's."""
    return [round(1e3 * percentile(tally.latencies_s, 0.95), 3) for tally in rounds.tallies[1:]]


def _figures(rounds: Rounds) -> dict[str, Any]:
    over_rounds = spans(rounds.measured, rate="requests_per_s") | {"p95_ms": p95_ms(rounds)}
    return {name: float(np.median(values)) for name, values in over_rounds.items()} | cpu_us(rounds.measured, "request")
