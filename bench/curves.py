"""What an update and a nearby search cost over the number of entities, inside the process: figures and a picture."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from statistics import median
from time import thread_time
from typing import Annotated, Any

import msgspec
import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from bench import crowd
from bench.dense import in_process, world_of
from bench.plot import Line, chart
from bench.prove.outcome import say
from bench.rounds import Json, RoundCount
from overworld.domains.world.engine.engine import pass_of
from overworld.domains.world.rules import FIX, SECOND_US
from overworld.geo.columns import F64

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_BATCH = 5_000
_STEP_LAT_DEG = 1.4 / 111_195
_MS_US = 1_000.0

EntitiesMax = Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))]


def curves(
    *, entities_max: EntitiesMax = 1_000_000, rounds: RoundCount = 5, seed: int = 1, out: Path | None = None,
    json: Json = False,
) -> int:  # fmt: skip
    """What an update and a nearby search cost over the number of entities, inside the process, with a picture.

    Everything is processor time in this process, without a socket: a pass of 5,000 fixes through verdict and index, and
    the 50 nearest within 1 km.

    Parameters
    ----------
    entities_max
        The largest of the sizes from 1,000 on, each ten times the one before.
    rounds
        Rounds of each; figures are their medians.
    seed
        Of where the crowd stands.
    out
        A folder to write `cost-by-entities.svg` and `cost-by-entities.json` to.
    json
        Print the line of JSON alone.
    """
    with redirect_stdout(sys.stderr) if json else nullcontext():
        rows = [asyncio.run(_measured(size, rounds=rounds, seed=seed)) for size in SIZES if size <= entities_max]
        if out is not None:
            _write(out, rows)
    sys.stdout.write(msgspec.json.encode({"benchmark": "curves", "rounds": rounds, "rows": rows}).decode() + "\n")
    return 0


async def _measured(size: int, *, rounds: int, seed: int) -> dict[str, Any]:
    lat_deg, lng_deg = crowd.city(size, seed=seed)
    row: dict[str, Any] = {"entities": size, "update_us": update_us(lat_deg, lng_deg, rounds=rounds, seed=seed)}
    row |= await in_process(lat_deg, lng_deg, rounds=rounds, seed=seed)
    say(", ".join(f"{name} {value:,}" for name, value in row.items()))
    return row


def update_us(lat_deg: F64, lng_deg: F64, *, rounds: int, seed: int) -> float:
    """Microseconds of a fix, unpacked already, that is judged and moved together with 4,999 others, as under load."""
    world = world_of(lat_deg, lng_deg, seed=seed)
    engine, now_us = world.engine, int(world.engine.players.at_us.max())
    took_us = []
    for i in range(rounds + 1):
        slots = np.random.default_rng(seed + i).permutation(lat_deg.size)[:_BATCH]
        records = np.zeros(slots.size, FIX)
        records["slot"] = slots
        records["time_us"] = now_us + (i + 1) * SECOND_US
        records["lat_deg"] = engine.players.lat_deg[slots] + _STEP_LAT_DEG
        records["lng_deg"] = engine.players.lng_deg[slots]
        records["accuracy_m"] = 5.0
        records["altitude_m"] = records["speed_m_s"] = records["heading_deg"] = math.nan
        begun_s = thread_time()
        judged = engine.move(engine.validate(pass_of(records, now_us=int(records["time_us"][0])))).judged
        took_us.append((thread_time() - begun_s) * 1e6 / slots.size)
        if judged["reason"].any():
            raise RuntimeError("a fix was refused")
    return round(median(took_us[1:]), 4)


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a chart, in microseconds."""
    names = {"update": "update_us", "nearby, median": "in_process_p50_ms", "nearby, 99 %": "in_process_p99_ms"}
    lines = [
        Line(name, [(row["entities"], row[field] * (_MS_US if field.endswith("_ms") else 1.0)) for row in rows])
        for name, field in names.items()
    ]
    return chart("Cost inside the process", x="entities in the city", y="microseconds", lines=lines)


def _write(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "cost-by-entities.svg").write_text(picture(rows))
    (out / "cost-by-entities.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
