"""Sealed files in object storage: for good, and as a table where an Iceberg table is wanted.

The archive is told nothing: each round compares what the store counts with what is there, and brings that up to it. So
a crash anywhere leaves nothing to mend but the next round's work.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import duckdb
import obstore
from msgspec import Struct
from obstore.exceptions import BaseError

from overworld.kernel.refusals import Fault
from overworld.platform.columns import erasing
from overworld.platform.columns.connection import Connection, do, rows, transaction
from overworld.platform.columns.store import Columns

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PREFIX = "lake/events/data"
_COUNTED = """
SELECT path, until FROM file WHERE path NOT IN (SELECT path FROM archived) AND (NOT $old OR until <= $before)
ORDER BY since, path"""


class Change(Struct, frozen=True):
    """A file that the archive is to hold, in the place of those it was made of (none, for one of an hour).

    Without a name nothing takes their place.
    """

    path: str
    replaced: tuple[str, ...]


class Table(Protocol):
    """A table whose rows are the files of the archive."""

    def commit(self, changes: Sequence[Change]) -> None:
        """Makes the changes in one commit; what was changed already is let be."""
        ...

    def tidy(self, *, before: datetime) -> None:
        """Lets go of snapshots made before, and of files that no snapshot knows."""
        ...

    def paths(self) -> set[str]:
        """The files that the newest snapshot has, below `PREFIX`."""
        ...

    def forget(self) -> None:
        """Lets go of every snapshot but the newest, and of its memory of what was replaced."""
        ...


class Objects:
    """The object storage of archived files. `folder` is set where that is a folder of this machine."""

    def __init__(self, store: ObjectStore, *, folder: Path | None) -> None:
        self._store = store
        self._folder = folder

    def put(self, source: Path, path: str) -> None:
        """Keeps a file; in a folder it is the same file once more, which takes no room. Raises: Fault."""
        key = f"{PREFIX}/{path}"
        try:
            if self._folder is None:
                obstore.put(self._store, key, source)
            else:
                _link(source, self._folder / key)
        except (OSError, BaseError) as error:
            raise Fault(f"object storage does not take {key}: {error}") from error

    def paths(self) -> list[str]:
        """Every file there, also what a crash left half written."""
        with _answers():
            pages = obstore.list(self._store, prefix=f"{PREFIX}/")
            return sorted(found["path"].removeprefix(f"{PREFIX}/") for page in pages for found in page)

    @contextmanager
    def fetched(self, path: str, *, into: Path) -> Iterator[Path]:
        """A file on this machine while the block runs: in `into`, where it lies elsewhere. Raises: Fault."""
        if self._folder is not None:
            yield self._folder / PREFIX / path
            return
        copy = into / "fetched.parquet"
        with _answers(), copy.open("wb") as sink:
            for part in obstore.get(self._store, f"{PREFIX}/{path}").stream():
                sink.write(part)
        yield copy
        copy.unlink()

    def delete(self, path: str) -> None:
        """Forgets a file, if it is there. Raises: Fault."""
        with _answers(), suppress(FileNotFoundError):
            obstore.delete(self._store, f"{PREFIX}/{path}")


class Archive:
    """Keeps up with what the store seals; `table` is the Iceberg table, if there is to be one."""

    def __init__(self, columns: Columns, *, objects: Objects, table: Table | None) -> None:
        self._columns = columns
        self._objects = objects
        self._table = table

    async def keep_up(self, *, before: datetime) -> None:
        """Puts into the archive what is not there: everything for a table, else what ended before `before`.

        Raises: Fault, when some of it is not there yet.
        """
        changes = await self._columns.beside(
            lambda reader: _changes(reader, before=before, whole=self._table is not None)
        )
        if not changes:
            return
        await asyncio.to_thread(self._take, changes)

        def note(writer: Connection) -> None:
            with transaction(writer):
                for change in changes:
                    do(writer, "INSERT OR REPLACE INTO archived VALUES (?)", [change.path])

        await self._columns.write(note)

    async def erase(self, players: Sequence[UUID]) -> None:
        """Takes players out of what is archived, once they are out of the store and it has kept up.

        A table is changed by commits, and every older snapshot goes; else a file is replaced by one of the same name.
        Raises: Fault, when some of it is not done yet.
        """
        local, replaced = await self._columns.beside(
            lambda reader: (
                {path for (path,) in rows(reader, "SELECT path FROM file")},
                {path for (path,) in rows(reader, "SELECT path FROM superseded")},
            )
        )
        erasure = Erasure(self._objects, table=self._table, players=players)
        await asyncio.to_thread(erasure.run, local=local, replaced=replaced)

    async def tidy(self, *, before: datetime) -> None:
        """Lets go of what nobody needs any more."""
        if self._table is not None:
            table = self._table
            await asyncio.to_thread(lambda: table.tidy(before=before))

    def _take(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._objects.put(self._columns.folder / change.path, change.path)
        if self._table is not None:
            self._table.commit(changes)


class Erasure:
    """Players on their way out of an archive. Whatever was done already is passed over."""

    def __init__(self, objects: Objects, *, table: Table | None, players: Sequence[UUID]) -> None:
        self._objects = objects
        self._table = table
        self._players = players

    def run(self, *, local: set[str], replaced: set[str]) -> None:
        """Erases; `local` are files whose likes the store has looked through, `replaced` those that count no more."""
        live: set[str] = set()
        if self._table is not None:
            self._table.commit([Change("", tuple(sorted(replaced)))])
            self._table.forget()
            live = self._table.paths()
        with TemporaryDirectory(prefix="overworld-erase-") as folder, duckdb.connect() as reader:
            for path in self._objects.paths():
                if path in replaced or not path.endswith(".parquet"):
                    self._objects.delete(path)
                elif path not in local:
                    self._erase(reader, path, Path(folder), is_live=path in live)

    def _erase(self, reader: Connection, path: str, folder: Path, *, is_live: bool) -> None:
        with self._objects.fetched(path, into=folder) as source:
            if not erasing.holding(reader, [source], self._players):
                return
            rest = folder / "rest.parquet"
            left = erasing.write_rest(reader, source, rest, self._players, span="day")
        if self._table is None:
            self._put(rest, path if left else "")
        elif is_live:
            new = erasing.next_name(path) if left else ""
            self._put(rest, new)
            self._table.commit([Change(new, (path,))])
            self._table.forget()
        if self._table is not None or not left:
            self._objects.delete(path)

    def _put(self, rest: Path, path: str) -> None:
        if path:
            self._objects.put(rest, path)
            rest.unlink()


def _changes(reader: Connection, *, before: datetime, whole: bool) -> list[Change]:
    """What the archive lacks, in the order in which it came to count."""
    found = rows(reader, _COUNTED, {"old": not whole, "before": before})
    made_of: dict[str, list[str]] = {}
    for old, new in rows(reader, "SELECT path, made_into FROM superseded"):
        made_of.setdefault(new, []).append(old)
    return [Change(path, _origins(path, made_of)) for path, _ in found]


def _origins(path: str, made_of: dict[str, list[str]]) -> tuple[str, ...]:
    """All that went into a file, at first or second hand: it may have been made over before the archive saw it."""
    found: list[str] = []
    for old in made_of.get(path, ()):
        found += [old, *_origins(old, made_of)]
    return tuple(found)


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except (OSError, BaseError) as error:
        raise Fault(f"object storage does not answer: {error}") from error


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:  # another file system
        shutil.copyfile(source, part)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
    part.rename(target)
    part.unlink(missing_ok=True)  # rename does nothing between two links of one file
