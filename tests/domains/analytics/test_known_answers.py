"""Answers over made events are those of an independent computation; `script/prove answers` has a million of them."""

from __future__ import annotations

import pytest

from bench.made_events import Made
from bench.own_columns import SINCE, answering, fill
from bench.prove.answers import DAYS, compared, everything
from bench.prove.answers_in_polars import frame_of
from overworld.kernel.clock import to_us
from overworld.platform.columns.settings import ColumnSettings

pytestmark = pytest.mark.slow
SETTINGS = ColumnSettings(memory_mb=256, threads=1)


async def test_counts_funnels_cohorts_and_heat_are_those_of_polars(tmp_path):
    batches = list(Made(seed=5, events=60_000, players=3_000, days=DAYS, since_us=to_us(SINCE)).batches(20_000))
    await fill(tmp_path, batches, days=DAYS, settings=SETTINGS)
    async with answering(tmp_path, days=DAYS, settings=SETTINGS) as (answers, _):
        found = await everything(answers)
    outcome = compared(found, frame_of(batches))
    assert outcome.faults == []
    assert outcome.figures["cells"] > 10
    assert all(step.players for step in found["funnels"][0].steps)
