"""Lends what a running server holds in DuckDB to an analyst on the same machine, so that his questions run elsewhere.

A socket in the store's folder, which only the server's own user may open, takes the names of tables and tells of
Parquet files with what is in them now. They are there until the other side hangs up.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec
import structlog
from msgspec import Struct

from overworld.platform.columns.connection import Connection, do, rows
from overworld.platform.columns.files import quoted
from overworld.platform.columns.store import Columns

SOCKET = "ask.sock"
LENT = "lent"
TABLES = ("event", "rollup_hour", "rollup_day", "presence", "newcomer")
_LINE_MAX = 1_024
_PATH_LENGTH_MAX = 100


class Wanted(Struct, frozen=True):
    """Which tables somebody asks for."""

    tables: list[str]


class Loan(Struct, frozen=True):
    """Files with what each table holds, and the sealed files of events that go with them, all at one instant."""

    tables: dict[str, str]
    sealed: list[str]


class Lending:
    """Answers on the socket while it runs: from `open` on; `idle` is when nothing is lent."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._folder = columns.folder.absolute()
        self._loans = 0
        self.open = asyncio.Event()
        self.idle = asyncio.Event()

    async def run(self) -> None:
        """Serves until it is cancelled. Where the folder's path is too long for a socket, nothing is lent."""
        await asyncio.to_thread(shutil.rmtree, self._folder / LENT, ignore_errors=True)
        path = self._folder / SOCKET
        if len(str(path).encode()) > _PATH_LENGTH_MAX:
            structlog.get_logger("overworld.columns").warning("the path is too long for a socket", path=str(path))
            return
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._lend, path, limit=_LINE_MAX)
        try:
            path.chmod(0o600)
            self.open.set()
            await server.serve_forever()
        finally:
            server.close()
            path.unlink(missing_ok=True)

    async def _lend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder = self._folder / LENT / uuid4().hex
        self._loans += 1
        self.idle.clear()
        try:
            wanted = msgspec.json.decode(await reader.readline(), type=Wanted)
            tables = [table for table in TABLES if table in wanted.tables]
            loan = await self._columns.beside(lambda source: lent(source, folder, tables, home=self._folder))
            writer.write(msgspec.json.encode(loan) + b"\n")
            await writer.drain()
            await reader.read()
        except (ValueError, OSError) as error:
            structlog.get_logger("overworld.columns").warning("nothing was lent", reason=str(error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            self._loans -= 1
            if not self._loans:
                self.idle.set()


def lent(source: Connection, folder: Path, tables: list[str], *, home: Path) -> Loan:
    """Writes what tables hold into a new folder; `home` is that of the store."""
    folder.mkdir(parents=True)
    files = {}
    for table in tables:
        files[table] = str(folder / f"{table}.parquet")
        do(source, f"COPY {table} TO {quoted(files[table])} (FORMAT parquet)")
    return Loan(files, [str(home / path) for (path,) in rows(source, "SELECT path FROM file ORDER BY since, path")])
