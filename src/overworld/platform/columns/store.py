"""The store of events: one writer, any number of readers, all in DuckDB.

Everything that writes runs in one thread, so that batches, rollups and sealing never meet. Readers have threads and
connections of their own: DuckDB shows each the state at its beginning, whatever is written meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import duckdb
import pyarrow as pa

from overworld.kernel.refusals import Fault
from overworld.platform.columns import erasing, files, layout, upgrading
from overworld.platform.columns.arriving import Arriving, Erased, arrived, data_of, erased_of
from overworld.platform.columns.connection import Connection, do, one, table, transaction
from overworld.platform.columns.errors import TooLong
from overworld.platform.columns.figures import Figures
from overworld.platform.columns.seen import Seen, keys_of
from overworld.platform.columns.settings import ColumnSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
FILE = "events.duckdb"
SPILL = "spill"


class Columns:
    """The events of a folder. Made by `opened`; give it back with `close`."""

    def __init__(self, folder: Path, *, settings: ColumnSettings, figures: Figures) -> None:
        self.folder = folder
        self.settings = settings
        self.figures = figures
        self._erased: Erased | None = None
        self._seen = Seen(settings.seen_max)
        self._writing = ThreadPoolExecutor(1, "columns-writer")
        self._reading = ThreadPoolExecutor(settings.readers, "columns-reader")
        self._writer = _connected(folder, settings)
        self.batch = 0

    async def append(self, batches: Sequence[pa.RecordBatch], *, place: str, at: int) -> None:
        """Keeps the batches and where `place` stands, as `EventColumns` says."""
        await self.write(lambda writer: self._append(writer, arrived(batches), place=place, at=at))

    async def placed(self, place: str) -> int | None:
        """How far `place` is; None before its first batch."""
        rows = await self.read("SELECT position FROM place WHERE name = $place", {"place": place})
        return None if not rows.num_rows else int(rows[0][0].as_py())

    async def erase(self, players: Sequence[bytes], *, at: datetime) -> None:
        """Begins to erase players, as `ErasableColumns` says; `Keeping` goes on with it."""
        wanted, asked_at = [UUID(bytes=player) for player in players], at.replace(tzinfo=None)

        def ask(writer: Connection) -> None:
            with transaction(writer):
                erasing.ask(writer, wanted, at=asked_at)
            self._erased = erased_of(erasing.known(writer))

        await self.write(ask)

    async def erased(self) -> set[bytes]:
        """Of whom nothing is left."""
        found = await self.read("SELECT player FROM erasure WHERE done_at IS NOT NULL")
        return {player.bytes for player in found["player"].to_pylist()}

    async def forget_erased(self, *, before: datetime) -> None:
        """Lets those in again whose erasure was done before."""

        def forget(writer: Connection) -> None:
            do(writer, "DELETE FROM erasure WHERE done_at < ?", [before.replace(tzinfo=None)])
            self._erased = erased_of(erasing.known(writer))

        await self.write(forget)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs work in the writer's thread, after all that came before it. Raises: what it raises; Fault."""
        return await self._guarded(self._writing, lambda: work(self._writer))

    async def beside(self, work: Callable[[Connection], T]) -> T:
        """Runs long work of the store's own beside the writer, on one snapshot, for as long as it takes."""
        return await self._guarded(None, lambda: self._beside(work))

    async def read(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> pa.Table:
        """The answer to a question, in which `{events}` stands for the events of `[since, until)`, hot and sealed.

        Raises: TooLong; Busy when too many wait already; Fault.
        """
        with self.figures.questions.standing():
            try:
                found: pa.Table = await asyncio.get_running_loop().run_in_executor(
                    self._reading, self._read, sql, dict(values or {}), since, until
                )
            except (Fault, TooLong) as error:
                self.figures.counts["too_long" if isinstance(error, TooLong) else "failed"] += 1
                raise
        self.figures.counts["answered"] += 1
        return found

    async def close(self) -> None:
        """Ends it, once all that was begun is done."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._reading.shutdown()
        self._writing.shutdown()
        self._writer.close()

    def start(self) -> None:
        """Makes what is missing and puts in order what a crash has left."""
        with transaction(self._writer):
            do(self._writer, layout.TABLES)
        files.forget_strays(self._writer, self.folder)
        upgrading.bring_up(self._writer, self.folder)
        do(self._writer, "SET GLOBAL parquet_metadata_cache = true")  # from now on no file changes under its name
        self.batch = int(one(self._writer, "SELECT coalesce(max(batch), 0) FROM event"))
        self.batch = max(self.batch, int(one(self._writer, "SELECT coalesce(max(value), 0) FROM counter")))
        self._erased = erased_of(erasing.known(self._writer))
        newest = table(
            self._writer,
            "SELECT event_id FROM event ORDER BY batch DESC, received_at DESC LIMIT $ids",
            {"ids": self.settings.seen_max},
        )
        if newest.num_rows:
            ids = newest["event_id"].combine_chunks()
            self._seen.add(keys_of(data_of(ids))[::-1])

    def _append(self, writer: Connection, arriving: Arriving, *, place: str, at: int) -> None:
        with transaction(writer):
            known = one(writer, "SELECT position FROM place WHERE name = ?", [place])
            if known is not None and known >= at:
                return
            came = arriving.rows.num_rows
            if self._erased is not None and came:
                arriving = arriving.without(self._erased)
            kept_out = came - arriving.rows.num_rows
            fresh, doubled = self._fresh(writer, arriving)
            if fresh.num_rows:
                writer.register("arriving", fresh)
                do(
                    writer,
                    f"INSERT INTO event BY NAME SELECT $batch::BIGINT AS batch, {layout.COLUMN_LIST} FROM arriving",  # noqa: S608  # constants
                    {"batch": self.batch + 1},
                )
                writer.unregister("arriving")
            do(writer, "INSERT OR REPLACE INTO place VALUES (?, ?)", [place, at])
        self.batch += 1
        self._seen.add(arriving.keys)
        self.figures.counts.update(written=fresh.num_rows, doubled=doubled, kept_out=kept_out)

    def _fresh(self, writer: Connection, arriving: Arriving) -> tuple[pa.Table, int]:
        """What is not kept already, and how many rows were."""
        likely = self._seen.find(arriving.keys)
        if not likely.any():
            return arriving.rows, 0
        twins = arriving.twins(likely, hot=lambda ids: _hot_among(writer, ids))
        return arriving.rows.filter(pa.array(~twins)), int(twins.sum())

    def _beside(self, work: Callable[[Connection], T]) -> T:
        with self._writer.cursor() as reader:
            reader.begin()
            return work(reader)

    async def _guarded(self, executor: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
            self.figures.counts["failed"] += 1
            raise Fault(f"the store of events does not take it: {error}") from error

    def _read(self, sql: str, values: dict[str, Any], since: datetime | None, until: datetime | None) -> pa.Table:
        with _cursor(self._writer, timeout_s=self.settings.timeout_s) as reader:
            if "{events}" in sql:
                sql = sql.replace("{events}", files.events_between(reader, self.folder, since, until))
            return table(reader, sql, values)


async def opened(folder: Path, *, settings: ColumnSettings, figures: Figures | None = None) -> Columns:
    """The store of a folder, made when there is none. One process at a time. Raises: Fault when it cannot be had."""
    return await asyncio.get_running_loop().run_in_executor(None, _opened, folder, settings, figures or Figures())


def _opened(folder: Path, settings: ColumnSettings, figures: Figures) -> Columns:
    # Arrow's own allocator keeps what batches took before, 40 MB of it beside a busy world.
    pa.set_memory_pool(pa.system_memory_pool())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        columns = Columns(folder, settings=settings, figures=figures)
        columns.start()
    except duckdb.Error as error:
        raise Fault(f"the store of events in {folder} cannot be opened: {error}") from error
    return columns


def _connected(folder: Path, settings: ColumnSettings) -> Connection:
    return duckdb.connect(
        folder / FILE,
        config={
            "memory_limit": f"{settings.memory_mb}MB",
            "threads": settings.threads,
            "temp_directory": str(folder / SPILL),
            "max_temp_directory_size": f"{settings.spill_mb}MB",
            # What a task is done with goes back to the system then, not once 128 MB of it lie about.
            "allocator_background_threads": True,
            "allocator_flush_threshold": "1MB",
            "arrow_lossless_conversion": True,  # a UUID stays one
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )


@contextmanager
def _cursor(connection: Connection, *, timeout_s: float) -> Iterator[Connection]:
    """A reader's own connection with one snapshot for all that the block asks. Raises: TooLong."""
    reader = connection.cursor()
    timer = Timer(timeout_s, reader.interrupt)
    timer.daemon = True
    timer.start()
    try:
        reader.begin()
        yield reader
    except duckdb.InterruptException as error:
        raise TooLong from error
    except duckdb.OutOfMemoryException as error:
        raise TooLong("the question needs more memory than the store may take; ask for less") from error
    except duckdb.IOException as error:
        raise Fault(f"the store of events cannot be read: {error}") from error
    finally:
        timer.cancel()
        reader.close()


def _hot_among(writer: Connection, ids: pa.Array) -> pa.Array:
    """Which of the ids hot rows have, as their bytes."""
    writer.register("likely", pa.table({"event_id": ids}))
    found = table(writer, "SELECT event_id FROM event WHERE event_id IN (SELECT event_id FROM likely)")
    writer.unregister("likely")
    return found["event_id"].combine_chunks()
