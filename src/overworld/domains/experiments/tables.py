"""Outcomes out of an Arrow table that somebody else made: the analytics store, or an analyst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from overworld.domains.experiments.errors import BadTable
from overworld.domains.experiments.statistics.columns import F64, I64, Outcome, Subjects

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("player", "exposed_at", "variant", "metric", "value", "before")


class Read(Struct, frozen=True):
    """What a table says: who is in it, and what each metric came to."""

    subjects: Subjects
    outcomes: Mapping[str, Outcome]


def read_table(table: pa.Table, *, variants: Sequence[str]) -> Read:
    """Reads a table with one row for each player and metric, of those whose window has ended.

    `player` is any id, `exposed_at` a timestamp, `variant` and `metric` text, `value` a number, `before` a number or
    null where the player was not there before. Rows of other variants are left out, as are those without a value, and
    all of a player who stands under two variants. Raises: BadTable.
    """
    import pyarrow as pa  # noqa: PLC0415 - a server that reports on its own facts never loads it
    import pyarrow.compute as pc  # noqa: PLC0415

    for column in COLUMNS:
        if column not in table.column_names:
            raise BadTable(f"There is no column {column}.", column=column)
    try:
        whole = pa.table(
            {
                "player": table["player"],
                "at_us": table["exposed_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()),
                "arm": pc.index_in(table["variant"].cast(pa.string()), pa.array(variants, pa.string())),
                "metric": table["metric"].cast(pa.string()),
                "value": table["value"].cast(pa.float64()),
                "before": table["before"].cast(pa.float64()),
            }
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadTable(f"A column is of another type: {error}") from error
    whole = whole.filter(pc.and_(pc.is_valid(whole["arm"]), pc.is_valid(whole["value"])))
    players = whole.group_by("player").aggregate([("arm", "min"), ("arm", "max"), ("at_us", "min")])
    is_one = pc.equal(players["arm_min"], players["arm_max"])
    kept = players.filter(is_one).sort_by("at_us_min")
    if kept.num_rows < players.num_rows:
        whole = whole.filter(pc.is_in(whole["player"], kept["player"].combine_chunks()))
    return Read(
        Subjects(
            player_id=(),
            arm=_whole(kept["arm_min"]),
            at_us=_whole(kept["at_us_min"]),
            crossed=players.num_rows - kept.num_rows,
        ),
        {str(metric): _outcome(whole.filter(pc.equal(whole["metric"], metric))) for metric in _names(whole)},
    )


def _names(whole: pa.Table) -> list[str]:
    found: list[str] = whole["metric"].unique().drop_null().to_pylist()
    return found


def _outcome(part: pa.Table) -> Outcome:
    """One metric's. Raises: BadTable for a player who stands there twice."""
    if len(part["player"].unique()) < part.num_rows:
        raise BadTable("A player stands twice under one metric.", column="player")
    part = part.sort_by("at_us")
    return Outcome(
        arm=_whole(part["arm"]), at_us=_whole(part["at_us"]), value=_real(part["value"]), before=_real(part["before"])
    )


def _whole(column: pa.ChunkedArray) -> I64:
    return np.asarray(column.to_numpy(), np.int64)


def _real(column: pa.ChunkedArray) -> F64:
    """As floats; NaN where there is nothing."""
    return np.asarray(column.to_numpy(), np.float64)
