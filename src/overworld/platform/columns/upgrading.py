"""A store that an older version wrote, brought to what this one expects."""

from __future__ import annotations

from pathlib import Path

from overworld.platform.columns import sealing
from overworld.platform.columns.connection import Connection, do, rows
from overworld.platform.columns.files import quoted

_COLUMNS = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'event'"


def bring_up(writer: Connection, folder: Path) -> None:
    """Gives events the column `weight` where they have none: first the files, one by one, then the hot rows.

    So a start that is killed halfway goes on with the next one. What lies in the archive stays as it is.
    """
    if "weight" in {name for (name,) in rows(writer, _COLUMNS)}:
        return
    for path, span in rows(writer, "SELECT path, span FROM file ORDER BY path"):
        source = folder / path
        read = f"FROM read_parquet({quoted(str(source))})"
        if "weight" in {name for name, *_ in rows(writer, f"DESCRIBE {read}")}:
            continue
        made = source.with_stem(f"{source.stem}-w")
        sealing.write(writer, made, f"SELECT *, 1::BIGINT AS weight {read}", span=span)  # our own paths
        made.replace(source)
    do(writer, "ALTER TABLE event ADD COLUMN weight BIGINT DEFAULT 1")
