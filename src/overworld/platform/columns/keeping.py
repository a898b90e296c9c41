"""The store's own rounds: rollups kept current, hours sealed, days compressed, old days archived."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from overworld.kernel.clock import Clock
from overworld.platform.columns import erasing, files, rollups, sealing
from overworld.platform.columns.archive import Archive
from overworld.platform.columns.connection import Connection, do, transaction
from overworld.platform.columns.sealing import DAY, Hour, Sealed
from overworld.platform.columns.store import Columns

_GRACE_S = 300.0
_ERASED_AT_ONCE = 500


class Keeping:
    """Runs beside a store. `roll` and `keep` are one round each; `run_rolling` and `run_keeping` do them for ever."""

    def __init__(self, columns: Columns, *, clock: Clock, archive: Archive) -> None:
        self._columns = columns
        self._clock = clock
        self._archive = archive
        self._settings = columns.settings

    async def run_rolling(self) -> None:
        """Keeps the rollups current."""
        while True:
            await self.roll()
            await asyncio.sleep(self._settings.roll_every_s)

    async def run_keeping(self) -> None:
        """Seals, compresses and archives what is due."""
        while True:
            await self.keep()
            await asyncio.sleep(self._settings.keep_every_s)

    async def roll(self) -> int:
        """Takes what arrived into the rollups; the last batch that they count."""
        upto = self._columns.batch
        while await self._columns.write(lambda writer: self._roll(writer, upto=upto)):
            pass
        return upto

    async def keep(self) -> None:
        """One round of everything that is due."""
        now = self._now()
        await self._seal(now)
        await self._compress(now)
        raw = now - timedelta(days=self._settings.raw_days)
        await self._archive.keep_up(before=raw)
        await self._let_go(now, raw=raw)
        await self._archive.tidy(before=self._clock.now() - timedelta(days=self._settings.snapshots_days))
        while await self._erase(now, raw=raw):
            pass

    def _roll(self, writer: Connection, *, upto: int) -> bool:
        with transaction(writer):
            return rollups.roll_some(writer, upto=upto, cell_level=self._settings.rollup_cell_level)

    async def _seal(self, now: datetime) -> None:
        upto, settings, columns = await self.roll(), self._settings, self._columns
        found = await columns.beside(lambda reader: sealing.hours(reader, upto=upto))
        chosen = sealing.due(
            found,
            now=now,
            after_s=settings.seal_after_s,
            late_after_s=settings.late_after_s,
            rows_max=settings.hot_rows_max,
        )
        for hour in chosen:
            await self._seal_hour(hour, upto=upto, now=now)

    async def _seal_hour(self, hour: Hour, *, upto: int, now: datetime) -> None:
        columns = self._columns
        twins = await columns.beside(lambda reader: sealing.twins(reader, columns.folder, hour, upto=upto))
        if twins:
            await columns.write(lambda writer: self._drop_twins(writer, hour, twins))
        sealed = await columns.beside(lambda reader: sealing.write_hour(reader, columns.folder, hour, upto=upto))

        def count(writer: Connection) -> None:
            with transaction(writer):
                sealing.count_hour(writer, sealed, upto=upto, now=now)

        await columns.write(count)
        columns.figures.counts["sealed"] += 1

    def _drop_twins(self, writer: Connection, hour: Hour, twins: Sequence[object]) -> None:
        """Leaves the first of each id, and counts the day again."""
        level, folder, upto = self._settings.rollup_cell_level, self._columns.folder, self._columns.batch
        day = hour.since.replace(hour=0)
        with transaction(writer):
            rollups.roll(writer, upto=upto, cell_level=level)
            sealing.drop_twins(writer, folder, hour, twins)
            events = files.events_between(writer, folder, day, day + DAY)
            rollups.rebuild(writer, day=f"{day:%Y-%m-%d}", events=events, cell_level=level)

    async def _compress(self, now: datetime) -> None:
        """Makes one file of each day that is old enough and has several, or one that is not compressed."""
        columns = self._columns
        before = now - timedelta(days=self._settings.compress_after_days)
        for day, paths in await columns.beside(lambda reader: sealing.days_of_hours(reader, before=before)):
            made = await columns.beside(
                lambda reader, day=day, paths=paths: sealing.write_day(reader, columns.folder, day, paths, now=now)  # type: ignore[misc]
            )

            def count(writer: Connection, made: Sealed = made, paths: Sequence[str] = paths) -> None:
                with transaction(writer):
                    sealing.count_day(writer, made, paths, now=now)

            await columns.write(count)

    async def _let_go(self, now: datetime, *, raw: datetime) -> None:
        """Removes what is archived and older than raw events stay, and what no longer counts."""
        columns = self._columns
        old = await columns.beside(lambda reader: sealing.archived(reader, before=raw))
        presence = (now - timedelta(days=self._settings.presence_days)).date()

        def forget(writer: Connection) -> list[str]:
            with transaction(writer):
                sealing.doom(writer, old, now=now)
                do(writer, "DELETE FROM presence WHERE day < ?", [presence])
                return sealing.take_doomed(writer, before=now - timedelta(seconds=_GRACE_S))

        for path in await columns.write(forget):
            (columns.folder / path).unlink(missing_ok=True)

    async def _erase(self, now: datetime, *, raw: datetime) -> bool:
        """Takes some players out of everything, and notes of whom nothing is left; whether more are to be swept out.

        Each step leaves what was before or what is after, and does nothing where it was done: so a round that ends
        halfway is gone through again by the next one, before a restart or after it.
        """
        found = await self._columns.beside(lambda reader: erasing.pending(reader, limit=_ERASED_AT_ONCE))
        if players := [player for player, swept, _ in found if not swept]:
            await self._sweep(players, now=now, raw=raw)
            await self._mark("swept", players, now=now)
        await self._mark("done", done := [player for player, _, ready in found if ready], now=now)
        self._columns.figures.counts["erased"] += len(done)
        return bool(players)

    async def _sweep(self, players: Sequence[UUID], *, now: datetime, raw: datetime) -> None:
        await self.roll()
        await self._columns.write(lambda writer: self._erase_tables(writer, players))
        await self._erase_files(players, now=now)
        await self._archive.keep_up(before=raw)
        await self._archive.erase(players)

    def _erase_tables(self, writer: Connection, players: Sequence[UUID]) -> None:
        with transaction(writer):
            rollups.roll(writer, upto=self._columns.batch, cell_level=self._settings.rollup_cell_level)
            erasing.from_tables(writer, players)

    async def _erase_files(self, players: Sequence[UUID], *, now: datetime) -> None:
        columns = self._columns
        for sealed in await columns.beside(lambda reader: erasing.files_with(reader, columns.folder, players)):
            rest = await columns.beside(
                lambda reader, sealed=sealed: erasing.rest_of(reader, columns.folder, sealed, players)  # type: ignore[misc]
            )

            def count(writer: Connection, path: str = sealed.path, rest: Sealed | None = rest) -> None:
                with transaction(writer):
                    sealing.count_rest(writer, path, rest, now=now)

            await columns.write(count)

    async def _mark(self, step: str, players: Sequence[UUID], *, now: datetime) -> None:
        if players:
            await self._columns.write(lambda writer: erasing.mark(writer, step, players, at=now))

    def _now(self) -> datetime:
        return self._clock.now().replace(tzinfo=None)
