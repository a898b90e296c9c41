"""Where players were: cells of any level out of the fine ones that events have."""

from __future__ import annotations

import numpy as np

from overworld.domains.analytics import questions
from overworld.domains.analytics.messages import Heat, Heatmap
from overworld.domains.analytics.ports import Columns
from overworld.domains.analytics.types import CELLS_MAX, Span
from overworld.geo import cells
from overworld.geo.box import Box
from overworld.geo.columns import F64, I64
from overworld.geo.compiled import threaded_kernel
from overworld.geo.kernels import degrees_in_cell

_COVER_MAX = 8
_COVER_LEVELS = (12, 10, 8, 6, 4)
_SMALL_M = 2_000_000.0


async def heatmap(columns: Columns, span: Span, *, box: Box, level: int) -> Heatmap:
    """The cells of a level with their centres in the box."""
    found = await columns.columns(
        questions.heatmap(_parent_sql(level), _within(box, level)), since=span.since, until=span.until
    )
    bits = np.array(found["cell"], np.int64)
    lat_deg, lng_deg = np.empty(len(bits)), np.empty(len(bits))
    _fill_centres(bits, lat_deg, lng_deg)
    ids = bits.view(np.uint64)
    inside = np.flatnonzero(box.holds(lat_deg, lng_deg))
    players = np.asarray(found["players"], np.int64)
    best = inside[np.lexsort((ids[inside], -players[inside]))]
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
            )
            for i in best[:CELLS_MAX].tolist()
        ],
    )


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
        return f" AND ({' OR '.join(_range(cell) for cell in covering)})"
    return ""


def _range(cell: int) -> str:
    """All cells within one lie between its first leaf and its last."""
    bit = cell & -cell
    return f"cell BETWEEN {_signed(cell - bit + 1)} AND {_signed(cell + bit - 1)}"


def _signed(cell: int) -> int:
    return cell - (1 << 64) if cell >= 1 << 63 else cell


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, float) and value == value else None  # noqa: PLR0124  # NaN is none


@threaded_kernel
def _fill_centres(cell: I64, lat_deg: F64, lng_deg: F64) -> None:
    """Writes where the middles of cells are."""
    for i in range(len(cell)):
        lat_deg[i], lng_deg[i] = degrees_in_cell(cell[i], 0.5, 0.5)
