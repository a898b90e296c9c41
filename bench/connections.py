"""What connections cost: the same fixes a second from more and more of them, with a picture."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.location import Wanted, measured
from bench.plot import Line, chart
from bench.prove.outcome import say
from bench.rounds import Json, RoundCount, Seconds

COUNTS = (500, 1_000, 2_000, 5_000, 10_000)

CountMax = Annotated[int, Parameter(validator=Number(gte=500, lte=10_000))]
Rate = Annotated[float, Parameter(validator=Number(gte=1))]


def connections(
    *,
    count_max: CountMax = 10_000,
    rate: Rate = 100_000,
    seconds: Seconds = 12,
    rounds: RoundCount = 3,
    seed: int = 1,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """What connections cost: the same fixes a second from 500 to 10,000 of them, as `location` measures it.

    Each count has a server of its own. The players stand as densely in every city.

    Parameters
    ----------
    count_max
        The largest count of 500, 1,000, 2,000, 5,000 and 10,000.
    rate
        Fixes a second, of all players together, in packed frames of 8.
    seconds
        Measured time of each count, all its rounds together.
    rounds
        Rounds of each count, after a warm-up.
    seed
        Of streets, and of which fixes ask for their verdict.
    out
        A folder to write `cost-by-connections.svg` and `cost-by-connections.json` to.
    json
        Print the line of JSON alone.
    """
    with redirect_stdout(sys.stderr) if json else nullcontext():
        wanted = [
            Wanted(
                benchmark="location", connections=count, records=8, rate=rate, seconds=seconds, rounds=rounds,
                seed=seed, database=None, city_km=10 * (count / 5_000) ** 0.5,
            )
            for count in COUNTS
            if count <= count_max
        ]  # fmt: skip
        rows = [_row(one) for one in wanted]
        if out is not None:
            _write(out, rows)
    faults = [fault for row in rows for fault in row["faults"]]
    told = {"benchmark": "connections", "rate": rate, "rounds": rounds, "rows": rows, "faults": faults}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return 1 if faults else 0


def _row(wanted: Wanted) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="overworld-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        report = asyncio.run(measured(wanted, Path(folder)))
    row = {
        "connections": wanted.connections,
        **{name: round(median(report.spans[name]), 3) for name in ("updates_per_s", "p50_ms", "p99_ms")},
        "server_update_us": report.figures["server_update_us"],
        "rss_mb": report.rss_mb,
    }
    say(", ".join(f"{name} {value:,}" for name, value in row.items()))
    return row | {"faults": list(report.faults)}


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a chart."""
    names = {"median, ms": "p50_ms", "99 %, ms": "p99_ms", "server, us a fix": "server_update_us"}
    lines = [Line(name, [(row["connections"], row[field]) for row in rows]) for name, field in names.items()]
    return chart("Verdicts over connections", x="connections", y="ms, us", lines=lines)


def _write(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "cost-by-connections.svg").write_text(picture(rows))
    (out / "cost-by-connections.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
