"""Funnels: how many players did one thing after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from overworld.domains.analytics import questions
from overworld.domains.analytics.messages import Funnel, Step
from overworld.domains.analytics.ports import Columns
from overworld.domains.analytics.types import Span
from overworld.domains.analytics.walking import Walk

_ROWS_AT_ONCE = 500_000
_HOUR, _HOURS_LEAST = timedelta(hours=1), 4


async def funnel(columns: Columns, span: Span, *, steps: Sequence[str], within_s: float, sampled: bool) -> Funnel:
    """The funnel of a time, looked at in pieces that fit into memory, the earliest first."""
    walk = Walk(steps=len(steps), within_us=round(within_s * 1e6))
    names = list(dict.fromkeys(steps))
    values = {"names": names, "since": span.since.replace(tzinfo=None), "until": span.until.replace(tzinfo=None)}
    [row] = await columns.rows(questions.EXPECTED, values)
    bounds = _bounds(span, 1 + int(row["rows"]) // _ROWS_AT_ONCE)
    async with aclosing(_pieces(columns, names, bounds)) as found:
        async for piece in found:
            await asyncio.to_thread(_tell, walk, piece, names, steps)
    reached = walk.reached()
    return Funnel(
        since=span.since,
        until=span.until,
        within_s=within_s,
        sampled=sampled,
        steps=[
            Step(name, players, round(players / before, 6) if before else 0.0)
            for name, players, before in zip(steps, reached, [reached[0], *reached], strict=False)
        ],
    )


def _bounds(span: Span, pieces: int) -> list[datetime]:
    """Where pieces begin, and where the last one ends: at full hours where these are much shorter, as files do."""
    each = (span.until - span.since) / pieces
    inner = [span.since + each * number for number in range(1, pieces)]
    if each >= _HOUR * _HOURS_LEAST:
        inner = [at.replace(minute=0, second=0, microsecond=0) for at in inner]
    return [span.since, *inner, span.until]


async def _pieces(
    columns: Columns, names: Sequence[str], bounds: Sequence[datetime]
) -> AsyncGenerator[Mapping[str, Any], None]:
    """What happened between each two bounds; the next piece is read while one is looked at."""

    def ask(since: datetime, until: datetime) -> asyncio.Task[Mapping[str, Any]]:
        return asyncio.create_task(columns.columns(questions.STEPS, {"names": names}, since=since, until=until))

    coming = ask(bounds[0], bounds[1])
    try:
        for since, until in pairwise(bounds[1:]):
            piece, coming = await coming, ask(since, until)
            yield piece
        yield await coming
    finally:
        coming.cancel()


def _tell(walk: Walk, found: Mapping[str, Any], names: Sequence[str], steps: Sequence[str]) -> None:
    """An event counts for each step that has its name."""
    who, at_us, name = found["who"], found["us"], found["name"]
    if len(names) == len(steps):
        walk.tell(who, at_us, name)
        return
    rows = [(np.flatnonzero(name == names.index(step)), number) for number, step in enumerate(steps)]
    chosen = np.concatenate([found for found, _ in rows])
    numbers = np.concatenate([np.full(len(found), number, np.int64) for found, number in rows])
    walk.tell(who[chosen], at_us[chosen], numbers)
