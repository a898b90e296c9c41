"""Rollups: counts, values and approximate players of each hour and day, kept up with what arrives.

Each round takes the rows that came since the last one, sums them up, and merges that into the rows of the rollups, in
one transaction with the number of the last batch that counts. So a round costs what is new, not what is there.
"""

from __future__ import annotations

from overworld.platform.columns import layout
from overworld.platform.columns.connection import Connection, do, one

ROLLED = "rolled"

_ROWS_AT_ONCE = 500_000

_SOME = """
SELECT min(batch) FROM (
  SELECT batch, sum(count(*)) OVER (ORDER BY batch) AS rows FROM event WHERE batch > $since AND batch <= $upto
  GROUP BY batch)
WHERE rows >= $rows"""

_TOKEN = "rtrim(lpad(lower(hex({cell})), 16, '0'), '0')"  # noqa: S105  # an S2 token, as `geo.cells.token` writes it

_DIMENSIONS = (
    ("", "''", ""),
    ("cell", _TOKEN.format(cell="cell"), "WHERE cell IS NOT NULL"),
    ("country", "country", ""),
    ("platform", "platform", ""),
)
_FEW = 4 * layout.SKETCH_SIZE

_GATHERED = """
CREATE OR REPLACE TEMP TABLE gathered AS
SELECT date_trunc('hour', happened_at) AS since, name, {cell} AS cell, coalesce(country, '') AS country,
       coalesce(platform, '') AS platform, {player} AS who, value, weight
FROM {events}"""

_SUMS = """
CREATE OR REPLACE TEMP TABLE sums AS
SELECT since, coalesce(name, '') AS name, key, sum(weight)::BIGINT AS count,
       coalesce(sum(weight) FILTER (WHERE value IS NOT NULL), 0)::BIGINT AS valued,
       coalesce(sum(value * weight), 0)::DOUBLE AS total,
       CASE WHEN approx_count_distinct(who) <= {few} THEN {hash_max}
            ELSE ({few} / approx_count_distinct(who)::DOUBLE * {hash_max}::DOUBLE * 0.999)::UBIGINT END AS hash_max
FROM (SELECT since, name, {key} AS key, who, value, weight FROM gathered {where})
GROUP BY GROUPING SETS ((since, name, key), (since, key))"""

_SKETCHED = """
INSERT INTO delta_hour
WITH keyed AS (SELECT since, name, {key} AS key, who FROM gathered {where}),
small AS (
  SELECT since, name, key, who FROM keyed JOIN sums USING (since, name, key) WHERE who <= hash_max
  UNION ALL
  SELECT since, '', key, who FROM keyed JOIN (FROM sums WHERE name = '') USING (since, key) WHERE who <= hash_max),
sketches AS (
  SELECT since, name, key, list_sort(list(DISTINCT who))[:{size}] AS sketch FROM small GROUP BY ALL)
SELECT since, name, '{dimension}', key, count, valued, total, coalesce(sketch, []::UBIGINT[])
FROM sums LEFT JOIN sketches USING (since, name, key)"""
"""Only hashes that have a chance to be among the smallest are looked at: `hash_max` leaves some four times as many."""

_MERGED = """
CREATE OR REPLACE TEMP TABLE merged AS
SELECT since, name, dimension, key, sum(count)::BIGINT AS count, sum(valued)::BIGINT AS valued, sum(total) AS total,
       {sketch} AS sketch
FROM (SELECT since, name, dimension, key, count, valued, total, sketch FROM delta_{span}
      UNION ALL
      SELECT since, name, dimension, key, count, valued, total, sketch FROM rollup_{span}
      SEMI JOIN delta_{span} USING (since, name, dimension, key))
GROUP BY ALL"""

_REPLACED = """
DELETE FROM rollup_{span} AS old USING delta_{span} AS delta
WHERE old.since = delta.since AND old.name = delta.name AND old.dimension = delta.dimension AND old.key = delta.key"""

_PRESENT = """
CREATE OR REPLACE TEMP TABLE delta_presence AS
SELECT happened_at::DATE AS day, player, min(happened_at) AS first_at, max(happened_at) AS last_at,
       sum(weight)::BIGINT AS count
FROM {events} WHERE player IS NOT NULL GROUP BY ALL"""

_PRESENT_MERGED = """
CREATE OR REPLACE TEMP TABLE merged AS
SELECT day, player, min(first_at) AS first_at, max(last_at) AS last_at, sum(count)::BIGINT AS count
FROM (FROM delta_presence UNION ALL FROM presence SEMI JOIN delta_presence USING (day, player)) GROUP BY ALL"""

_PRESENT_REPLACED = """
DELETE FROM presence AS old USING delta_presence AS delta WHERE old.day = delta.day AND old.player = delta.player"""

_NEWCOMERS = """
CREATE OR REPLACE TEMP TABLE merged AS
SELECT player, min(first_at) AS first_at FROM delta_presence GROUP BY player"""


def roll_some(writer: Connection, *, upto: int, cell_level: int) -> bool:
    """Takes some of the batches up to `upto` in, as many as fit in memory; whether there are more. In a transaction."""
    since = rolled(writer)
    values = {"since": since, "upto": upto, "rows": _ROWS_AT_ONCE}
    until = one(writer, _SOME, values)
    roll(writer, upto=upto if until is None else until, cell_level=cell_level)
    return until is not None and until < upto


def roll(writer: Connection, *, upto: int, cell_level: int) -> int:
    """Takes the batches up to `upto` in; how many events these were. To be called in a transaction."""
    since = rolled(writer)
    if since >= upto:
        return 0
    source = f"(FROM event WHERE batch > {since} AND batch <= {upto})"
    count = _take(writer, source, cell_level=cell_level)
    do(writer, "INSERT OR REPLACE INTO counter VALUES (?, ?)", [ROLLED, upto])
    return count


def rolled(writer: Connection) -> int:
    """The last batch that the rollups count."""
    return one(writer, "SELECT value FROM counter WHERE name = ?", [ROLLED]) or 0


def rebuild(writer: Connection, *, day: str, events: str, cell_level: int) -> None:
    """Counts a day again from its events, hot and sealed; for when some of them turned out to be twins."""
    for table, column in (("rollup_hour", "since::DATE"), ("rollup_day", "since::DATE"), ("presence", "day")):
        do(writer, f"DELETE FROM {table} WHERE {column} = DATE '{day}'")  # noqa: S608  # constants and a date
    _take(writer, events, cell_level=cell_level)


def _take(writer: Connection, events: str, *, cell_level: int) -> int:
    cell = layout.parent_cell("cell", cell_level)
    do(writer, _GATHERED.format(cell=cell, player=layout.PLAYER_HASH, events=events))
    do(writer, "CREATE OR REPLACE TEMP TABLE delta_hour AS FROM rollup_hour SELECT * EXCLUDE players LIMIT 0")
    for dimension, key, where in _DIMENSIONS:
        do(writer, _SUMS.format(key=key, where=where, few=_FEW, hash_max=2**64 - 1))
        do(writer, _SKETCHED.format(dimension=dimension, key=key, where=where, size=layout.SKETCH_SIZE))
    merged = layout.merged("list(sketch)")
    do(
        writer,
        "CREATE OR REPLACE TEMP TABLE delta_day AS SELECT date_trunc('day', since) AS since, name, dimension, key,"  # noqa: S608
        "sum(count)::BIGINT AS count, sum(valued)::BIGINT AS valued, sum(total) AS total,"
        f"{merged} AS sketch FROM delta_hour GROUP BY ALL",
    )
    for span in ("hour", "day"):
        _merge(writer, span, merged)
    _be_present(writer, events)
    count = one(writer, "SELECT count(*) FROM gathered")
    for table in ("gathered", "sums", "delta_hour", "delta_day", "delta_presence", "merged"):
        do(writer, f"DROP TABLE {table}")
    return int(count)


def _merge(writer: Connection, span: str, merged: str) -> None:
    do(writer, _MERGED.format(span=span, sketch=merged))
    do(writer, _REPLACED.format(span=span))
    do(
        writer,
        f"INSERT INTO rollup_{span} SELECT since, name, dimension, key, count, valued, total, "  # noqa: S608  # constants
        f"{layout.estimate('sketch')}, sketch FROM merged",
    )


def _be_present(writer: Connection, events: str) -> None:
    do(writer, _PRESENT.format(events=events))
    do(writer, _PRESENT_MERGED)
    do(writer, _PRESENT_REPLACED)
    do(writer, "INSERT INTO presence SELECT day, player, first_at, last_at, count FROM merged")
    do(writer, _NEWCOMERS)
    do(
        writer,
        "DELETE FROM newcomer AS old USING merged AS new WHERE old.player = new.player AND old.first_at > new.first_at",
    )
    do(writer, "INSERT INTO newcomer SELECT player, first_at FROM merged ANTI JOIN newcomer USING (player)")
