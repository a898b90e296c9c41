"""An analyst's own DuckDB: reads what a store holds, changes nothing, reaches nothing else, and takes what it is given.

It lies in the process that asks. A question that crashes it, or fills its memory, is nobody else's trouble.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING

import duckdb
import msgspec
from msgspec import Struct

from overworld.platform.columns.connection import Connection, do
from overworld.platform.columns.errors import BadSql, NoStore
from overworld.platform.columns.files import quoted
from overworld.platform.columns.layout import COLUMN_LIST
from overworld.platform.columns.lending import LENT, SOCKET, TABLES, Loan, Wanted, lent
from overworld.platform.columns.store import FILE

if TYPE_CHECKING:
    import pyarrow as pa

_VIEW = "events"
_BATCH_ROWS = 50_000


class Bounds(Struct, frozen=True, kw_only=True):
    """What a question may take."""

    memory_mb: int
    timeout_s: float
    rows_max: int
    threads: int = 2


class Asked(Struct, frozen=True):
    """An answer on its way. `truncated` says, once all of it was read, that there was more."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    truncated: list[bool]


@contextmanager
def asked(folder: Path, sql: str, *, bounds: Bounds) -> Iterator[Asked]:
    """Asks the store of a folder; what it says is read while the block runs.

    The SQL may be one SELECT over `events`, `rollup_hour`, `rollup_day`, `presence` and `newcomer`. It reaches no file
    and no network. Raises, then or while it is read: BadSql; NoStore.
    """
    with ExitStack() as stack:
        spill = stack.enter_context(TemporaryDirectory(prefix="overworld-query-"))
        connection = stack.enter_context(_connected(bounds, spill))
        statement = _checked(connection, sql)
        stack.enter_context(_views(connection, folder.absolute(), sql, spill=Path(spill)))
        timer = Timer(bounds.timeout_s, connection.interrupt)
        timer.daemon = True
        timer.start()
        stack.callback(timer.cancel)
        with _refusals(bounds):
            reader = connection.sql(statement).to_arrow_reader(_BATCH_ROWS)
        truncated = [False]
        yield Asked(reader.schema, _limited(reader, bounds, truncated), truncated)


def _limited(reader: pa.RecordBatchReader, bounds: Bounds, truncated: list[bool]) -> Iterator[pa.RecordBatch]:
    left = bounds.rows_max
    with _refusals(bounds):
        for batch in reader:
            if batch.num_rows > left:
                truncated[0] = True
            if left and batch.num_rows:
                yield batch.slice(0, left)
            left -= min(left, batch.num_rows)
            if truncated[0]:
                return


@contextmanager
def _refusals(bounds: Bounds) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise BadSql(f"it takes longer than {bounds.timeout_s:g} s") from error
    except duckdb.OutOfMemoryException as error:
        raise BadSql(f"it needs more than {bounds.memory_mb} MB of memory") from error
    except (duckdb.Error, OSError) as error:  # Arrow tells of what happens while it reads as an OSError
        if "INTERRUPT" in str(error):
            raise BadSql(f"it takes longer than {bounds.timeout_s:g} s") from error
        raise BadSql(str(error)) from error


@contextmanager
def _connected(bounds: Bounds, spill: str) -> Iterator[Connection]:
    connection = duckdb.connect(
        config={
            "memory_limit": f"{bounds.memory_mb}MB",
            "threads": bounds.threads,
            "temp_directory": spill,
            "max_temp_directory_size": f"{8 * bounds.memory_mb}MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        yield connection
    finally:
        connection.close()


def _checked(connection: Connection, sql: str) -> str:
    """The SQL, if it is one statement that only reads. Raises: BadSql."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise BadSql(str(error)) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise BadSql("ask by one SELECT")
    return str(statements[0].query)


@contextmanager
def _views(connection: Connection, folder: Path, sql: str, *, spill: Path) -> Iterator[None]:
    """Makes the tables that the SQL names and shuts everything else out."""
    named = {word.lower() for word in re.findall(r"\w+", sql)}
    tables = [table for table in TABLES if table in named or (table == "event" and _VIEW in named)]
    with ExitStack() as stack:
        path = folder / SOCKET
        loan = stack.enter_context(_borrowed(path, tables)) if path.is_socket() else None
        loan = loan or _copied(folder, tables, into=spill)
        for table, file in loan.tables.items():
            do(connection, f"CREATE VIEW {table} AS FROM read_parquet({quoted(file)})")
        if "event" in loan.tables:
            parts = [f"SELECT {COLUMN_LIST} FROM event"]  # noqa: S608  # constants and our own paths
            if loan.sealed:
                listed = ", ".join(map(quoted, loan.sealed))
                parts.append(f"SELECT {COLUMN_LIST} FROM read_parquet([{listed}])")  # noqa: S608
            do(connection, f"CREATE VIEW {_VIEW} AS {' UNION ALL '.join(parts)}")
        allowed = ", ".join(map(quoted, [*loan.tables.values(), *loan.sealed]))
        do(connection, f"SET allowed_paths = [{allowed}]")
        do(connection, "SET enable_external_access = false")
        do(connection, "SET lock_configuration = true")
        yield


@contextmanager
def _borrowed(path: Path, tables: list[str]) -> Iterator[Loan | None]:
    """What the running server lends; None when none answers."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
        except ConnectionRefusedError:
            yield None
            return
        except PermissionError as error:
            raise NoStore(f"{path} belongs to another user; ask as the user that runs the server") from error
        line.sendall(msgspec.json.encode(Wanted(tables)) + b"\n")
        told = line.makefile("rb").readline()
        if not told:
            raise NoStore("the server does not lend what it holds; its log says why")
        yield msgspec.json.decode(told, type=Loan)


def _copied(folder: Path, tables: list[str], *, into: Path) -> Loan:
    """The same from the store itself, which no server has open."""
    if not (folder / FILE).exists():
        raise NoStore(f"there is none in {folder}; a server makes it in its data folder, which --data names")
    try:
        with duckdb.connect(folder / FILE, read_only=True) as store:
            return lent(store, into / LENT, tables, home=folder)
    except duckdb.Error as error:
        raise NoStore(f"the store in {folder} cannot be opened: {error}") from error
