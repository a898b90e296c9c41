"""Where players were: cells of any level out of the fine ones that events have."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from overworld.domains.analytics import questions
from overworld.domains.analytics.messages import Heat, Heatmap
from overworld.domains.analytics.ports import Columns
from overworld.domains.analytics.types import BALANCE_PLAYERS_MIN, CELLS_MAX, Span
from overworld.geo import cells
from overworld.geo.box import Box
from overworld.geo.columns import F64, I64, U64
from overworld.geo.compiled import threaded_kernel
from overworld.geo.kernels import degrees_in_cell

_COVER_MAX = 8
_COVER_LEVELS = (12, 10, 8, 6, 4)
_SMALL_M = 2_000_000.0


async def heatmap(
    columns: Columns, span: Span, *, box: Box, level: int, held: tuple[U64, F64] | None = None
) -> Heatmap:
    """The cells of a level with their centres in the box; `held` is what players hold, as `Wallets.held` tells it."""
    parent, within = _parent_sql(level), _within(box, level)
    found = await columns.columns(questions.heatmap(parent, within), since=span.since, until=span.until)
    bits = np.array(found["cell"], np.int64)
    lat_deg, lng_deg = np.empty(len(bits)), np.empty(len(bits))
    _fill_centres(bits, lat_deg, lng_deg)
    ids = bits.view(np.uint64)
    inside = np.flatnonzero(box.holds(lat_deg, lng_deg))
    players = np.asarray(found["players"], np.int64)
    best = inside[np.lexsort((ids[inside], -players[inside]))]
    told = best[:CELLS_MAX]
    balances: list[float | None] = [None] * len(told)
    if held is not None and len(told):
        visits = await columns.columns(questions.visits(parent, within), since=span.since, until=span.until)
        balances = await asyncio.to_thread(mean_balances, bits[told], visits, held)
    return Heatmap(
        level=level,
        since=span.since,
        until=span.until,
        truncated=len(best) > CELLS_MAX,
        cells=[
            Heat(
                cell=cells.token(int(ids[i])),
                lat=round(float(lat_deg[i]), 6),
                lng=round(float(lng_deg[i]), 6),
                players=int(players[i]),
                events=int(found["events"][i]),
                mean_value=_number(found["mean_value"][i]),
                mean_balance_minor=balance,
            )
            for i, balance in zip(told.tolist(), balances, strict=True)
        ],
    )


def mean_balances(cell: I64, visits: Mapping[str, Any], held: tuple[U64, F64]) -> list[float | None]:
    """What players who were in each cell hold on average, aligned with `cell`, whose cells are all different.

    `visits` has the columns `cell` and `who`, each pair once. Players without a wallet do not count; None where fewer
    than BALANCE_PLAYERS_MIN are left: it would tell what somebody has.
    """
    holders, amounts = held
    if not len(holders):
        return [None] * len(cell)
    order = np.argsort(cell)
    place = np.searchsorted(cell, visits["cell"], sorter=order)
    holder = np.searchsorted(holders, visits["who"])
    place[place == len(cell)] = 0
    holder[holder == len(holders)] = 0
    counts = (cell[order[place]] == visits["cell"]) & (holders[holder] == visits["who"])
    where = order[place[counts]]
    players = np.bincount(where, minlength=len(cell))
    total = np.bincount(where, weights=amounts[holder[counts]], minlength=len(cell))
    return [float(total[i]) / int(players[i]) if players[i] >= BALANCE_PLAYERS_MIN else None for i in range(len(cell))]


def _parent_sql(level: int) -> str:
    bit = 1 << 2 * (30 - level)
    return f"CASE WHEN (cell & {bit - 1}) = 0 THEN cell ELSE (cell & -{bit}) | {bit} END"


def _within(box: Box, level: int) -> str:
    """SQL that leaves out what is far from a small box; of a big one nothing is left out.

    The cells that cover it are not finer than those asked for, so that none of these is cut.
    """
    lat_deg, lng_deg, radius_m = box.disc()
    for cover_level in _COVER_LEVELS:
        if cover_level > level or radius_m > _SMALL_M:
            continue
        try:
            covering = cells.cover_cap(lat_deg, lng_deg, radius_m, cover_level, _COVER_MAX)
        except ValueError:  # more cells than that
            continue
        return f" AND ({' OR '.join(f'cell BETWEEN {first} AND {last}' for first, last in _ranges(covering))})"
    return ""


def _ranges(covering: Sequence[int]) -> list[tuple[int, int]]:
    """All cells within one lie between its first leaf and its last, as the store writes it; neighbours share a range.

    Between the last leaf of a cell and the first of the next lies one number, which is no leaf.
    """
    ranges: list[tuple[int, int]] = []
    for cell in sorted(map(_signed, covering)):
        bit = cell & -cell
        first, last = cell - bit + 1, cell + bit - 1
        if ranges and ranges[-1][1] + 2 == first:
            first = ranges.pop()[0]
        ranges.append((first, last))
    return ranges


def _signed(cell: int) -> int:
    return cell - (1 << 64) if cell >= 1 << 63 else cell


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float) and value == value else None  # noqa: PLR0124  # NaN is none


@threaded_kernel
def _fill_centres(cell: I64, lat_deg: F64, lng_deg: F64) -> None:
    """Writes where the middles of cells are."""
    for i in range(len(cell)):
        lat_deg[i], lng_deg[i] = degrees_in_cell(cell[i], 0.5, 0.5)
