"""A store of events of our own, filled and sealed as a server would, and the answers over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
from obstore.store import LocalStore

from overworld.domains.analytics.messages import RankedBoard
from overworld.domains.analytics.service import Answers
from overworld.geo.columns import F64, U64
from overworld.kernel.audit import AuditEntry
from overworld.kernel.clock import FixedClock
from overworld.platform.columns.archive import Archive, Objects
from overworld.platform.columns.keeping import Keeping
from overworld.platform.columns.room import FOLDER, Room
from overworld.platform.columns.settings import ColumnSettings

SINCE = datetime(2026, 6, 1, tzinfo=UTC)
ROOM_LEVEL = 15


class AsTheyAre:
    """Players who stand in the store under their own ids, and have no level and no board; `holders` have wallets."""

    def __init__(self) -> None:
        self.holders: U64 = np.empty(0, np.uint64)

    async def of_id(self, player: UUID) -> bytes:
        """The pseudonym of a player."""
        return player.bytes

    async def level_of(self, player_id: UUID) -> int:
        """The level of a player."""
        return 1

    def names(self) -> list[str]:
        """The boards of the game."""
        return []

    async def board(self, name: str, *, player_id: UUID, limit: int, start: int = 0) -> RankedBoard:
        """A board."""
        raise LookupError(name)

    def currencies(self) -> list[str]:
        """The currencies of the game."""
        return ["coin"]

    async def held(self, currency: str) -> tuple[U64, F64]:
        """What players hold: as much as the last digits of their pseudonyms say."""
        return self.holders, (self.holders % np.uint64(1_000)).astype(np.float64)

    async def record(self, entry: AuditEntry) -> None:
        """Keeps nothing of who looks."""

    async def in_hands(self) -> float:
        """What all wallets hold."""
        return 0.0


async def fill(folder: Path, batches: Iterable[pa.RecordBatch], *, days: int, settings: ColumnSettings) -> None:
    """Puts the events of `days` days into a store, batch by batch, with the rounds a server has meanwhile."""
    room, clock, whole = Room(folder, settings=settings), FixedClock(SINCE), timedelta(days=days)
    columns = await room.store()
    objects = Objects(LocalStore(folder / "blobs", mkdir=True), folder=folder / "blobs")
    keeping = Keeping(columns, clock=clock, archive=Archive(columns, objects=objects, table=None))
    for number, batch in enumerate(batches, 1):
        await columns.append([batch], place="made", at=number)
        newest: datetime = batch.column("at")[-1].as_py()
        clock.advance(newest - clock.now())
        await keeping.keep()
    clock.advance(SINCE + whole - clock.now())
    await keeping.keep()
    await room.close()


@asynccontextmanager
async def answering(folder: Path, *, days: float, settings: ColumnSettings) -> AsyncIterator[tuple[Answers, Room]]:
    """The answers over a store that was filled, at the end of its days."""
    room, other = Room(folder, settings=settings), AsTheyAre()
    answers = Answers(
        columns=room,
        clock=FixedClock(SINCE + timedelta(days=days)),
        pseudonyms=other,
        levels=other,
        boards=other,
        supply=other,
        wallets=other,
        looks=other,
        room_level=ROOM_LEVEL,
    )
    try:
        yield answers, room
    finally:
        await room.close()


def size_bytes(folder: Path) -> int:
    """What a store takes on the disk."""
    return sum(path.stat().st_size for path in (folder / FOLDER).rglob("*") if path.is_file())
