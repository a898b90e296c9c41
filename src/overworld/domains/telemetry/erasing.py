"""Players who are to be erased: asked for in a transaction, and handed to the columns until it is done."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.telemetry import store
from overworld.domains.telemetry.processing.pseudonyms import Pseudonyms, uuid_bytes
from overworld.domains.telemetry.reading import TEXT_LENGTH_MAX
from overworld.domains.telemetry.store import ErasureRow
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.postgres import Database, DatabaseTimeout

if TYPE_CHECKING:
    from overworld.platform.columns import ErasableColumns

_EVERY_S = 10.0
_SECRET_BYTES = 32

_log = logging.getLogger(__name__)


class Erasure(Struct, frozen=True, kw_only=True):
    """One player on the way out: when it was asked, and since when nothing is left; None while something is.

    `done_at` is null until the columns, the archive and the lake have nothing any more.
    """

    pseudonym: str
    asked_at: datetime
    done_at: datetime | None


class Erasures:
    """Asks for players to be erased, and tells how far that is."""

    def __init__(self, *, clock: Clock, random: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._random = random

    async def ask(self, tx: Tx, player: UUID | str) -> None:
        """Has a player erased once the transaction commits: an account, or whom clients call so in events.

        From within ten seconds on nothing of the player comes into the columns; within minutes what was there is gone.
        Refused events that name the player go at once. Asking again erases what has come in since. Two round trips and
        one that looks through the refused events. Raises: ValueError for an empty name.
        """
        name = str(player)[:TEXT_LENGTH_MAX]
        if not name:
            raise ValueError("a player has a name")
        account = uuid_bytes(name)
        pseudonyms = Pseudonyms(await store.secret(tx, self._random(_SECRET_BYTES)))
        await store.ask_erasure(tx, pseudonyms.of(name), at=self._clock.now())
        await store.forget_refused_of(
            tx, None if account is None else UUID(bytes=account), name=msgspec.json.encode(name)
        )

    async def every(self, tx: Tx) -> list[Erasure]:
        """All that are remembered, the newest first."""
        return [
            Erasure(pseudonym=row.pseudonym.hex(), asked_at=row.asked_at, done_at=row.done_at)
            for row in reversed(await store.erasures(tx))
        ]


class Eraser:
    """Hands who is to be erased to the columns of this server, and writes down when nothing is left."""

    def __init__(self, *, database: Database, clock: Clock, columns: ErasableColumns, remember_days: int) -> None:
        self._database = database
        self._clock = clock
        self._columns = columns
        self._remember = timedelta(days=remember_days)
        self._handed: dict[bytes, datetime] = {}

    async def run(self) -> NoReturn:
        """Looks every ten seconds; a loop."""
        while True:
            try:
                await self.look()
            except (Fault, Busy, DatabaseTimeout) as error:
                end_if_cancelled()
                _log.warning("erasures were not looked at this time: %s", error)
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """One look: the columns hear of all that are remembered, and what they have done is noted.

        Raises: Fault, Busy of the columns; database faults.
        """
        async with self._database.read() as tx:
            asked = await store.erasures(tx)
        for one in asked:
            if self._handed.get(one.pseudonym) != one.asked_at:
                await self._columns.erase([one.pseudonym], at=one.asked_at)
                self._handed[one.pseudonym] = one.asked_at
        if any(one.done_at is None for one in asked):
            gone = await self._columns.erased()
            await self._note([one for one in asked if one.done_at is None and one.pseudonym in gone])
        before = self._clock.now() - self._remember
        if any(one.done_at is not None and one.done_at < before for one in asked):
            await self._columns.forget_erased(before=before)
            async with self._database.transaction() as tx:
                await store.forget_erasures(tx, before=before)

    async def _note(self, done: Sequence[ErasureRow]) -> None:
        if done:
            async with self._database.transaction() as tx:
                await store.mark_erased(tx, done, at=self._clock.now())
