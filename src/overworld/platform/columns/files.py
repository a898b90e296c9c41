"""The sealed files of the store: where they lie, which count, and how a question reads them beside hot rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from overworld.platform.columns.connection import Connection, rows
from overworld.platform.columns.layout import COLUMN_LIST

EVENTS = "events"

_OVERLAPPING = """
SELECT path, ($since IS NULL OR since >= $since) AND ($until IS NULL OR until <= $until) AS whole FROM file
WHERE ($since IS NULL OR until > $since) AND ($until IS NULL OR since < $until) ORDER BY since, path"""


def events_between(reader: Connection, folder: Path, since: datetime | None, until: datetime | None) -> str:
    """SQL for the events of `[since, until)`, in brackets; to be read in the same transaction."""
    bounds = {"since": _plain(since), "until": _plain(until)}
    found = rows(reader, _OVERLAPPING, bounds)
    within = " AND ".join(
        f"happened_at {sign} TIMESTAMP '{bound}'"
        for sign, bound in ((">=", bounds["since"]), ("<", bounds["until"]))
        if bound is not None
    )
    where = f" WHERE {within}" if within else ""
    parts = [f"SELECT {COLUMN_LIST} FROM event{where}"]  # noqa: S608  # constants and instants
    # Of files that lie in the span nobody has to look at the time of every row.
    for paths, condition in (
        ([path for path, is_whole in found if is_whole], ""),
        ([path for path, is_whole in found if not is_whole], where),
    ):
        if paths:
            listed = ", ".join(quoted(str(folder / path)) for path in paths)
            parts.append(f"SELECT {COLUMN_LIST} FROM read_parquet([{listed}]){condition}")  # noqa: S608
    return f"({' UNION ALL '.join(parts)})"


def forget_strays(writer: Connection, folder: Path) -> None:
    """Removes files that no table counts: a crash came between a file and its row."""
    known = {row[0] for row in rows(writer, "SELECT path FROM file UNION ALL SELECT path FROM doomed")}
    for path in (folder / EVENTS).rglob("*.parquet*"):
        if str(path.relative_to(folder)) not in known:
            path.unlink()


def quoted(text: str) -> str:
    """The text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _plain(at: datetime | None) -> Any:
    return None if at is None else at.replace(tzinfo=None)
