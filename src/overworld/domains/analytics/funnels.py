"""Funnels: how many players did one thing after another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from overworld.domains.analytics import questions
from overworld.domains.analytics.messages import Funnel, Step
from overworld.domains.analytics.ports import Columns
from overworld.domains.analytics.types import Span
from overworld.domains.analytics.walking import Walk

_ROWS_AT_ONCE = 4_000_000


async def funnel(columns: Columns, span: Span, *, steps: Sequence[str], within_s: float, sampled: bool) -> Funnel:
    """The funnel of a time, looked at in pieces that fit into memory, the earliest first."""
    walk = Walk(steps=len(steps), within_us=round(within_s * 1e6))
    names = list(dict.fromkeys(steps))
    values = {"names": names, "since": span.since.replace(tzinfo=None), "until": span.until.replace(tzinfo=None)}
    [row] = await columns.rows(questions.EXPECTED, values)
    pieces = 1 + int(row["count"]) // _ROWS_AT_ONCE
    bounds = [span.since + (span.until - span.since) * number / pieces for number in range(pieces)] + [span.until]
    for since, until in pairwise(bounds):
        found = await columns.columns(questions.STEPS, {"names": names}, since=since, until=until)
        await asyncio.to_thread(_tell, walk, found, names, steps)
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


def _tell(walk: Walk, found: Mapping[str, Any], names: Sequence[str], steps: Sequence[str]) -> None:
    """An event counts for each step that has its name."""
    who, at_us, name = found["who"], found["us"], found["name"].astype(np.int64)
    if len(names) == len(steps):
        walk.tell(who, at_us, name)
        return
    rows = [(np.flatnonzero(name == names.index(step)), number) for number, step in enumerate(steps)]
    chosen = np.concatenate([found for found, _ in rows])
    numbers = np.concatenate([np.full(len(found), number, np.int64) for found, number in rows])
    walk.tell(who[chosen], at_us[chosen], numbers)
