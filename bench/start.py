"""How long a start takes until the server is ready, the very first one too, and how long a clean stop."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct
from msgspec.structs import replace

from bench import report
from bench.machine import CpuUse, Machine, Meter, machine, rss_mb
from bench.prove.outcome import Steps, percentile
from bench.report import Report
from bench.rounds import Json, RoundCount
from bench.servers import ServerProcess

_START_S_MAX = 180.0
_WARM_MIN = 3

FirstRounds = Annotated[int, Parameter(validator=Number(gte=0, lte=10))]
Seconds = Annotated[float, Parameter(validator=Number(gte=0.1, lte=600))]


class _Started(Struct, frozen=True):
    """One start and stop."""

    start_s: float
    stop_s: float
    rss_mb: float
    cpu: CpuUse
    machine: Machine


def start(*, rounds: RoundCount = 5, first_rounds: FirstRounds = 3, seconds: Seconds = 120, json: Json = False) -> int:
    """How long a start takes until the server is ready, the very first one too, and how long a clean stop.

    A start lasts from running `overworld serve` to the first 200 of `/readyz`, which is asked every 20 ms; a stop from
    SIGTERM to the end of the process. A first start has no data folder, no compiled kernels and no bytecode of any
    package; a warm one has them all.

    Parameters
    ----------
    rounds
        Warm starts.
    first_rounds
        First starts, each in a folder of its own. With none, warm ones use the checkout's compiled kernels.
    seconds
        After so long no more rounds are begun, but for three warm ones.
    json
        Print the line of JSON alone.
    """
    return report.run(partial(_measure, rounds, first_rounds, seconds), json=json)


async def _measure(rounds: int, first_rounds: int, seconds: float, folder: Path) -> Report:
    until_s = perf_counter() + seconds
    first: list[_Started] = []
    with Steps("first starts", first_rounds) as steps:
        for i in range(first_rounds):
            if perf_counter() < until_s:
                first.append(await _started(folder / f"{i}", own_kernels=True))
                steps.done(f"{first[-1].start_s:.2f} s")
    if not first:
        await _started(folder / "0", own_kernels=False)
    warm: list[_Started] = []
    with Steps("warm starts", rounds) as steps:
        for _ in range(rounds):
            if len(warm) < _WARM_MIN or perf_counter() < until_s:
                warm.append(await _started(folder / "0", own_kernels=bool(first)))
                steps.done(f"{warm[-1].start_s:.2f} s")
    spans = {
        "start_s": [one.start_s for one in warm],
        "stop_s": [one.stop_s for one in warm],
        "start_stop_cpu_s": [one.cpu.server * one.cpu.seconds for one in warm],
    }
    if first:
        spans["first_start_s"] = [one.start_s for one in first]
    return Report(
        benchmark="start",
        spans={name: [round(value, 3) for value in values] for name, values in spans.items()},
        cpu=[one.cpu for one in first + warm],
        rss_mb=warm[-1].rss_mb,
        machine=warm[-1].machine,
        settings={"warm_rounds": len(warm), "first_rounds": len(first), "database": "embedded"},
        figures={
            "p50_ms": round(1e3 * median(spans["start_s"]), 1),
            "p99_ms": round(1e3 * percentile(spans["start_s"], 0.99), 1),
        },
    )


async def _started(home: Path, *, own_kernels: bool) -> _Started:
    """Starts a server and stops it. Its data, and what Python compiles, lie in `home`, and the kernels if so asked."""
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(home / "bytecode")}
    if own_kernels:
        environment["NUMBA_CACHE_DIR"] = str(home / "kernels")
    server = ServerProcess(home / "data", environment=environment)
    meter = Meter(server)
    began_s = perf_counter()
    try:
        await server.start(timeout_s=_START_S_MAX)
        ready_s = perf_counter()
        memory_mb, where = rss_mb(server), await machine(server.dsn)
        stopping_s = perf_counter()
        code = await server.stop()
        stopped_s = perf_counter()
    finally:
        await server.kill()
    if code != 0:
        raise RuntimeError(f"the server ended with {code}:\n{server.log_end()}")
    used = meter.stop()
    # A process that has ended is counted with the one that waited for it, which is us.
    ours = replace(used, server=used.generator, generator=0.0)
    return _Started(ready_s - began_s, stopped_s - stopping_s, memory_mb, ours, where)
