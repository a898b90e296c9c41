"""`overworld query`: analysts' questions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from overworld.app.commands.flags import Flags

Format = Literal["table", "csv", "json", "parquet"]


def query(
    sql: str,
    *,
    out: Path | None = None,
    format: Annotated[Format | None, Parameter(name="--format", show_default=False)] = None,
    rows: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000_000))] = 10_000,
    memory_mb: Annotated[int, Parameter(validator=Number(gte=64, lte=1_000_000))] = 512,
    timeout_s: Annotated[float, Parameter(validator=Number(gt=0, lte=86_400))] = 60.0,
    flags: Flags = Flags(),
) -> int:
    """Ask what happened, in SQL, beside the running server or without one.

    There are `events` (one row each; docs/analytics.md tells their columns), `rollup_hour` and `rollup_day` (counts),
    `presence` (which player was there on which day) and `newcomer` (when players were first seen). The SQL is DuckDB's:
    one SELECT, which changes nothing and reaches no file and no network. It runs in this process, not in the server.

    For example:
      overworld query "SELECT name, count(*) FROM events GROUP BY name"
      overworld query "SELECT since, players FROM rollup_day" --format json
      overworld query "SELECT * FROM events" --out events.parquet

    Exit codes: 0 done, 1 it cannot be asked, takes too long or too much, or there is no store.

    Parameters
    ----------
    sql
        One SELECT.
    out
        A file for the answer; its ending says the format: .csv, .json or .parquet.
    format
        How to write it: table, csv, json (an object a line) or parquet.
    rows
        No more rows than this; that there were more is said on standard error.
    memory_mb
        Memory that the question may take; beyond it works on disk, up to eight times as much.
    timeout_s
        Longest that it may take.
    """
    settings = flags.settings().tree

    from overworld.app import query_tools
    from overworld.platform.columns.asking import Bounds
    from overworld.platform.columns.room import FOLDER

    told = query_tools.tell(
        settings.data / FOLDER,
        sql,
        bounds=Bounds(memory_mb=memory_mb, timeout_s=timeout_s, rows_max=rows),
        format=format,
        out=out,
    )
    if told.truncated:
        sys.stderr.write(f"overworld: there are more than {rows} rows; --rows tells more of them\n")
    return 0
