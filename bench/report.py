"""What a benchmark tells: figures with their units for people, and one line of JSON for programs."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from bench.machine import CpuUse, Machine, mean_cores
from bench.prove.outcome import say

OTHERS_SHARE_MAX = 0.20
_FAULTS_SHOWN_MAX = 20
_UNITS = {"_per_s": "/s", "_ms": ", ms", "_s": ", s", "_us": ", us"}


class Report(Struct, frozen=True, kw_only=True):
    """What came of a benchmark. `spans` has each figure over the rounds, `cpu` who used the processors in them.

    `figures` and `settings` go into the JSON as they are. A benchmark with `faults` did not hold what it checks, and
    its figures say nothing.
    """

    benchmark: str
    spans: dict[str, list[float]]
    cpu: Sequence[CpuUse]
    rss_mb: float
    machine: Machine
    settings: dict[str, Any]
    figures: dict[str, Any]
    faults: Sequence[str] = ()


def run(
    measure: Callable[[Path], Coroutine[Any, Any, Report]],
    *,
    json: bool,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Measures in a folder of its own, tells, and gives the exit code. With `json` only the line of JSON is printed.

    What is said on the way then goes to standard error. A signal to end leaves no server behind. What is measured
    inside this process gives the event loop that servers have.
    """
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell that puts us into the background has SIGINT ignored
        signal.signal(ending, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="overworld-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        with redirect_stdout(sys.stderr) if json else nullcontext():
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                report = runner.run(measure(Path(folder)))
            tell(report)
    sys.stdout.write(f"{line_of(report)}\n")
    return 1 if report.faults else 0


def line_of(report: Report) -> str:
    """The report as one line of JSON."""
    told = {
        "benchmark": report.benchmark,
        **{name: round(median(values), 3) for name, values in report.spans.items()},
        "rss_mb": report.rss_mb,
        **report.figures,
        "min": {name: min(values) for name, values in report.spans.items()},
        "max": {name: max(values) for name, values in report.spans.items()},
        "rounds": _rounds(report),
        "cpu_cores": mean_cores(report.cpu),
        "cpu_others_share": round(_others_share(report), 3),
        "settings": report.settings,
        "machine": report.machine,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": _warnings(report),
        "faults": report.faults,
    }
    return msgspec.json.encode(told).decode()


def tell(report: Report) -> None:
    """Prints the figures with their units."""
    say(f"{report.benchmark}: median of {_rounds(report)} rounds (least to most)")
    for name, values in report.spans.items():
        _tell(name, _spread(values))
    _tell("server's memory", f"{report.rss_mb:,.0f} MB resident, PostgreSQL not counted")
    _tell("cores busy", ", ".join(f"{name} {value:.2f}" for name, value in mean_cores(report.cpu).items()))
    for name, value in (report.figures | report.settings).items():
        parts = value.items() if isinstance(value, dict) else ()
        _tell(name, ", ".join(f"{part} {amount}" for part, amount in parts) or str(value))
    where = report.machine
    _tell("machine", f"{where.cpu}, {where.cores} cores, {where.memory_gb:.0f} GB, {where.kernel}")
    postgres = f"PostgreSQL {where.postgres}, " * bool(where.postgres)
    _tell("software", f"Python {where.python}, {postgres}commit {where.commit or 'unknown'}")
    for warning in _warnings(report):
        say(f"WARNING: {warning}")
    for fault in report.faults[:_FAULTS_SHOWN_MAX]:
        say(f"FAULT: {fault}")


def _rounds(report: Report) -> int:
    return len(next(iter(report.spans.values())))


def _others_share(report: Report) -> float:
    return max(used.others_share for used in report.cpu)


def _warnings(report: Report) -> list[str]:
    """What a reader has to know before believing the figures."""
    share = _others_share(report)
    busy = f"other processes took up to {share:.0%} of this machine in a round: read the figures as floors"
    return [busy] * (share > OTHERS_SHARE_MAX)


def _tell(name: str, value: str) -> None:
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            name = f"{name.removesuffix(ending).replace('_', ' ')}{unit}"
            break
    say(f"  {name.replace('_', ' '):<28}{value}")


def _spread(values: Sequence[float]) -> str:
    low, middle, high = (
        f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}" for value in (min(values), median(values), max(values))
    )
    return f"{middle} ({low} to {high})"
