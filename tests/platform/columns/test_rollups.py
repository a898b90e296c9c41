"""Rollups say what a count of the events would say."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from overworld.geo import cells
from overworld.platform.columns.layout import SKETCH_SIZE
from overworld.platform.columns.seen import Seen, keys_of

from .conftest import made

pytestmark = pytest.mark.slow


def frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    table = pa.Table.from_batches(batches)
    made = pl.from_arrow(table.select(["at", "name", "player", "cell", "country", "platform", "value"]))
    assert isinstance(made, pl.DataFrame)
    return made


def counted(events: pl.DataFrame, every: str, keys: list[str]) -> dict[Any, Any]:
    grouped = events.group_by(pl.col("at").dt.truncate(every), *keys).agg(
        pl.len(), pl.col("player").drop_nulls().n_unique(), pl.col("value").mean()
    )
    return {tuple(row[: 1 + len(keys)]): tuple(row[1 + len(keys) :]) for row in grouped.iter_rows()}


async def rolled(columns, span: str, *, dimension: str = "", named: bool = True) -> dict[Any, Any]:
    rows = await columns.read(
        f"SELECT since, name, key, count, players, CASE WHEN valued > 0 THEN total / valued END AS mean "  # noqa: S608  # one of two words
        f"FROM rollup_{span} WHERE dimension = $dimension AND (name <> '') = $named",
        {"dimension": dimension, "named": named},
    )
    return {(row["since"], row["name"], row["key"]): row for row in rows.to_pylist()}


@pytest.mark.parametrize(("span", "every"), [("hour", "1h"), ("day", "1d")])
async def test_they_agree_with_an_independent_count(columns, keeping_of, span, every):
    """In rounds, as events arrive: each merges into what is there. Below the size of a sketch players are exact."""
    batches, keeping = made(20_000, days=2, players=600, rows=3_000), keeping_of(columns)
    for number, batch in enumerate(batches):
        await columns.append([batch], place="a", at=number + 1)
        await keeping.roll()
    expected = counted(frame(batches), every, ["name"])
    found = await rolled(columns, span)
    assert len(found) == len(expected)
    for (at, name), (count, players, mean) in expected.items():
        row = found[at.replace(tzinfo=None), name, ""]
        assert (row["count"], row["players"]) == (count, players)
        assert row["mean"] == pytest.approx(mean)
    whole = counted(frame(batches), every, [])
    assert {key[0]: row["players"] for key, row in (await rolled(columns, span, named=False)).items()} == {
        at.replace(tzinfo=None): players for (at,), (_, players, _) in whole.items()
    }


async def test_they_divide_by_cell_country_and_platform(columns, keeping_of):
    batches = made(5_000, players=300)
    await columns.append(batches, place="a", at=1)
    await keeping_of(columns).roll()
    events = frame(batches).with_columns(
        pl.col("country").cast(pl.String).fill_null(""),
        pl.col("platform").cast(pl.String),
        pl.col("cell").map_elements(lambda cell: cells.token(cells.parent(cell, 10)), return_dtype=pl.String),
    )
    for dimension in ("country", "platform", "cell"):
        expected = counted(events, "1d", ["name", dimension])
        found = await rolled(columns, "day", dimension=dimension)
        assert {key[1:]: (row["count"], row["players"]) for key, row in found.items()} == {
            key[1:]: value[:2] for key, value in expected.items()
        }


async def test_many_players_are_told_within_the_error_of_the_sketch(columns, keeping_of):
    """Five standard errors: by chance it fails once in millions of seeds, and the seed is fixed."""
    batches, keeping = made(40_000, players=30_000, rows=8_000), keeping_of(columns)
    for number, batch in enumerate(batches):
        await columns.append([batch], place="a", at=number + 1)
        await keeping.roll()
    exact = frame(batches)["player"].drop_nulls().n_unique()
    [row] = (await rolled(columns, "day", named=False)).values()
    assert exact > 10_000
    assert row["players"] == pytest.approx(exact, rel=5 / (SKETCH_SIZE - 2) ** 0.5)


async def test_presence_and_newcomers_are_exact(columns, keeping_of):
    batches, keeping = made(20_000, days=3, players=900, rows=4_000), keeping_of(columns)
    for number, batch in enumerate(reversed(batches)):
        await columns.append([batch], place="a", at=number + 1)
        await keeping.roll()
    events = frame(batches).drop_nulls("player")
    expected = events.group_by(pl.col("at").dt.date().alias("day"), "player").agg(
        pl.col("at").min().alias("first"), pl.col("at").max().alias("last"), pl.len()
    )
    found = (await columns.read("SELECT day, player, first_at, last_at, count FROM presence")).to_pylist()
    assert {(row["day"], row["player"].bytes): (row["first_at"], row["last_at"], row["count"]) for row in found} == {
        (day, player): (first.replace(tzinfo=None), last.replace(tzinfo=None), count)
        for day, player, first, last, count in expected.iter_rows()
    }
    new = (await columns.read("SELECT player, first_at FROM newcomer")).to_pylist()
    assert {row["player"].bytes: row["first_at"] for row in new} == {
        player: first.replace(tzinfo=None)
        for player, first in events.group_by("player").agg(pl.col("at").min()).iter_rows()
    }


def test_ids_are_known_again_as_long_as_the_window_says():
    seen, random = Seen(ids_max=10_000), np.random.default_rng(3)
    ids = [random.bytes(16 * 1_000) for _ in range(20)]
    for some in ids:
        keys = keys_of(some)
        assert not seen.find(keys).any()
        seen.add(keys)
    assert all(seen.find(keys_of(some)).all() for some in ids[-5:])
    assert not seen.find(keys_of(ids[0])).any()


def test_an_id_that_comes_twice_at_once_is_found_the_second_time():
    twice = np.random.default_rng(4).bytes(16) * 2
    assert Seen(ids_max=100).find(keys_of(twice)).tolist() == [False, True]


async def test_they_count_by_weight_and_players_as_they_are(columns, keeping_of):
    [batch] = made(1_000, players=50)
    weights = np.where(np.arange(1_000) % 2, 1, 10)
    batch = batch.set_column(batch.schema.get_field_index("weight"), batch.schema.field("weight"), pa.array(weights))
    await columns.append([batch], place="a", at=1)
    await keeping_of(columns).roll()
    [row] = (await rolled(columns, "day", named=False)).values()
    events = frame([batch]).with_columns(pl.Series("weight", weights))
    valued = events.drop_nulls("value").select("value", "weight").to_numpy()
    assert row["count"] == 5_500
    assert row["players"] == events["player"].drop_nulls().n_unique()
    assert row["mean"] == pytest.approx(np.average(valued[:, 0], weights=valued[:, 1]))
