"""How long analytics takes to answer over millions of events."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.made_events import NAMES, Made
from bench.own_columns import SINCE, answering, fill, size_bytes
from bench.prove.outcome import Steps, percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount
from overworld.domains.analytics.freshness import Freshness
from overworld.domains.analytics.service import Answers
from overworld.domains.analytics.types import By, Dimension, Span
from overworld.geo.box import Box
from overworld.kernel.clock import FixedClock, to_us
from overworld.platform.columns.room import Room
from overworld.platform.columns.settings import ColumnSettings

_DAYS = 7
_SPAN = Span(SINCE, SINCE + timedelta(days=_DAYS))
_CITY = Box(west_deg=14.2, south_deg=49.9, east_deg=14.7, north_deg=50.2)
_BATCH = 100_000
_NOT_ROLLED = """
SELECT date_trunc('hour', happened_at) AS since, name, count(*) AS count, approx_count_distinct(player) AS players,
       avg(value) AS mean FROM {events} GROUP BY ALL"""

Events = Annotated[int, Parameter(validator=Number(gte=10_000, lte=100_000_000))]
Players = Annotated[int, Parameter(validator=Number(gte=100, lte=10_000_000))]
Asks = Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]
Ask = Callable[[], Awaitable[Any]]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    events: int
    players: int
    asks: int
    rounds: int
    seed: int


def query(
    *,
    events: Events = 10_000_000,
    players: Players = 300_000,
    asks: Asks = 20,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """How long the answers of analytics take over seven days of sealed events of twenty names, each asked alone.

    `p95_ms` is for counts of every hour and name with approximate players and mean values, from rollups, as pages are
    answered; `not_rolled_p95_ms` for the same out of the events themselves. The others are a funnel of three steps, a
    week of cohorts, and a heat map of a city. No answer is a kept one.

    Parameters
    ----------
    events
        Events in the store.
    players
        Players that they are of.
    asks
        Questions of each kind in a round.
    rounds
        Rounds, after one to warm up.
    seed
        Of what is drawn.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(events=events, players=players, asks=asks, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    settings = ColumnSettings(timeout_s=60)
    made = Made(seed=wanted.seed, events=wanted.events, players=wanted.players, days=_DAYS, since_us=to_us(SINCE))
    say(f"putting {wanted.events:,} events into a store")
    await fill(folder, made.batches(_BATCH), days=_DAYS, settings=settings)
    spans: dict[str, list[float]] = {}
    cpu: list[CpuUse] = []
    async with answering(folder, days=_DAYS, settings=settings) as (answers, room):
        kinds = _kinds(answers, room)
        for ask in kinds.values():
            await ask()
        with Steps("rounds", wanted.rounds) as steps:
            for _ in range(wanted.rounds):
                meter = Meter(None)
                for name, ask in kinds.items():
                    spans.setdefault(name, []).append(await _p95_ms(answers, ask, wanted.asks))
                cpu.append(meter.stop())
                steps.done(f"hourly counts {spans['p95_ms'][-1]} ms")
        [row] = await room.rows("SELECT count(*) AS n FROM {events}")
    return Report(
        benchmark="query",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(None),
        settings={"events": wanted.events, "players": wanted.players, "names": len(NAMES), "asks": wanted.asks},
        figures={"events_kept": row["n"], "bytes_per_event": round(size_bytes(folder) / wanted.events, 1)},
        faults=[f"{row['n']} of {wanted.events} events are there"] * (row["n"] != wanted.events),
    )


def _kinds(answers: Answers, room: Room) -> dict[str, Ask]:
    steps = ("events.auth.login", "events.quest.started", "events.quest.completed")
    return {
        "p95_ms": partial(
            answers.counts, _SPAN, by=By.HOUR, names=[], dimension=Dimension.NONE, after=None, limit=5_000
        ),
        "not_rolled_p95_ms": partial(room.columns, _NOT_ROLLED, since=_SPAN.since, until=_SPAN.until),
        "funnel_p95_ms": partial(answers.funnel, _SPAN, steps=steps, within_s=86_400.0),
        "retention_p95_ms": partial(answers.retention, SINCE.date(), cohorts=_DAYS, ages=_DAYS - 1),
        "heatmap_p95_ms": partial(answers.heatmap, _SPAN, box=_CITY, level=13),
    }


async def _p95_ms(answers: Answers, ask: Ask, asks: int) -> float:
    taken_s = []
    for _ in range(asks):
        answers.fresh = Freshness(FixedClock(SINCE))
        began_s = time.perf_counter()
        await ask()
        taken_s.append(time.perf_counter() - began_s)
    return round(1e3 * percentile(taken_s, 0.95), 1)
