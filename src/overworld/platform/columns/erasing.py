"""Players taken out of the store: of hot rows, of who was there when, of sketches, and of Parquet files.

What they did together with all others stays counted. In what others did they become nobody: thirty-two zeros.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from uuid import UUID

from msgspec.structs import replace

from overworld.platform.columns import layout
from overworld.platform.columns.connection import Connection, do, one, rows
from overworld.platform.columns.events import NOBODY
from overworld.platform.columns.files import quoted
from overworld.platform.columns.sealing import Sealed, write

_AGAIN = re.compile(r"(?P<stem>.*?)(?:-e(?P<times>\d+))?")
_TOP = "18446744073709549568.0"  # the last double below 2^64

_ASK = """
INSERT INTO erasure SELECT unnest($players::UUID[]), $at, NULL, NULL
ON CONFLICT (player) DO UPDATE SET asked_at = excluded.asked_at, swept_at = NULL, done_at = NULL
WHERE excluded.asked_at > erasure.asked_at"""

_HASHES = f"SELECT list({layout.PLAYER_HASH}) FROM (SELECT unnest($players::UUID[]) AS player)"  # noqa: S608  # constants

_STRANGERS = f"""
UPDATE rollup_{{span}} SET sketch = list_sort(list_transform(sketch, lambda who: CASE
  WHEN NOT list_contains($hashes, who) THEN who
  WHEN len(sketch) < {layout.SKETCH_SIZE} THEN (random() * {_TOP})::UBIGINT
  ELSE (random() * sketch[{layout.SKETCH_SIZE}]::DOUBLE * 0.999)::UBIGINT END))
WHERE list_has_any(sketch, $hashes)"""  # noqa: S608  # constants
"""A hash gives way to one drawn by chance, another in each row, so that rows are not tied to each other; the number of
players stays. In a full sketch it stays below the largest, by which the others are estimated.
"""

_SEALED = ("path", "span", "since", "until", "rows", "bytes")
_FILES = f"SELECT {', '.join(_SEALED)} FROM file ORDER BY since, path"  # noqa: S608  # constants

_PENDING = """
SELECT player, swept_at IS NOT NULL AS swept,
       swept_at IS NOT NULL AND NOT EXISTS (FROM doomed WHERE doomed_at <= swept_at) AS ready
FROM erasure WHERE done_at IS NULL ORDER BY swept, asked_at, player LIMIT $limit"""


def ask(writer: Connection, players: Sequence[UUID], *, at: datetime) -> None:
    """Notes who is to be erased; who was asked for then or later stays as it is. To be called in a transaction."""
    do(writer, _ASK, {"players": list(players), "at": at})


def known(reader: Connection) -> list[bytes]:
    """All who were asked for: nothing of them may come in."""
    return [player.bytes for (player,) in rows(reader, "SELECT player FROM erasure ORDER BY player")]


def pending(reader: Connection, *, limit: int) -> list[tuple[UUID, bool, bool]]:
    """Whose erasure is not done, whether the store has swept them out, and whether what it doomed then is gone."""
    return [(player, swept, ready) for player, swept, ready in rows(reader, _PENDING, {"limit": limit})]


def mark(writer: Connection, step: str, players: Sequence[UUID], *, at: datetime) -> None:
    """Says that a step (`swept` or `done`) was reached. To be called in a transaction."""
    do(writer, f"UPDATE erasure SET {step}_at = $at WHERE player = ANY($players)", {"players": list(players), "at": at})  # noqa: S608  # one of two words


def from_tables(writer: Connection, players: Sequence[UUID]) -> None:
    """Erases players from what lies in DuckDB. To be called in a transaction, when rollups have all that is hot."""
    values = {"players": list(players)}
    for table in ("event", "presence", "newcomer"):
        do(writer, f"DELETE FROM {table} WHERE player = ANY($players)", values)  # noqa: S608  # one of three words
    do(
        writer,
        "UPDATE event SET properties = regexp_replace(properties, $pattern, $nobody, 'g') "
        "WHERE source = 'platform' AND regexp_matches(properties, $pattern)",
        {"pattern": pattern(players), "nobody": NOBODY},
    )
    hashes = one(writer, _HASHES, values)
    for span in ("hour", "day"):
        do(writer, _STRANGERS.format(span=span), {"hashes": hashes})


def holding(reader: Connection, paths: Sequence[Path], players: Sequence[UUID]) -> set[Path]:
    """Which of the files have something of the players."""
    if not paths:
        return set()
    listed = ", ".join(quoted(str(path)) for path in paths)
    found = rows(
        reader,
        f"SELECT DISTINCT filename FROM read_parquet([{listed}], filename = true) WHERE player = ANY($players) "  # noqa: S608  # our own paths
        "OR (source = 'platform' AND regexp_matches(properties, $pattern))",
        {"players": list(players), "pattern": pattern(players)},
    )
    return {Path(name) for (name,) in found}


def files_with(reader: Connection, folder: Path, players: Sequence[UUID]) -> list[Sealed]:
    """The files that count and have something of the players."""
    counted = [Sealed(**dict(zip(_SEALED, row, strict=True))) for row in rows(reader, _FILES)]
    found = holding(reader, [folder / sealed.path for sealed in counted], players)
    return [sealed for sealed in counted if folder / sealed.path in found]


def rest_of(reader: Connection, folder: Path, sealed: Sealed, players: Sequence[UUID]) -> Sealed | None:
    """Writes what is left of a file to one that does not count yet; None when nothing is left."""
    path = next_name(sealed.path)
    count = write_rest(reader, folder / sealed.path, folder / path, players, span=sealed.span)
    return replace(sealed, path=path, rows=count, bytes=(folder / path).stat().st_size) if count else None


def write_rest(reader: Connection, source: Path, target: Path, players: Sequence[UUID], *, span: str) -> int:
    """Writes what is left of a file without the players; how many rows. Nothing is written when none are left."""
    listed = ", ".join(f"UUID '{player}'" for player in players)
    others = f"FROM read_parquet({quoted(str(source))}) WHERE player IS NULL OR player NOT IN ({listed})"
    if not one(reader, f"SELECT count(*) {others}"):
        return 0
    nobody = (
        f"CASE WHEN source = 'platform' THEN regexp_replace(properties, '{pattern(players)}', '{NOBODY}', 'g') "
        "ELSE properties END AS properties"
    )
    target.unlink(missing_ok=True)  # what a round left that failed
    return write(reader, target, f"SELECT * REPLACE ({nobody}) {others}", span=span)  # our own paths and ids


def next_name(path: str) -> str:
    """The name of what is left of a file: the same for the same file, whenever it is made."""
    whole = PurePosixPath(path)
    matched = _AGAIN.fullmatch(whole.stem)
    assert matched is not None, path  # noqa: S101  # it matches everything
    return str(whole.with_stem(f"{matched['stem']}-e{int(matched['times'] or 0) + 1}"))


def pattern(players: Sequence[UUID]) -> str:
    """What finds the players in properties: a regular expression of RE2."""
    return "|".join(player.hex for player in players)
