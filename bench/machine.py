"""What a figure was measured on, and who used the processors meanwhile."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Protocol

import asyncpg
import psutil
from msgspec import Struct

_ROOT = Path(__file__).parents[1]
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")
_SUPERVISION = {"sh", "postgres"}


class Machine(Struct, frozen=True):
    """Where it ran, and on what."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    postgres: str = ""
    commit: str = ""


class CpuUse(Struct, frozen=True):
    """Cores busy on average, by whom. `others` is what the machine was busy with beyond us, stolen time included."""

    seconds: float
    server: float
    postgres: float
    generator: float
    others: float
    cores: int

    @property
    def others_share(self) -> float:
        """What others took, as a share of the whole machine."""
        return self.others / self.cores


def mean_cores(used: Sequence[CpuUse]) -> dict[str, float]:
    """Cores busy by whom, on average over the rounds."""
    names = ("server", "postgres", "generator", "others")
    return {name: round(fmean(getattr(one, name) for one in used), 2) for name in names}


class Running(Protocol):
    """A server whose processor time is measured."""

    @property
    def family(self) -> list[psutil.Process]:
        """The server's process first, then what it has started."""
        ...


class Meter:
    """Adds up processor time from one reading to the next.

    Ours are this process and all that descends from it: the server, what the server started (PostgreSQL), and the
    generators, which whatever has ended is counted with. A PostgreSQL that was given by DSN counts as others. Without a
    server this process is what is measured. The first `servers` of a family are servers.
    """

    def __init__(self, server: Running | None, *, servers: int = 1) -> None:
        self._server = server
        self._servers = servers
        self._at_s = perf_counter()
        self._before = self._reading()

    def stop(self) -> CpuUse:
        """What was used since this was made."""
        now = self._reading()
        seconds = perf_counter() - self._at_s
        busy, server, postgres, generator = (
            (after - before) / seconds for before, after in zip(self._before, now, strict=True)
        )
        others = max(0.0, busy - server - postgres - generator)
        return CpuUse(seconds, server, postgres, generator, others, _cores())

    def _reading(self) -> tuple[float, float, float, float]:
        mine = psutil.Process()
        family = [mine] if self._server is None else self._server.family
        rest = [one for one in (mine, *mine.children(recursive=True)) if one not in family]
        times = psutil.cpu_times()
        busy = sum(getattr(times, name, 0.0) for name in _BUSY)
        heads, started = family[: self._servers], family[self._servers :]
        return busy, _cpu_s(*heads), _cpu_s(*started), _cpu_s(*rest)


def rss_mb(server: Running | None) -> float:
    """Resident memory of the server's own processes, PostgreSQL and its supervisor left out, in 10**6 bytes.

    Without a server, of this process.
    """
    family = [psutil.Process()] if server is None else server.family
    own = [process for process in family if process.name() not in _SUPERVISION]
    return round(sum(int(process.memory_info().rss) for process in own) / 1e6, 1)


def _cores() -> int:
    """How many processors the machine has."""
    return int(psutil.cpu_count())


async def machine(dsn: str | None) -> Machine:
    """What this is, and which PostgreSQL is behind the DSN, if any."""
    version = "" if dsn is None else await _postgres(dsn)
    return Machine(
        cpu=_cpu_model(),
        cores=_cores(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgres=version,
        commit=_commit(),
    )


async def _postgres(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        version: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return version


def _cpu_s(*processes: psutil.Process) -> float:
    """Processor time of processes and of their children that have ended; those that are gone count nothing."""
    total_s: float = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total_s += times.user + times.system + times.children_user + times.children_system
    return total_s


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _commit() -> str:
    """The commit of the checkout, with a plus when files differ from it; empty where there is none."""
    try:
        said = [
            subprocess.run(  # noqa: S603 - fixed words
                ["git", "-c", "safe.directory=*", *words],  # noqa: S607 - whichever git is there
                cwd=_ROOT, capture_output=True, text=True, check=True,
            ).stdout.strip()
            for words in (["rev-parse", "--short=12", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said[0] + "+" * bool(said[1])
