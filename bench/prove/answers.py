"""Analytics answers as plain Polars does over the same events, in bounded memory."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.made_events import NAMES, Made
from bench.own_columns import SINCE, answering, fill
from bench.prove import answers_in_polars as other
from bench.prove.outcome import Outcome, conclude, say
from overworld.domains.analytics.service import Answers
from overworld.domains.analytics.types import By, Dimension, Span
from overworld.geo.box import Box
from overworld.kernel.clock import to_us
from overworld.platform.columns.settings import ColumnSettings

DAYS = 7
LEVEL = 11
FUNNELS = (
    (("events.auth.login", "events.quest.started", "events.quest.completed"), timedelta(days=1)),
    (("shop.opened", "shop.bought"), timedelta(hours=1)),
    (("events.coin.collected", "events.coin.collected", "events.coin.collected"), timedelta(hours=6)),
    (("screen.12", "screen.11", "screen.10", "screen.09"), timedelta(days=7)),
)
# One standard error of a sketch is 3.1 %, of DuckDB's own estimate 1.6 % to 3 %; a hundred thousand are looked at.
_ERRORS_MAX = 0.031 * 6
_EXACT_BELOW = 1_024
_WORLD = Box(west_deg=-180, south_deg=-90, east_deg=180, north_deg=90)
_BATCH = 100_000
_MEMORY_MB = 512
# What is there before the first question (Python, NumPy, numba, Arrow, DuckDB), and answers on their way.
_MEMORY_BESIDE_MB = 700

Events = Annotated[int, Parameter(validator=Number(gte=10_000, lte=100_000_000))]
Players = Annotated[int, Parameter(validator=Number(gte=100, lte=10_000_000))]


def answers(*, events: Events = 1_000_000, players: Players = 100_000, seed: int = 1) -> int:
    """Analytics answers as plain Polars does over the same events, and takes no more memory than it may.

    Events of seven days are put into a store as a server would, and sealed. Counts, funnels and cohorts have to
    be exactly those that an independent computation finds; approximate players within six standard errors. The most
    memory that the process which answers ever had must stay under what the settings give DuckDB and 700 MB.
    `--events 10000000 --players 300000` is the whole form; there Polars takes some 6 GB.

    Parameters
    ----------
    events
        Events that there are.
    players
        Players that they are of.
    seed
        Of what is drawn.
    """
    made = Made(seed=seed, events=events, players=players, days=DAYS, since_us=to_us(SINCE))
    with tempfile.TemporaryDirectory(prefix="overworld-answers-") as folder:
        say("putting events into a store")
        batches = list(made.batches(_BATCH))
        settings = ColumnSettings(memory_mb=_MEMORY_MB, timeout_s=300)
        asyncio.run(fill(Path(folder), batches, days=DAYS, settings=settings))
        say("asking for everything")
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            found, peak_mb = alone.apply(_asked, (folder, settings))
        say("working it out another way")
        outcome = compared(found, other.frame_of(batches))
    allowed_mb = _MEMORY_MB + _MEMORY_BESIDE_MB
    faults = [*outcome.faults, *[f"answering took {peak_mb} MB, over {allowed_mb}"] * (peak_mb > allowed_mb)]
    figures = {**outcome.figures, "events": events, "players": players, "peak_mb": peak_mb, "allowed_mb": allowed_mb}
    return conclude("answers", Outcome(figures, faults), seed=seed)


def _asked(folder: str, settings: ColumnSettings) -> tuple[dict[str, Any], int]:
    """What a process of its own answers, and the most memory that it had."""

    async def ask() -> dict[str, Any]:
        async with answering(Path(folder), days=DAYS, settings=settings) as (told, _):
            return await everything(told)

    return asyncio.run(ask()), _peak_mb()


def _peak_mb() -> int:
    """The most memory that this process had. `ru_maxrss` would have that of the process it was forked from in it."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["VmHWM"].split()[0]) // 1024


async def everything(told: Answers) -> dict[str, Any]:
    """Every answer that is compared."""
    span = Span(SINCE, SINCE + timedelta(days=DAYS))
    counts, after = [], None
    while True:
        page = await told.counts(span, by=By.HOUR, names=[], dimension=Dimension.NONE, after=after, limit=1_000)
        counts += page
        if len(page) < 1_000:  # the limit
            break
        after = (page[-1].since, page[-1].name, page[-1].key)
    return {
        "counts": counts,
        "funnels": [await told.funnel(span, steps=steps, within_s=within.total_seconds()) for steps, within in FUNNELS],
        "retention": await told.retention(SINCE.date(), cohorts=DAYS, ages=DAYS - 1),
        "heatmap": await told.heatmap(span, box=_WORLD, level=LEVEL),
    }


def compared(found: dict[str, Any], events: Any) -> Outcome:
    """Where the answers are not those of Polars."""
    faults = [
        *_counts(found["counts"], other.hourly(events)),
        *_funnels(found["funnels"], events),
        *_retention(found["retention"], other.retention(events)),
        *_heat(found["heatmap"], other.heat(events, LEVEL)),
    ]
    figures = {
        "hours_and_names": len(found["counts"]),
        "funnels": len(FUNNELS),
        "cohorts": len(found["retention"].cohorts),
        "cells": len(found["heatmap"].cells),
    }
    return Outcome(figures, faults)


def _counts(found: Any, expected: dict[other.Key, tuple[int, int, float | None]]) -> Iterator[str]:
    told = {(row.since, row.name): row for row in found if row.name}
    if told.keys() != expected.keys():
        yield f"hours and names differ: {len(told)} told, {len(expected)} expected"
    for key in told.keys() & expected.keys():
        row, (count, players, mean) = told[key], expected[key]
        if row.count != count or not _near(row.mean, mean, 1e-9):
            yield f"{key}: {row.count} events of mean {row.mean}, expected {count} of {mean}"
        if not _near(row.players, players, _ERRORS_MAX if players >= _EXACT_BELOW else 0):
            yield f"{key}: {row.players} players, expected {players}"


def _funnels(found: Any, events: Any) -> Iterator[str]:
    for told, (steps, within) in zip(found, FUNNELS, strict=True):
        expected = other.funnel(events, steps, within)
        if [step.players for step in told.steps] != expected:
            yield f"funnel {steps}: {[step.players for step in told.steps]}, expected {expected}"


def _retention(found: Any, expected: dict[Any, int]) -> Iterator[str]:
    for cohort in found.cohorts:
        for age, players in enumerate(cohort.returned):
            # The day on which the clock stands has begun and nothing has happened on it.
            if players is not None and players != expected.get((cohort.day, age), 0):
                yield f"cohort {cohort.day} after {age} days: {players}, expected {expected.get((cohort.day, age), 0)}"
    if sum(cohort.players for cohort in found.cohorts) != sum(n for (_, age), n in expected.items() if age == 0):
        yield "cohorts do not have all players"


def _heat(found: Any, expected: dict[str, tuple[int, int, float | None]]) -> Iterator[str]:
    told = {cell.cell: cell for cell in found.cells}
    if not found.truncated and told.keys() != expected.keys():
        yield f"cells differ: {len(told)} told, {len(expected)} expected"
    for token, cell in told.items():
        players, count, mean = expected.get(token, (0, 0, None))
        if cell.events != count or not _near(cell.mean_value, mean, 1e-9):
            yield f"cell {token}: {cell.events} events of mean {cell.mean_value}, expected {count} of {mean}"
        # DuckDB's estimate is off by one or two of a handful as well.
        if abs(cell.players - players) > 2 + _ERRORS_MAX * players:
            yield f"cell {token}: {cell.players} players, expected {players}"


def _near(told: float | None, expected: float | None, relative: float) -> bool:
    if told is None or expected is None:
        return told is expected
    return abs(told - expected) <= relative * abs(expected)


assert {name for steps, _ in FUNNELS for name in steps} <= set(NAMES)
