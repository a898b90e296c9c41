"""Events in columns: hot rows in DuckDB, each sealed hour a Parquet file.

One process writes; readers never wait for it, nor it for them. Heavy libraries (pyarrow, duckdb) are imported when the
first room is asked for, not with this package.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.columns.ports import ErasableColumns, EventColumns
else:
    __getattr__ = door(__name__, ports=["ErasableColumns", "EventColumns"])

__all__ = ["ErasableColumns", "EventColumns"]
