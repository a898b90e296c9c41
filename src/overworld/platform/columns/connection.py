"""What the store asks DuckDB through: whole answers only, since a connection takes nothing new before the last row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

Connection = duckdb.DuckDBPyConnection


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All that the block does, or nothing."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def rows(connection: Connection, sql: str, values: Any = None) -> list[Any]:
    """Every row, as tuples."""
    return connection.execute(sql, values).fetchall()


def one(connection: Connection, sql: str, values: Any = None) -> Any:
    """The first column of the first row; None without any."""
    found = rows(connection, sql, values)
    return found[0][0] if found else None


def table(connection: Connection, sql: str, values: Mapping[str, Any] | None = None) -> pa.Table:
    """The answer in columns."""
    return connection.sql(sql, params=dict(values) if values else None).to_arrow_table()


def do(connection: Connection, sql: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> None:
    """Runs a statement for its effect."""
    connection.execute(sql, values).fetchall()
