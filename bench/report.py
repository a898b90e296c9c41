"""What a benchmark tells: figures with their units for people, and one line of JSON for programs."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from msgspec import Struct

from bench.machine import Machine
from bench.prove.outcome import say
from bench.rounds import Round

OTHERS_SHARE_MAX = 0.20


class Report(Struct, frozen=True, kw_only=True):
    """What came of a benchmark. `figures` and `settings` go into the JSON as they are.

    A benchmark with `faults` did not hold what it checks, and its figures say nothing.
    """

    benchmark: str
    unit: str
    rounds: Sequence[Round]
    rss_mb: float
    machine: Machine
    settings: dict[str, Any]
    figures: dict[str, Any]
    warnings: Sequence[str] = ()
    faults: Sequence[str] = ()


def run(measure: Callable[[Path], Awaitable[Report]], *, json: bool) -> int:
    """Measures in a folder of its own, tells, and gives the exit code. With `json` only the line of JSON is printed.

    What is said on the way then goes to standard error.
    """
    with tempfile.TemporaryDirectory(prefix="overworld-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        with redirect_stdout(sys.stderr) if json else nullcontext():
            report = asyncio.run(measure(Path(folder)))
            tell(report)
    sys.stdout.write(f"{line_of(report)}\n")
    return 1 if report.faults else 0


def line_of(report: Report) -> str:
    """The report as one line of JSON."""
    rate = f"{report.unit}_per_s"
    spans = {
        name: [getattr(one, attribute) for one in report.rounds]
        for name, attribute in ((rate, "per_s"), ("p50_ms", "p50_ms"), ("p99_ms", "p99_ms"))
    }
    told = {
        "benchmark": report.benchmark,
        **{name: round(median(values), 3) for name, values in spans.items()},
        "rss_mb": report.rss_mb,
        **report.figures,
        "min": {name: min(values) for name, values in spans.items()},
        "max": {name: max(values) for name, values in spans.items()},
        "rounds": len(report.rounds),
        "cpu_cores": _mean_cpu(report.rounds),
        "cpu_others_share": round(max(one.cpu.others_share for one in report.rounds), 3),
        "settings": report.settings,
        "machine": report.machine,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": warnings_of(report),
        "faults": report.faults,
    }
    return msgspec.json.encode(told).decode()


def warnings_of(report: Report) -> list[str]:
    """What a reader has to know before believing the figures."""
    share = max(one.cpu.others_share for one in report.rounds)
    busy = f"other processes took up to {share:.0%} of this machine: read the figures as floors"
    return [*report.warnings, *([busy] if share > OTHERS_SHARE_MAX else [])]


def tell(report: Report) -> None:
    """Prints the figures with their units."""
    rounds, unit = report.rounds, report.unit
    say(f"{report.benchmark}: {len(rounds)} rounds, median (least to most)")
    say(f"  {f'{unit}/s':<24}{_spread([one.per_s for one in rounds], ',.0f')}")
    say(f"  {'p50':<24}{_spread([one.p50_ms for one in rounds], ',.2f', 'ms')}")
    say(f"  {'p99':<24}{_spread([one.p99_ms for one in rounds], ',.2f', 'ms')}")
    say(f"  {'server memory':<24}{report.rss_mb:,.0f} MB resident, PostgreSQL not counted")
    cpu = _mean_cpu(rounds)
    say(f"  {'cores busy':<24}{', '.join(f'{name} {value:.2f}' for name, value in cpu.items())}")
    for name, value in (report.settings | report.figures).items():
        say(f"  {name:<24}{value}")
    where = report.machine
    say(f"  {'machine':<24}{where.cpu}, {where.cores} cores, {where.memory_gb:.0f} GB, {where.kernel}")
    say(f"  {'software':<24}Python {where.python}, PostgreSQL {where.postgres}, commit {where.commit or 'unknown'}")
    for warning in warnings_of(report):
        say(f"WARNING: {warning}")
    for fault in report.faults[:20]:
        say(f"FAULT: {fault}")


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return f"{middle}{unit and f' {unit}'} ({low} to {high})"


def _mean_cpu(rounds: Sequence[Round]) -> dict[str, float]:
    names = ("server", "postgres", "generator", "others")
    return {name: round(sum(getattr(one.cpu, name) for one in rounds) / len(rounds), 2) for name in names}
