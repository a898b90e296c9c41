"""The answers of analytics worked out another way: every event in memory, plain Polars, and a few loops."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa

from overworld.geo import cells

Key = tuple[datetime, str]


def frame_of(batches: Sequence[pa.RecordBatch]) -> pl.DataFrame:
    """The events, each id once."""
    table = pa.Table.from_batches(batches).select(["event_id", "at", "name", "player", "cell", "value"])
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame.unique("event_id").with_columns(pl.col("name").cast(pl.String))


def hourly(events: pl.DataFrame) -> dict[Key, tuple[int, int, float | None]]:
    """Of each hour and name: events, players, mean value."""
    grouped = events.group_by(pl.col("at").dt.truncate("1h").alias("hour"), "name").agg(
        pl.len(), pl.col("player").drop_nulls().n_unique(), pl.col("value").mean().alias("mean")
    )
    return {(hour, name): (count, players, mean) for hour, name, count, players, mean in grouped.iter_rows()}


def funnel(events: pl.DataFrame, steps: Sequence[str], within: timedelta) -> list[int]:
    """Players who came to each step: from every first step the others are tried one after another."""
    grouped = (
        events.filter(pl.col("player").is_not_null() & pl.col("name").is_in(list(steps)))
        .group_by("player", "name")
        .agg(pl.col("at").dt.epoch("us").sort())
    )
    times: dict[bytes, dict[str, list[int]]] = {}
    for player, name, at_us in grouped.iter_rows():
        times.setdefault(player, {})[name] = at_us
    within_us = within // timedelta(microseconds=1)
    came = [_came(of_player, steps, within_us) for of_player in times.values()]
    return [sum(steps_done > number for steps_done in came) for number in range(len(steps))]


def _came(times: dict[str, list[int]], steps: Sequence[str], within_us: int) -> int:
    best = 0
    for begun in times.get(steps[0], ()):
        at, done = begun, 1
        for name in steps[1:]:
            later = times.get(name, [])
            place = bisect_right(later, at)
            if place == len(later) or later[place] - begun > within_us:
                break
            at, done = later[place], done + 1
        best = max(best, done)
        if best == len(steps):
            break
    return best


def retention(events: pl.DataFrame) -> dict[tuple[date, int], int]:
    """Of the players who were new on a day, how many were there so many days later."""
    seen = events.drop_nulls("player").select("player", pl.col("at").dt.date().alias("day")).unique()
    first = seen.group_by("player").agg(pl.col("day").min().alias("first"))
    ages = seen.join(first, on="player").with_columns((pl.col("day") - pl.col("first")).dt.total_days().alias("age"))
    counted = ages.group_by("first", "age").len()
    return {(day, age): count for day, age, count in counted.iter_rows()}


def heat(events: pl.DataFrame, level: int) -> dict[str, tuple[int, int, float | None]]:
    """Of each cell: players, events, mean value."""
    fine = events["cell"].unique().drop_nulls()
    parents = pl.DataFrame(
        {"cell": fine, "token": [cells.token(cells.parent(cell, level)) for cell in fine]},
        schema_overrides={"cell": pl.UInt64},
    )
    grouped = (
        events.join(parents, on="cell")
        .group_by("token")
        .agg(pl.col("player").drop_nulls().n_unique(), pl.len(), pl.col("value").mean().alias("mean"))
    )
    return {token: (players, count, mean) for token, players, count, mean in grouped.iter_rows()}
