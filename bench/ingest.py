"""Events a second into the raw log by HTTP: in compressed batches over one server, one by one over two."""

from __future__ import annotations

import asyncio
import gzip
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec
import zstandard
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report, wrk
from bench.auth import Both
from bench.machine import Meter, Running, machine, rss_mb
from bench.players import new_devices, sign_in_devices
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, Round, RoundCount, Seconds, cpu_us, spans
from bench.servers import ServerProcess, free_ports
from bench.wrk import Wrk, write_requests
from overworld.client.raw_http import Cut, HttpLine, request

PLAYERS = 300_000
_TOPICS = 20
_BODIES = 200
_ACCEPTED = 202
_FAULTS_MAX = 5

Packing = Literal["zstd", "gzip", "none"]
Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
BatchSize = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    seconds: float
    rounds: int
    connections: int
    size: int = 1
    packing: Packing = "none"
    processing: bool = False


def ingest(
    *,
    size: BatchSize = 500,
    packing: Packing = "zstd",
    connections: Connections = 16,
    processing: Annotated[bool, Parameter(negative=())] = False,
    seconds: Seconds = 20,
    rounds: RoundCount = 5,
    json: Json = False,
) -> int:
    """Events a second over HTTP, acknowledged and durable: batches of 500, compressed, over one server.

    A closed loop of keep-alive connections sends batches as a game's servers would, with an ingest key: 20 kinds of
    events of 300,000 players, 320 bytes of JSON each. In the end the rows of the raw log are counted: every event that
    was acknowledged has to be there. Server, PostgreSQL (which syncs every commit) and generator share this machine.

    Parameters
    ----------
    size
        Events of a batch.
    packing
        How bodies are compressed.
    connections
        Connections, each with one request under way.
    processing
        Let the server's processor make columns of the events meanwhile. Else they wait in the log.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(
        size=size, packing=packing, connections=connections, processing=processing, seconds=seconds, rounds=rounds
    )
    return report.run(partial(_measure_batches, wanted), json=json)


def ingest_single(
    *, connections: Connections = 128, seconds: Seconds = 20, rounds: RoundCount = 5, json: Json = False
) -> int:
    """One event a request, acknowledged and durable, by wrk over two servers on one port.

    Events are those of 1,000 players with tokens of their own. All that come while a commit is under way go into the
    next one. In the end the rows of the raw log are counted.

    Parameters
    ----------
    connections
        Connections of wrk, each with one request under way.
    seconds
        Measured time, all rounds together; a round takes at least one.
    rounds
        Rounds after the warm-up.
    json
        Print the line of JSON alone.
    """
    if not wrk.is_there():
        return wrk.without()
    wanted = _Wanted(connections=connections, seconds=seconds, rounds=rounds)
    return report.run(partial(_measure_single, wanted), json=json)


def made_events(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Events as a game's clients send them, each with an id of its own."""
    dice = random.Random(seed)
    now_s = time.time()
    return [
        {
            "event": f"topic_{int(dice.triangular(0, _TOPICS, 0))}",
            "event_id": str(UUID(int=dice.getrandbits(128))),
            "player_id": str(UUID(int=dice.randrange(PLAYERS) + (0xC0FFEE << 96))),
            "session_id": f"s{dice.randrange(PLAYERS)}",
            "timestamp": datetime.fromtimestamp(now_s - dice.random() * 5, UTC).isoformat(),
            "properties": {
                "lat_deg": round(dice.uniform(-60, 60), 5),
                "lng_deg": round(dice.uniform(-180, 180), 5),
                "value": dice.randrange(1_000),
                "level": dice.randrange(40),
                "screen": dice.choice(("map", "shop", "quests")),
                "os": "ios",
            },
        }
        for _ in range(count)
    ]


def packed(body: bytes, packing: Packing) -> bytes:
    """A body as it goes over the wire."""
    if packing == "zstd":
        return zstandard.compress(body)
    return gzip.compress(body, 6) if packing == "gzip" else body


async def ingest_key(server: ServerProcess) -> str:
    """An ingest key of an account that is made for it."""
    (device,) = new_devices(1)
    (seat,) = await sign_in_devices(server.http, [device])
    database = await asyncpg.connect(server.dsn)
    try:
        await database.execute("UPDATE accounts.account SET role = 'admin' WHERE id = $1", seat.id)
    finally:
        await database.close()
    (seat,) = await sign_in_devices(server.http, [device])
    line = await HttpLine.connect(server.http)
    wanted = request("POST", "/v1/admin/keys", token=seat.token, body='{"name":"bench","scopes":["telemetry.write"]}')
    status, body = await line.ask(wanted.encode())
    line.close()
    if status != 201:
        raise RuntimeError(f"no key was made: {status} {body[:300]!r}")
    key: str = msgspec.json.decode(body)["secret"]
    return key


async def _measure_batches(wanted: _Wanted, folder: Path) -> Report:
    say("making bodies")
    bodies = [
        packed(msgspec.json.encode({"events": made_events(wanted.size, seed=seed)}), wanted.packing)
        for seed in range(_BODIES)
    ]
    environment = {"OVERWORLD_TELEMETRY__PROCESS": "true" if wanted.processing else "false"}
    async with ServerProcess(folder / "1", environment=environment) as server:
        key = await ingest_key(server)
        head = f"POST /v1/events/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        requests = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        measured, sent, faults = await _batches(wanted, server, requests)
        counted = await _events_kept(server.dsn)
        if counted != sent:
            faults.append(f"{sent} events were acknowledged and {counted} are in the log")
        return Report(
            benchmark="ingest",
            spans=spans(measured, rate="events_per_s"),
            cpu=[one.cpu for one in measured],
            rss_mb=rss_mb(server),
            machine=await machine(server.dsn),
            settings={
                "batch": wanted.size,
                "packing": wanted.packing,
                "body_bytes": round(median(map(len, bodies))),
                "connections": wanted.connections,
                "processing": wanted.processing,
            },
            figures=cpu_us(measured, "event"),
            faults=faults[:_FAULTS_MAX],
        )


async def _batches(wanted: _Wanted, server: Running, requests: Sequence[bytes]) -> tuple[list[Round], int, list[str]]:
    """The rounds, how many events were acknowledged in all, and what went wrong."""
    url = server.http  # type: ignore[attr-defined]
    lines = [await HttpLine.connect(url) for _ in range(wanted.connections)]
    measured: list[Round] = []
    faults: list[str] = []
    acknowledged = 0
    each_s = wanted.seconds / wanted.rounds
    with Steps("rounds", wanted.rounds) as steps:
        for i in range(wanted.rounds + 1):
            meter = Meter(server)
            begun_s = time.perf_counter()
            latencies_s = sorted(await _closed_loop(lines, requests, until_s=begun_s + each_s, faults=faults))
            took_s = time.perf_counter() - begun_s
            events = len(latencies_s) * wanted.size
            acknowledged += events
            if i:
                per_s = round(events / took_s, 1)
                p50_ms, p99_ms = (round(1e3 * percentile(latencies_s, q), 3) for q in (0.5, 0.99))
                measured.append(Round(per_s, p50_ms, p99_ms, events, meter.stop()))
                steps.done(f"{per_s:,.0f} events/s, P99 {p99_ms:.1f} ms")
    for line in lines:
        line.close()
    return measured, acknowledged, faults


async def _closed_loop(
    lines: Sequence[HttpLine], requests: Sequence[bytes], *, until_s: float, faults: list[str]
) -> list[float]:
    latencies_s: list[float] = []

    async def ask(number: int, line: HttpLine) -> None:
        i = number * 7
        while (begun_s := time.perf_counter()) < until_s:
            try:
                status, body = await line.ask(requests[i % len(requests)])
            except Cut:
                faults.append("a connection was cut")
                return
            if status != _ACCEPTED:
                faults.append(f"{status} {body[:200]!r}")
                return
            latencies_s.append(time.perf_counter() - begun_s)
            i += 1

    await asyncio.gather(*(ask(number, line) for number, line in enumerate(lines)))
    return latencies_s


async def _measure_single(wanted: _Wanted, folder: Path) -> Report:
    environment = {
        "OVERWORLD_HTTP__REUSE_PORT": "true",
        "OVERWORLD_TELEMETRY__PROCESS": "false",
        "OVERWORLD_TELEMETRY__PLAYER_EVENTS_PER_MIN": "10000000",
    }
    port = free_ports()[0]
    async with AsyncExitStack() as stack:
        say("starting a server")
        first = ServerProcess(folder / "1", ports=(port, 0, 0), environment=environment)
        await stack.enter_async_context(first)
        seats = await sign_in_devices(first.http, new_devices(1_000))
        say("starting another on the same port")
        second = ServerProcess(folder / "2", dsn=first.dsn, migrate=False, ports=(port, 0, 0), environment=environment)
        await stack.enter_async_context(second)
        file = folder / "events"
        events = made_events(len(seats), seed=1)
        write_requests(
            file,
            [
                request("POST", "/v1/events", token=seat.token, body=msgspec.json.encode(event).decode())
                for seat, event in zip(seats, events, strict=True)
            ],
        )
        both = Both([first, second])
        told = await wrk.measure(
            Wrk(first.http, file, wanted.connections),
            both,
            what="one event a request",
            rounds=wanted.rounds,
            seconds=wanted.seconds,
            servers=2,
        )
        counted = await _events_kept(first.dsn)
        done = sum(one.done for one in told.measured)
        faults = [*told.faults]
        if counted < done:
            faults.append(f"{done} events were acknowledged and {counted} are in the log")
        return Report(
            benchmark="ingest-single",
            spans=spans(told.measured, rate="requests_per_s"),
            cpu=[one.cpu for one in told.measured],
            rss_mb=max(rss_mb(Both([server])) for server in (first, second)),
            machine=await machine(first.dsn),
            settings={"connections": wanted.connections, "servers": 2, "players": len(seats)},
            figures={**cpu_us(told.measured, "request"), "events_a_row": await _events_a_row(first.dsn)},
            faults=faults,
        )


async def _events_kept(dsn: str) -> int:
    database = await asyncpg.connect(dsn)
    try:
        return int(await database.fetchval("SELECT coalesce(sum(events), 0) FROM telemetry.raw"))
    finally:
        await database.close()


async def _events_a_row(dsn: str) -> float:
    database = await asyncpg.connect(dsn)
    try:
        return round(float(await database.fetchval("SELECT avg(events) FROM telemetry.raw")), 1)
    finally:
        await database.close()
