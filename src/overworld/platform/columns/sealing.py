"""Sealing: hours that ended leave DuckDB for Parquet, days become one file, and what is old leaves the machine.

A file counts from the moment that its row in `file` commits, in the transaction that takes its rows out of the hot
table or its predecessors out of `file`; until then it is a stray that the next start removes. Files are written beside
the writer, which waits only for the commit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct

from overworld.platform.columns import files
from overworld.platform.columns.connection import Connection, do, one, rows
from overworld.platform.columns.layout import COLUMN_LIST

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_SPANS = {
    # Small groups of rows: whoever asks for one name reads those that have it. They still share words and cells.
    "hour": "COMPRESSION snappy, ROW_GROUP_SIZE 16384, DICTIONARY_SIZE_LIMIT 8192",
    "day": "COMPRESSION zstd, COMPRESSION_LEVEL 9",
}

_HOURS = """
SELECT hot.since, hot.rows, hot.oldest, coalesce(bool_or(file.path IS NOT NULL), false) AS sealed
FROM (SELECT date_trunc('hour', happened_at) AS since, count(*) AS rows, min(received_at) AS oldest FROM event
      WHERE batch <= $upto GROUP BY ALL) AS hot
LEFT JOIN file ON file.since <= hot.since AND file.until > hot.since
GROUP BY ALL ORDER BY hot.since"""

_TWINS = """
SELECT event_id FROM {events} WHERE event_id IN
  (SELECT event_id FROM event WHERE happened_at >= $since AND happened_at < $until AND batch <= $upto)
GROUP BY event_id HAVING count(*) > 1"""


class Hour(Struct, frozen=True):
    """An hour with hot rows. `oldest` is when the first of them came; `sealed` whether the hour has a file already."""

    since: datetime
    rows: int
    oldest: datetime
    sealed: bool


class Sealed(Struct, frozen=True, kw_only=True):
    """A file of events of `[since, until)`; `path` is below the store's folder."""

    path: str
    span: str
    since: datetime
    until: datetime
    rows: int
    bytes: int


def hours(reader: Connection, *, upto: int) -> list[Hour]:
    """The hours that hot rows of batches up to `upto` belong to, the oldest first."""
    return [Hour(*row) for row in rows(reader, _HOURS, {"upto": upto})]


def due(found: Sequence[Hour], *, now: datetime, after_s: float, late_after_s: float, rows_max: int) -> list[Hour]:
    """Those to seal: hours over for `after_s`; late rows after `late_after_s`; the oldest while there are too many."""
    over, gathered = now - HOUR - timedelta(seconds=after_s), now - timedelta(seconds=late_after_s)
    chosen, rest = [], sum(hour.rows for hour in found)
    for hour in found:
        ended = hour.since <= over and (not hour.sealed or hour.oldest <= gathered)
        if ended or rest > rows_max:
            chosen.append(hour)
            rest -= hour.rows
    return chosen


def twins(reader: Connection, folder: Path, hour: Hour, *, upto: int) -> list[object]:
    """Ids that an hour about to be sealed has twice, or that a file of the hour has already."""
    source = files.events_between(reader, folder, hour.since, hour.since + HOUR)
    values = {"since": hour.since, "until": hour.since + HOUR, "upto": upto}
    return [row[0] for row in rows(reader, _TWINS.format(events=source), values)]


def write_hour(reader: Connection, folder: Path, hour: Hour, *, upto: int) -> Sealed:
    """Writes the rows of an hour to a file that does not count yet."""
    since, until = hour.since, hour.since + HOUR
    path = f"{files.EVENTS}/{since:%Y-%m-%d}/{since:%H}-{upto}.parquet"
    (folder / path).unlink(missing_ok=True)  # what a round left that failed: while it counts, its rows are not hot
    source = (
        f"SELECT {COLUMN_LIST} FROM event WHERE happened_at >= TIMESTAMP '{since}' "  # noqa: S608  # instants
        f"AND happened_at < TIMESTAMP '{until}' AND batch <= {upto}"
    )
    return _written(reader, folder, path, source, span="hour", since=since, until=until)


def write_day(reader: Connection, folder: Path, day: datetime, paths: Sequence[str], *, now: datetime) -> Sealed:
    """Writes the files of a day as one, to a file that does not count yet."""
    listed = ", ".join(files.quoted(str(folder / path)) for path in paths)
    path = f"{files.EVENTS}/{day:%Y-%m-%d}/day-{now:%Y%m%dT%H%M%S%f}.parquet"
    source = f"SELECT {COLUMN_LIST} FROM read_parquet([{listed}])"  # noqa: S608  # constants and our own paths
    return _written(reader, folder, path, source, span="day", since=day, until=day + DAY)


def _written(
    reader: Connection,
    folder: Path,
    path: str,
    source: str,
    *,
    span: str,
    since: datetime,
    until: datetime,
) -> Sealed:
    count = write(reader, folder / path, source, span=span)
    size = (folder / path).stat().st_size
    return Sealed(path=path, span=span, since=since, until=until, rows=count, bytes=size)


def write(reader: Connection, target: Path, source: str, *, span: str) -> int:
    """Writes what a SELECT gives to a new file that does not count yet, on disk for good; how many rows.

    It is sorted by name and time, so that a question for one name reads little.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".parquet.part")
    if target.exists():
        raise FileExistsError(target)
    count: int = one(
        reader,
        f"COPY ({source} ORDER BY name, happened_at) TO {files.quoted(str(part))} (FORMAT parquet, {_SPANS[span]})",
    )
    _flush(part)
    part.rename(target)
    _flush(target.parent)
    _flush(target.parent.parent)
    return count


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def count_hour(writer: Connection, sealed: Sealed, *, upto: int, now: datetime) -> None:
    """Lets a file count for the hot rows it was written from. To be called in a transaction."""
    do(
        writer,
        "DELETE FROM event WHERE happened_at >= ? AND happened_at < ? AND batch <= ?",
        [sealed.since, sealed.until, upto],
    )
    _count(writer, sealed, now=now)


def count_day(writer: Connection, sealed: Sealed, paths: Sequence[str], *, now: datetime) -> None:
    """Lets a file count for those it was written from. To be called in a transaction."""
    for path in paths:
        do(writer, "INSERT INTO superseded VALUES (?, ?)", [path, sealed.path])
    doom(writer, paths, now=now)
    _count(writer, sealed, now=now)


def doom(writer: Connection, paths: Sequence[str], *, now: datetime) -> None:
    """Lets files count no more; they are removed once no reader can have them open. In a transaction."""
    for path in paths:
        do(writer, "DELETE FROM file WHERE path = ?", [path])
        do(writer, "INSERT OR REPLACE INTO doomed VALUES (?, ?)", [path, now])


def count_rest(writer: Connection, path: str, rest: Sealed | None, *, now: datetime) -> None:
    """Lets what is left of a file count in its place; None when nothing is. To be called in a transaction."""
    do(writer, "INSERT INTO superseded VALUES (?, ?)", [path, "" if rest is None else rest.path])
    doom(writer, [path], now=now)
    if rest is not None:
        _count(writer, rest, now=now)


def _count(writer: Connection, sealed: Sealed, *, now: datetime) -> None:
    do(
        writer,
        "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?)",
        [sealed.path, sealed.span, sealed.since, sealed.until, sealed.rows, sealed.bytes, now],
    )


def drop_twins(writer: Connection, folder: Path, hour: Hour, event_ids: Sequence[object]) -> None:
    """Deletes hot rows of an hour that a file of it has as well, and all but one of those that are hot alone."""
    values = {"since": hour.since, "until": hour.since + HOUR, "ids": list(event_ids)}
    paths = [
        row[0]
        for row in rows(
            writer,
            "SELECT path FROM file WHERE until > $since AND since < $until",
            {"since": values["since"], "until": values["until"]},
        )
    ]
    if paths:
        listed = ", ".join(files.quoted(str(folder / path)) for path in paths)
        do(
            writer,
            "DELETE FROM event WHERE happened_at >= $since AND happened_at < $until AND list_contains($ids, event_id) "  # noqa: S608
            f"AND event_id IN (SELECT event_id FROM read_parquet([{listed}]))",
            values,
        )
    do(
        writer,
        "DELETE FROM event WHERE rowid IN (SELECT unnest(list(rowid ORDER BY batch, rowid)[2:]) FROM event "
        "WHERE happened_at >= $since AND happened_at < $until AND list_contains($ids, event_id) GROUP BY event_id)",
        values,
    )


def days_of_hours(reader: Connection, *, before: datetime) -> list[tuple[datetime, list[str]]]:
    """The days that ended before `before` and have files of hours, with all their files."""
    found = rows(
        reader,
        "SELECT date_trunc('day', since)::TIMESTAMP AS day, list(path ORDER BY since, path) FROM file "
        "WHERE until <= $before GROUP BY day HAVING bool_or(span = 'hour') AND day + INTERVAL 1 DAY <= $before "
        "ORDER BY day",
        {"before": before},
    )
    return [(day, paths) for day, paths in found]


def archived(reader: Connection, *, before: datetime) -> list[str]:
    """The files that the archive has and whose events are all older than `before`."""
    found = rows(reader, "SELECT path FROM file SEMI JOIN archived USING (path) WHERE until <= ?", [before])
    return [path for (path,) in found]


def take_doomed(writer: Connection, *, before: datetime) -> list[str]:
    """Strikes files off that ceased to count before `before`; their paths. In a transaction.

    One that a crash leaves on disk after this is a stray for the next start.
    """
    return [row[0] for row in rows(writer, "DELETE FROM doomed WHERE doomed_at <= ? RETURNING path", [before])]
