"""Pictures of players: taken in, shown, and swept away once nobody shows them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import NoReturn
from uuid import UUID

from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.profiles import rules, store
from overworld.domains.accounts.profiles.errors import NoSuchAvatar, TooManyAvatars
from overworld.domains.accounts.profiles.messages import Avatar, UserUpdated, avatar_seen
from overworld.domains.accounts.profiles.pictures import Pictures
from overworld.domains.accounts.profiles.types import SIDES_PX
from overworld.domains.accounts.rules import per_window
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Blob, Blobs, Limiter, Outbox
from overworld.kernel.refusals import Busy
from overworld.kernel.waiting import Line
from overworld.platform.postgres import Database

_FOLDER = "avatars"
_UPLOAD = timedelta(hours=1)
_TRIES_MAX = 3
_SWEEP_EVERY_S = 30.0


class Avatars:
    """Keeps a picture an account. `run` is a loop; `close` lets the pictures in work finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        blobs: Blobs,
        limiter: Limiter,
        limits_enabled: bool,
        settings: AccountsSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._blobs = blobs
        self._limiter = limiter
        self._limits_enabled = limits_enabled
        self._limit = per_window(settings.avatars_max, settings.avatar_window_s)
        self._pictures = Pictures(
            pixels_max=settings.avatar_pixels_max,
            workers=settings.avatar_workers,
            queue_max=settings.avatar_queue_max,
        )

    @property
    def line(self) -> Line:
        """The pictures that wait for a worker."""
        return self._pictures.line

    async def take(self, account_id: UUID, content: bytes) -> Avatar:
        """Lets an account show a picture, made anew; the one before goes with the next sweep.

        Its row is there before its files are, so what is killed in between is swept away after an hour.
        Raises: TooManyAvatars; BadImage, ImageTooLarge; TokenRevoked when the account is gone; Busy; Fault.
        """
        await self._count(account_id)
        squares = await self._pictures.squares(content)
        name = rules.avatar_name(account_id, squares)
        for _ in range(_TRIES_MAX):
            await self._expect(account_id, name)
            for side, square in squares.items():
                await self._blobs.put(_key(name, side), square)
            if await self._show(account_id, name):
                return avatar_seen(name)
        raise Busy(avatar=name.hex())

    async def remove(self, account_id: UUID) -> None:
        """Lets an account show no picture. Raises: TokenRevoked when there is no such account any more."""
        await self._show(account_id, None)

    async def file(self, file: str) -> Blob:
        """A file that an avatar's address names. Raises: NoSuchAvatar; Fault."""
        named = rules.avatar_of(file)
        found = await self._blobs.get(_key(*named)) if named is not None and named[1] in SIDES_PX else None
        if found is None:
            raise NoSuchAvatar
        return found

    async def sweep(self) -> int:
        """Deletes the files of a picture that may go; how many there were, 0 or 1. Several servers may do it at once.

        Its row stays locked meanwhile, so who sends the same picture again waits, and then puts its files anew. One at
        a time, as the database ends a transaction that rests for long.
        """
        async with self._database.transaction() as tx:
            name = await store.lock_gone(tx, self._clock.now())
            if name is None:
                return 0
            await asyncio.gather(*(self._blobs.delete(_key(name, side)) for side in SIDES_PX))
            await store.forget(tx, name)
        return 1

    async def run(self) -> NoReturn:
        """Sweeps for ever; a loop. Raises: Fault when the database or the store does not answer."""
        while True:
            if not await self.sweep():
                await asyncio.sleep(_SWEEP_EVERY_S)

    def close(self) -> None:
        """Drops the pictures that wait and lets those in work finish."""
        self._pictures.close()

    async def _count(self, account_id: UUID) -> None:
        if not self._limits_enabled:
            return
        taken = await self._limiter.take(f"accounts.avatar:{account_id}", self._limit)
        if not taken.allowed:
            raise TooManyAvatars(retry_after_s=taken.retry_after_s)

    async def _expect(self, account_id: UUID, name: bytes) -> None:
        async with self._database.transaction() as tx:
            if await store.look(tx, account_id, locked=True) is None:
                raise TokenRevoked
            await store.expect(tx, name, account_id, until=self._clock.now() + _UPLOAD)

    async def _show(self, account_id: UUID, name: bytes | None) -> bool:
        """Whether it is shown now; False where its files were swept away meanwhile. Raises: TokenRevoked."""
        at = self._clock.now()
        async with self._database.transaction() as tx:
            before = await store.look(tx, account_id, locked=True)
            if before is None:
                raise TokenRevoked
            if before.avatar == name:
                return True
            if name is not None and not await store.is_expected(tx, name):
                return False
            await store.show(tx, account_id, name, at=at)
            await self._outbox.append(tx, [UserUpdated(account_id=account_id, changed=("avatar",))], at=at)
        return True


def _key(name: bytes, side: int) -> str:
    return f"{_FOLDER}/{rules.avatar_file(name, side)}"
