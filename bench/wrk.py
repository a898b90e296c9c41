"""`wrk`, the HTTP load generator of Debian's package of that name: closed loop, one thread."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.machine import Meter, Running
from bench.prove.outcome import Steps
from bench.rounds import WARM_UP_S_MAX, Round

_NEED = Path(__file__).parents[1] / "script" / "need"
_SCRIPT = Path(__file__).parent / "load" / "wrk.lua"
_STEPS_OF_A_ROUND_MAX = 100_000
_SPARE_S = 30


class Told(Struct, frozen=True):
    """What wrk tells of one run. `refused` are answers of 400 and above, `broken` those that never came."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int


class Wrk(Struct, frozen=True):
    """Requests in a file, and how many connections send them."""

    url: str
    requests: Path
    connections: int

    async def run(self, seconds: float, *, first_step: int = 0) -> Told:
        """Sends for so long; whole seconds are the least that wrk knows. Raises: RuntimeError when wrk fails."""
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{max(1, round(seconds))}s", f"-s{_SCRIPT}", self.url]
        process = await asyncio.create_subprocess_exec(
            *command, "--", str(self.requests), str(first_step), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            async with asyncio.timeout(seconds + _SPARE_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            return msgspec.json.decode(out.splitlines()[-1], type=Told)
        except (IndexError, msgspec.DecodeError) as error:
            raise RuntimeError(f"wrk failed: {err.decode()[-500:] or out.decode()[-500:]}") from error


class WrkRounds(Struct, frozen=True):
    """Measured rounds of wrk, and what was wrong in any of them, the warm-up included."""

    measured: list[Round]
    faults: list[str]


def is_there() -> bool:
    """Whether wrk can be run, installing it where this user may; when not, says that the benchmark is skipped."""
    if shutil.which("wrk") or subprocess.run([_NEED, "wrk"], check=False).returncode == 0:  # noqa: S603 - our own
        return True
    sys.stderr.write("skipped: this benchmark needs wrk\n")
    return False


def without() -> int:
    """The exit code of a benchmark that was skipped for want of wrk: in CI that is a failure."""
    return 1 if os.environ.get("CI") == "true" else 0


def write_requests(path: Path, requests: Sequence[str]) -> None:
    """Writes whole requests as the script reads them."""
    path.write_text("".join(f"{one}\n".replace("\r\n", "\\r\\n") for one in requests))


async def measure(wrk: Wrk, server: Running, *, what: str, rounds: int, seconds: float, servers: int = 1) -> WrkRounds:
    """Warms up, then measures so many rounds in `seconds` of all."""
    each_s = seconds / rounds
    told = [await wrk.run(min(each_s, WARM_UP_S_MAX))]
    measured: list[Round] = []
    with Steps(f"{what}: rounds", rounds) as steps:
        for i in range(rounds):
            meter = Meter(server, servers=servers)
            one = await wrk.run(each_s, first_step=(i + 1) * _STEPS_OF_A_ROUND_MAX)
            per_s = round(one.requests / one.seconds, 1)
            measured.append(Round(per_s, one.p50_ms, one.p99_ms, one.requests, meter.stop()))
            told.append(one)
            steps.done(f"{per_s:,.0f} requests/s")
    refused, broken = (sum(getattr(one, name) for one in told) for name in ("refused", "broken"))
    faults = [f"{what}: {refused} requests were refused"] * (refused > 0)
    faults += [f"{what}: {broken} requests were not answered"] * (broken > 0)
    return WrkRounds(measured, faults)
