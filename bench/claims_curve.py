"""Claims a second and how long they take over the claims in flight, inside this process: figures and a picture."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import uvloop

from bench.claims import Campaigns, InFlight, Players, Share, strange, used_us
from bench.closed_loop import ClosedLoop
from bench.collecting import City, Wanting
from bench.machine import machine
from bench.own_postgres import own_postgres
from bench.plot import Line, chart
from bench.prove.books import audit
from bench.prove.outcome import say
from bench.rounds import Json, RoundCount, Seconds, measure, spans

IN_FLIGHT = (1, 4, 16, 64, 256, 1_024)
_GUESS_PER_S = 20_000
_GUESS_ALONE_PER_S = 1_000


def claims_curve(
    *,
    players: Players = 100_000,
    campaigns: Campaigns = 1_000,
    contested: Share = 0.01,
    replays: Share = 0.01,
    in_flight_max: InFlight = 1_024,
    seconds: Seconds = 6,
    rounds: RoundCount = 3,
    seed: int = 1,
    out: Path | None = None,
    json: Json = False,
) -> int:
    """Claims a second and how long they take, from 1 to 1,024 in flight, as `claims` measures it, with a picture.

    Parameters
    ----------
    players
        Players who claim, evenly.
    campaigns
        Campaigns whose budgets pay for what they placed; with 0 coins spawn and the issuance pays.
    contested
        Share of the claims for what another claims at the same time: half of these are refused.
    replays
        Share of the claims that are sent again under the same key.
    seconds
        Measured time of each number in flight, all its rounds together.
    rounds
        Rounds of each, after a warm-up.
    in_flight_max
        Where the curve ends.
    seed
        Of who claims what.
    out
        A folder to write `claims-by-in-flight.svg` and `claims-by-in-flight.json` to.
    json
        Print the line of JSON alone.
    """
    wanting = Wanting(players=players, campaigns=campaigns, personal=False, contested=contested, seed=seed)
    with redirect_stdout(sys.stderr) if json else nullcontext(), tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            steps = [step for step in IN_FLIGHT if step <= in_flight_max]
            measured = _measured(wanting, Path(folder), steps, replays=replays, seconds=seconds, rounds=rounds)
            told: dict[str, Any] = {"benchmark": "claims-curve", "rounds": rounds} | runner.run(measured)
        if out is not None:
            _write(out, told["rows"])
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return 1 if told["faults"] else 0


async def _measured(
    wanting: Wanting, folder: Path, steps: Sequence[int], *, replays: float, seconds: float, rounds: int
) -> dict[str, Any]:
    async with own_postgres(folder) as inside:
        city = await City.build(inside, wanting, folder=folder, in_flight_max=max(steps))
        load = ClosedLoop(city, city.service.collect, in_flight=max(steps), replays=replays)
        await load.everybody_once()
        tallies = [await load.tally()]
        rows: list[dict[str, Any]] = []
        for in_flight in steps:
            load = ClosedLoop(city, city.service.collect, in_flight=in_flight, replays=replays)
            guess_per_s = min(_GUESS_PER_S, in_flight * _GUESS_ALONE_PER_S)
            done = await measure(load, inside, unit="claims", rounds=rounds, seconds=seconds, guess_per_s=guess_per_s)
            tallies += done.tallies
            figures = {
                name: round(median(values), 3) for name, values in spans(done.measured, rate="claims_per_s").items()
            }
            others_share = round(max(one.cpu.others_share for one in done.measured), 3)
            rows.append({"in_flight": in_flight} | figures | used_us(done))
            rows[-1]["cpu_others_share"] = others_share
            say(", ".join(f"{name} {value:,}" for name, value in rows[-1].items()))
        await city.service.close()
        books = await audit(inside.dsn, [one for tally in tallies for one in tally.told], game=city.game)
        faults = [fault for tally in tallies for fault in tally.faults] + strange(tallies) + books.faults
        return {"rows": rows, "machine": await machine(inside.dsn), "faults": faults}


def picture(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a chart."""
    names = {"claims a ms": "claims_per_s", "median, ms": "p50_ms", "99 %, ms": "p99_ms"}
    scale = {"claims_per_s": 1_000.0}
    lines = [
        Line(name, [(row["in_flight"], row[field] / scale.get(field, 1.0)) for row in rows])
        for name, field in names.items()
    ]
    return chart("Claims over claims in flight", x="claims in flight", y="claims a ms; ms", lines=lines)


def _write(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "claims-by-in-flight.svg").write_text(picture(rows))
    (out / "claims-by-in-flight.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows)) + b"\n")
