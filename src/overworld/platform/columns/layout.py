"""How the store lies in DuckDB, and the SQL that its parts share.

Instants are TIMESTAMP columns in UTC. `cell` holds the 64 bits of an S2 cell as a signed integer, as S2's own libraries
for Java and Spark do.
"""

from __future__ import annotations

COLUMNS = (
    "event_id",
    "happened_at",
    "received_at",
    "name",
    "source",
    "player",
    "session",
    "cell",
    "country",
    "platform",
    "device",
    "value",
    "exposures",
    "properties",
    "weight",
)
"""Those of an event, in the order in which they lie in DuckDB, Parquet and Iceberg: those of `events.SCHEMA`, but that
`at`, a word of SQL, is `happened_at` here.
"""

COLUMN_LIST = ", ".join(COLUMNS)

SKETCH_SIZE = 1024
"""Smallest hashes that a sketch of distinct players keeps; its standard error is 1 / sqrt(SKETCH_SIZE - 2), 3.1 %."""

_ROLLUP = """
  since TIMESTAMP NOT NULL, name VARCHAR NOT NULL, dimension VARCHAR NOT NULL, key VARCHAR NOT NULL,
  count BIGINT NOT NULL, valued BIGINT NOT NULL, total DOUBLE NOT NULL, players BIGINT NOT NULL,
  sketch UBIGINT[] NOT NULL"""

TABLES = f"""
CREATE TABLE IF NOT EXISTS event (
  batch BIGINT NOT NULL, event_id UUID NOT NULL, happened_at TIMESTAMP NOT NULL, received_at TIMESTAMP NOT NULL,
  name VARCHAR NOT NULL, source VARCHAR NOT NULL, player UUID, session VARCHAR, cell BIGINT, country VARCHAR,
  platform VARCHAR, device VARCHAR, value DOUBLE, exposures VARCHAR[] NOT NULL, properties VARCHAR NOT NULL,
  weight BIGINT NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS place (name VARCHAR PRIMARY KEY, position BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS counter (name VARCHAR PRIMARY KEY, value BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
  path VARCHAR PRIMARY KEY, span VARCHAR NOT NULL, since TIMESTAMP NOT NULL, until TIMESTAMP NOT NULL,
  rows BIGINT NOT NULL, bytes BIGINT NOT NULL, sealed_at TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS doomed (path VARCHAR PRIMARY KEY, doomed_at TIMESTAMP NOT NULL);
CREATE TABLE IF NOT EXISTS superseded (path VARCHAR PRIMARY KEY, made_into VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS archived (path VARCHAR PRIMARY KEY);
CREATE TABLE IF NOT EXISTS rollup_hour ({_ROLLUP});
CREATE TABLE IF NOT EXISTS rollup_day ({_ROLLUP});
CREATE TABLE IF NOT EXISTS presence (
  day DATE NOT NULL, player UUID NOT NULL, first_at TIMESTAMP NOT NULL, last_at TIMESTAMP NOT NULL,
  count BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS newcomer (player UUID NOT NULL, first_at TIMESTAMP NOT NULL);
CREATE TABLE IF NOT EXISTS erasure (
  player UUID PRIMARY KEY, asked_at TIMESTAMP NOT NULL, swept_at TIMESTAMP, done_at TIMESTAMP
);
"""
"""`rollup_*`: one row per (`since`, `name`, `dimension`, `key`). An empty `name` stands for all events together;
`dimension` is "" (no division, `key` is ""), "cell", "country" or "platform". `sketch` holds the smallest hashes of
players, ascending. `presence`: one row per day and player with an event. `newcomer`: when a player was first seen, kept
for good. `file`: sealed Parquet files that count; one that is on disk and not here does not. `doomed`: files that no
longer count, until nobody can be reading them. `superseded`: what files were made of others (an empty name: nothing of
one was left); `archived`: those that the archive has. `erasure`: who is to be erased; `swept_at` is when nothing that
counts had them any more, `done_at` when nothing on disk or in the archive had.
"""

PLAYER_HASH = "(player::UHUGEINT >> 64)::UBIGINT"
"""The first half of a pseudonym, which is a BLAKE2b digest already and so needs no further hashing."""


def parent_cell(column: str, level: int) -> str:
    """SQL for the S2 cell at `level` around a cell in `column` (the cell itself, when that is no finer)."""
    bit = 1 << 2 * (30 - level)
    return f"CASE WHEN ({column} & {bit - 1}) = 0 THEN {column} ELSE ({column} & -{bit}) | {bit} END"


def estimate(sketch: str) -> str:
    """SQL for the distinct players of a sketch: exact while it is not full.

    Source: k minimum values, Bar-Yossef et al., Counting distinct elements in a data stream, RANDOM 2002: (k - 1) / v.
    """
    full = f"round({SKETCH_SIZE - 1} * 18446744073709551616.0 / ({sketch}[{SKETCH_SIZE}]::DOUBLE + 1))::BIGINT"
    return f"CASE WHEN len({sketch}) < {SKETCH_SIZE} THEN len({sketch}) ELSE {full} END"


def merged(sketches: str) -> str:
    """SQL for one sketch out of a list of them."""
    return f"list_sort(list_distinct(flatten({sketches})))[:{SKETCH_SIZE}]"
