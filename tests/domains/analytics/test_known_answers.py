"""Answers over made events are those of an independent computation; `script/prove answers` has a million of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bench.made_events import Made
from bench.own_columns import SINCE, answering, fill
from bench.prove.answers import _WORLD, DAYS, FUNNELS, LEVEL, compared, everything
from bench.prove.answers_in_polars import frame_of
from bench.prove.answers_in_polars import funnel as polars_funnel
from overworld.domains.analytics import funnels
from overworld.domains.analytics.errors import BadQuestion
from overworld.domains.analytics.types import BALANCE_PLAYERS_MIN, Span
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.platform.columns.settings import ColumnSettings

pytestmark = pytest.mark.slow
SETTINGS = ColumnSettings(memory_mb=256, threads=1)


async def test_counts_funnels_cohorts_and_heat_are_those_of_polars(tmp_path, monkeypatch):
    monkeypatch.setattr(funnels, "_ROWS_AT_ONCE", 2_000)  # so that players go from piece to piece
    batches = list(Made(seed=5, events=60_000, players=3_000, days=DAYS, since_us=to_us(SINCE)).batches(20_000))
    await fill(tmp_path, batches, days=DAYS, settings=SETTINGS)
    async with answering(tmp_path, days=DAYS, settings=SETTINGS) as (answers, _):
        found = await everything(answers)
    outcome = compared(found, frame_of(batches))
    assert outcome.faults == []
    assert outcome.figures["cells"] > 10
    assert all(step.players for step in found["funnels"][0].steps)


async def test_a_funnel_is_looked_at_in_pieces_of_rows_whatever_each_stands_for(tmp_path, monkeypatch):
    monkeypatch.setattr(funnels, "_ROWS_AT_ONCE", 2_000)
    [batch] = Made(seed=5, events=10_000, players=600, days=DAYS, since_us=to_us(SINCE)).batches(10_000)
    place = batch.schema.get_field_index("weight")
    heavy = batch.set_column(place, batch.schema.field(place), pa.array(np.full(len(batch), 1_000_000)))
    await fill(tmp_path, [heavy], days=DAYS, settings=SETTINGS)
    async with answering(tmp_path, days=DAYS, settings=SETTINGS) as (answers, room):
        asked = []
        real = room.columns

        async def columns(*given: Any, **named: Any) -> Any:
            asked.append(given)
            return await real(*given, **named)

        monkeypatch.setattr(room, "columns", columns)
        span = Span(SINCE, SINCE + timedelta(days=DAYS))
        steps, within = FUNNELS[0]
        found = await answers.funnel(span, steps=steps, within_s=within.total_seconds())
    assert 1 < len(asked) <= 6
    assert [step.players for step in found.steps] == polars_funnel(frame_of([batch]), steps, within)


async def test_cohorts_end_with_time_itself(tmp_path):
    await fill(tmp_path, [], days=DAYS, settings=SETTINGS)
    async with answering(tmp_path, days=DAYS, settings=SETTINGS) as (answers, _):
        for first in (date.min, date.max - timedelta(days=7)):
            await answers.retention(first, cohorts=7, ages=60)
        for first, cohorts in ((date.max, 1), (date.max - timedelta(days=6), 7)):
            with pytest.raises(BadQuestion) as refused:
                await answers.retention(first, cohorts=cohorts, ages=7)
            assert refused.value.fields["field"] == "first"


async def test_what_players_hold_by_cell_is_that_of_polars_and_told_of_five_at_least(tmp_path):
    """Two of three players have a wallet. A cell with four of them would tell what somebody has."""
    batches = list(Made(seed=5, events=20_000, players=600, days=DAYS, since_us=to_us(SINCE)).batches(20_000))
    events = frame_of(batches).drop_nulls(["player", "cell"])
    halves = [int.from_bytes(player[:8], "big") for player in events["player"].unique().to_list()]
    holders = sorted(half for half in halves if half % 3)
    await fill(tmp_path, batches, days=DAYS, settings=SETTINGS)
    async with answering(tmp_path, days=DAYS, settings=SETTINGS) as (answers, _):
        wallets: Any = answers._wallets
        wallets.holders = np.array(holders, np.uint64)
        span = Span(SINCE, SINCE + timedelta(days=DAYS))
        plain = await answers.heatmap(span, box=_WORLD, level=LEVEL)
        found = await answers.heatmap(span, box=_WORLD, level=LEVEL, currency="coin")
        with pytest.raises(BadQuestion):
            await answers.heatmap(span, box=_WORLD, level=LEVEL, currency="pearl")
    assert {cell.mean_balance_minor for cell in plain.cells} == {None}
    held: dict[str, dict[int, float]] = defaultdict(dict)
    for cell, player in events.select("cell", "player").unique().iter_rows():
        half = int.from_bytes(player[:8], "big")
        if half % 3:
            held[cells.token(cells.parent(cell, LEVEL))][half] = half % 1_000
    expected = {
        cell.cell: fmean(held[cell.cell].values()) if len(held[cell.cell]) >= BALANCE_PLAYERS_MIN else None
        for cell in found.cells
    }
    assert {cell.cell: cell.mean_balance_minor for cell in found.cells} == pytest.approx(expected)
    assert None in expected.values()
    assert any(expected.values())
