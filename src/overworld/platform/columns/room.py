"""The store of a data folder, opened when it is first needed: what it is made of takes a second to import."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overworld.kernel.refusals import Fault
from overworld.platform.columns.figures import Figures
from overworld.platform.columns.settings import ColumnSettings

if TYPE_CHECKING:
    from pyarrow import RecordBatch

    from overworld.platform.columns.store import Columns

FOLDER = "columns"


class Room:
    """Stands for the store before it is open, and is the `EventColumns` of who writes."""

    def __init__(self, data: Path, *, settings: ColumnSettings) -> None:
        self.folder = data / FOLDER
        self.settings = settings
        self.figures = Figures()
        self._opening: asyncio.Task[Columns] | None = None
        self._closed = False

    async def store(self) -> Columns:
        """The store. Raises: Fault when it cannot be had, or is closed."""
        if self._closed:
            raise Fault("the store of events is closed")
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.ensure_future(_opened(self.folder, self.settings, self.figures))
        return await asyncio.shield(self._opening)

    async def append(self, batches: Sequence[RecordBatch], *, place: str, at: int) -> None:
        """As `EventColumns` says."""
        await (await self.store()).append(batches, place=place, at=at)

    async def placed(self, place: str) -> int | None:
        """As `EventColumns` says."""
        return await (await self.store()).placed(place)

    async def erase(self, players: Sequence[bytes], *, at: datetime) -> None:
        """As `ErasableColumns` says."""
        await (await self.store()).erase(players, at=at)

    async def erased(self) -> set[bytes]:
        """As `ErasableColumns` says."""
        return await (await self.store()).erased()

    async def forget_erased(self, *, before: datetime) -> None:
        """As `ErasableColumns` says."""
        await (await self.store()).forget_erased(before=before)

    async def rows(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        """The answer to a question, a mapping per row; `Columns.read` says more."""
        table = await (await self.store()).read(sql, values, since=since, until=until)
        found: list[Mapping[str, Any]] = table.to_pylist()
        return found

    async def columns(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Mapping[str, Any]:
        """The same as NumPy columns by their names."""
        table = await (await self.store()).read(sql, values, since=since, until=until)
        return {name: table[name].to_numpy() for name in table.column_names}

    async def close(self) -> None:
        """Closes the store, if it was opened."""
        self._closed = True
        if self._opening is not None:
            opened = (await asyncio.gather(self._opening, return_exceptions=True))[0]
            if not isinstance(opened, BaseException):
                await opened.close()


async def _opened(folder: Path, settings: ColumnSettings, figures: Figures) -> Columns:
    opened = await asyncio.to_thread(_imported)
    store: Columns = await opened(folder, settings=settings, figures=figures)
    return store


def _imported() -> Any:
    from overworld.platform.columns.store import opened  # noqa: PLC0415  # beside the event loop, and only if used

    return opened
