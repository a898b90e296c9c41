"""The same work on servers that others have made: Redis with its GEO commands, and Tile38."""

from __future__ import annotations

import asyncio
import csv
import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Annotated, Any, Self

import psutil
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import crowd, report
from bench.dense import ENVIRONMENT, LIMIT, RADIUS_M, p95_ms, viewers
from bench.load.fixes import FixesLoad, FixesPlan
from bench.load.paced import PacedLoad, PacedPlan
from bench.load.process import Generator
from bench.load.resp import KEY, RespLine, UpdatesLoad, UpdatesPlan, found, search, update
from bench.machine import Running, machine, rss_mb
from bench.players import sign_in
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from bench.servers import ServerProcess

BATCH = 8
_NEED = Path(__file__).parents[1] / "script" / "need"
_GUESS_PER_S = 60_000
_START_S = 20.0
_POLL_S = 0.05
_FILLED_AT_ONCE = 1_000
_DIFFERENT = (
    "theirs check no rule of movement, no clock and no account, tell nobody who watches, round no place and write no "
    "event; ours does all that, reads JSON, and answers every eighth fix. Searches of ours go over HTTP with a token"
)

Entities = Annotated[int, Parameter(validator=Number(gte=100, lte=1_000_000))]
Connections = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=1, lte=10_000))]


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    entities: int
    connections: int
    per_s: float
    seconds: float
    rounds: int
    seed: int
    tile38: Path | None


class Peer(Struct, frozen=True):
    """A server of others: its command but for the port and the folder, and the words it knows."""

    name: str
    command: tuple[str, ...]
    update: str
    search: str


class Measured(Struct, frozen=True):
    """What one server did: updates as fast as they are answered, searches at a rate."""

    updates: Rounds
    searches: Rounds
    rss_mb: float


class PeerProcess:
    """A server of others, on a free port, that keeps nothing on disk. Use it as a context manager."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self._peer = peer
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def family(self) -> list[psutil.Process]:
        """Its process, as long as it runs."""
        running = self._process is not None and self._process.poll() is None
        return [psutil.Process(self._process.pid)] if running and self._process else []

    async def __aenter__(self) -> Self:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        words = [word.format(port=self.port, folder=self._folder) for word in self._peer.command]
        self._folder.mkdir()
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
        try:
            async with asyncio.timeout(_START_S):
                while self.family and not await self._answers():  # noqa: ASYNC110 - another process tells no event
                    await asyncio.sleep(_POLL_S)
        except BaseException:
            self._process.kill()
            raise
        if not self.family:
            raise RuntimeError(f"{self._peer.name} ended with {self._process.returncode}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)

    async def _answers(self) -> bool:
        try:
            line = await RespLine.connect(self.url)
        except OSError:
            return False
        line.close()
        return True


def redis() -> Peer:
    """Redis, in memory only."""
    words = ("--bind", "127.0.0.1", "--port", "{port}", "--dir", "{folder}", "--save", "", "--appendonly", "no")
    return Peer("redis", ("redis-server", *words), "GEOADD", "GEOSEARCH")


def tile38(path: Path) -> Peer:
    """Tile38, in memory only."""
    words = ("-h", "127.0.0.1", "-p", "{port}", "-d", "{folder}", "--appendonly", "no")
    return Peer("tile38", (str(path), *words), "SET", "NEARBY")


def peers(
    *,
    entities: Entities = 100_000,
    connections: Connections = 50,
    rate: Rate = 500,
    seconds: Seconds = 30,
    rounds: RoundCount = 5,
    seed: int = 1,
    tile38: Path | None = None,
    json: Json = False,
) -> int:
    """Updates and nearby searches of Redis GEO and Tile38 beside ours, in one run, as ratios.

    Updates are pipelined, eight at a time over each connection; searches (1 km, the 50 nearest) come at a rate.

    Parameters
    ----------
    entities
        Who stands in the city that is searched, in each server.
    connections
        Connections that send updates, in each server.
    rate
        Searches a second.
    seconds
        Measured time, all servers and rounds together.
    rounds
        Rounds of each kind, after a warm-up.
    seed
        Of where the crowd stands.
    tile38
        Where a `tile38-server` is, to compare with it too.
    json
        Print the line of JSON alone.
    """
    if not shutil.which("redis-server") and subprocess.run([_NEED, "redis-server"], check=False).returncode != 0:  # noqa: S603 - our own
        sys.stderr.write("skipped: this benchmark needs redis-server\n")
        return 1 if os.environ.get("CI") == "true" else 0
    wanted = Wanted(
        entities=entities, connections=connections, per_s=rate, seconds=seconds, rounds=rounds, seed=seed,
        tile38=tile38,
    )  # fmt: skip
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: Wanted, folder: Path) -> Report:
    others = [redis(), *([tile38(wanted.tile38)] if wanted.tile38 else [])]
    each_s = wanted.seconds / (1 + len(others)) / 2
    server = ServerProcess(
        folder / "data",
        environment=ENVIRONMENT,
        program=(sys.executable, "-m", "bench.load.crowded", str(wanted.entities), str(wanted.seed)),
    )
    say("overworld")
    async with server:
        ours = await _ours(wanted, server, seconds=each_s)
        where = await machine(server.dsn)
    theirs: dict[str, Measured] = {}
    said: dict[str, Any] = {}
    for peer in others:
        say(peer.name)
        async with PeerProcess(peer, folder / peer.name) as process:
            theirs[peer.name] = await _theirs(wanted, peer, process, seconds=each_s)
            if peer.name == "redis":
                said |= await _second_opinion(wanted, process)
    everything = {"overworld": ours, **theirs}
    return Report(
        benchmark="peers",
        spans=spans(ours.searches.measured, rate="searches_per_s") | {"p95_ms": p95_ms(ours.searches)},
        cpu=[one.cpu for each in everything.values() for one in (*each.updates.measured, *each.searches.measured)],
        rss_mb=ours.rss_mb,
        machine=where,
        settings={
            "entities": wanted.entities,
            "connections": wanted.connections,
            "rate": wanted.per_s,
            "seconds": wanted.seconds,
            "differs": _DIFFERENT,
        },
        figures={name: _figures(each) for name, each in everything.items()}
        | {f"ours_to_{name}": ratios(_figures(ours), _figures(each)) for name, each in theirs.items()}
        | said,
        faults=[
            f"{name}: {fault}"
            for name, each in everything.items()
            for rounds in (each.updates, each.searches)
            for tally in rounds.tallies
            for fault in tally.faults
        ],
    )


async def _ours(wanted: Wanted, server: ServerProcess, *, seconds: float) -> Measured:
    plan = FixesPlan(
        realtime=server.realtime,
        key=server.key,
        seats=await sign_in(server.http, wanted.connections),
        ack_every=BATCH,
        per_s=None,
    )
    async with Generator(FixesLoad.make, plan) as generator:
        updates = await _updates(wanted, generator, server, seconds=seconds)
    requests = await viewers(server, wanted.entities, wanted.seed, {"players": "/v1/location/nearby?types=player&"})
    whole = PacedPlan(url=server.http, requests=requests["players"], per_s=wanted.per_s, connections=wanted.connections)
    return Measured(updates, await _searches(wanted, whole, server, seconds=seconds), rss_mb(server))


async def _theirs(wanted: Wanted, peer: Peer, process: PeerProcess, *, seconds: float) -> Measured:
    lat_deg, lng_deg = crowd.city(wanted.entities, seed=wanted.seed)
    members = [
        (f"{i:032x}", lat, lng) for i, (lat, lng) in enumerate(zip(lat_deg.tolist(), lng_deg.tolist(), strict=True))
    ]
    searches = [
        search(peer.search, lat, lng, radius_m=RADIUS_M, limit=LIMIT)
        for _, lat, lng in members[:: max(1, len(members) // 1_000)]
    ]
    line = await RespLine.connect(process.url)
    for first in range(0, len(members), _FILLED_AT_ONCE):
        await line.ask(b"".join(update(peer.update, *member) for member in members[first : first + _FILLED_AT_ONCE]))
    if not 0 < len(found(peer.search, await line.ask(searches[0]))) <= LIMIT:
        raise RuntimeError(f"{peer.name} finds nobody, or too many")
    line.close()
    paced = PacedPlan(
        url=process.url, requests=searches, per_s=wanted.per_s, connections=wanted.connections, connect=RespLine.connect
    )
    at_rest = await _searches(wanted, paced, process, seconds=seconds)
    plan = UpdatesPlan(
        url=process.url, connections=wanted.connections, batch=BATCH, members=members, command=peer.update
    )
    async with Generator(UpdatesLoad.connect, plan) as generator:
        updates = await _updates(wanted, generator, process, seconds=seconds)
    return Measured(updates, at_rest, rss_mb(process))


async def _updates(wanted: Wanted, generator: Generator, server: Running, *, seconds: float) -> Rounds:
    return await measure(
        generator, server, unit="updates", rounds=wanted.rounds, seconds=seconds, guess_per_s=_GUESS_PER_S
    )


async def _searches(wanted: Wanted, plan: PacedPlan, server: Running, *, seconds: float) -> Rounds:
    async with Generator(PacedLoad.connect, plan) as generator:
        return await measure(
            generator, server, unit="searches", rounds=wanted.rounds, seconds=seconds, guess_per_s=wanted.per_s
        )


def _figures(of: Measured) -> dict[str, float]:
    updates, searches = spans(of.updates.measured, rate="per_s"), spans(of.searches.measured, rate="per_s")
    return {
        "updates_per_s": median(updates["per_s"]),
        "update_us": cpu_us(of.updates.measured, "update").get("server_update_us", 0.0),
        "search_p50_ms": median(searches["p50_ms"]),
        "search_p95_ms": median(p95_ms(of.searches)),
        "search_p99_ms": median(searches["p99_ms"]),
        "search_us": cpu_us(of.searches.measured, "search").get("server_search_us", 0.0),
        "rss_mb": of.rss_mb,
        "generator_cores": round(max(one.cpu.generator for one in of.updates.measured), 2),
    }


def ratios(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    """Ours divided by theirs, of each figure that theirs is not 0 of."""
    return {
        name: round(value / theirs[name], 3)
        for name, value in ours.items()
        if theirs[name] and name != "generator_cores"
    }


async def _second_opinion(wanted: Wanted, process: PeerProcess) -> dict[str, Any]:
    """What `redis-benchmark` says of the same updates; nothing where it is not installed."""
    if not shutil.which("redis-benchmark"):
        return {}
    words = ["-p", str(process.port), "-c", str(wanted.connections), "-P", str(BATCH), "-n", "200000", "--csv"]
    words += ["-r", str(wanted.entities), "GEOADD", KEY, "126.99", "37.55", "member:__rand_int__"]
    ran = await asyncio.create_subprocess_exec("redis-benchmark", *words, stdout=subprocess.PIPE)
    out, _ = await ran.communicate()
    rows = list(csv.DictReader(out.decode().splitlines()))
    return {"redis_benchmark": {"updates_per_s": float(rows[-1]["rps"])}}
