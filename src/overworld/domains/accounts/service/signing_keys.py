"""The signing keys: made once, shared through the database, read again when a token names an unknown one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NoReturn

from msgspec.structs import replace

from overworld.domains.accounts.crypto import store as key_store
from overworld.domains.accounts.crypto.keys import KeyRing, new_signing_key
from overworld.domains.accounts.messages import SigningKeyRotated
from overworld.domains.accounts.types import KeyState, SigningKey
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database

_log = logging.getLogger(__name__)

_RELOAD_EVERY_S = 5.0
_READ_EVERY_S = 60.0


class SigningKeys:
    """Fills the key ring. Close it once."""

    def __init__(self, *, database: Database, clock: Clock, secret: str) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._reloaded_s = -_RELOAD_EVERY_S
        self._reload: asyncio.Task[None] | None = None
        self._stale = asyncio.Event()
        self._reading = asyncio.Lock()
        self.ring = KeyRing(secret=secret, on_unknown=self.reload_soon)

    async def load(self) -> None:
        """Reads the keys, and makes the first one if there is none; of several servers that start at once, one wins.

        One reading follows the other, so that none puts older keys in the place of newer ones.

        Raises: SigningKeyLocked, and what the database raises.
        """
        async with self._reading:
            now = self._clock.now()
            async with self._database.read() as tx:
                keys = await key_store.signing_keys(tx)
                if not any(key.state is KeyState.ACTIVE for key in keys):
                    new = await asyncio.to_thread(partial(new_signing_key, secret=self._secret, now=now))
                    await key_store.insert_signing_key(tx, new)
                    keys = await key_store.signing_keys(tx)
            self.ring.replace(keys, now=now)

    async def rotate(
        self,
        *,
        outbox: Outbox,
        beside: Callable[[Tx], Awaitable[None]],
        lead: timedelta,
        overlap: timedelta,
    ) -> SigningKey:
        """A new key, published now, that signs after `lead`; until then the old one does, and verifies for `overlap`.

        With neither, every older key ends at once, and with it every token that is about. `beside` writes what
        belongs into the same transaction. Raises: SigningKeyLocked when the secret is not that of the servers.
        """
        await self.load()
        now = self._clock.now()
        made = await asyncio.to_thread(partial(new_signing_key, secret=self._secret, now=now))
        new = replace(made, signs_from=now + lead)
        async with self._database.transaction() as tx:
            await key_store.lock_signing_keys(tx)
            if lead or overlap:
                await key_store.retire_signing_key(tx, ends_at=now + lead + overlap)
            else:
                await key_store.end_signing_keys(tx, now)
            await key_store.insert_signing_key(tx, new)
            await beside(tx)
            await outbox.append(tx, [SigningKeyRotated(kid=new.kid, signs_from=now + lead)], at=now)
        await self.load()
        return new

    async def run(self) -> NoReturn:
        """Reads the keys when they are said to be others, and each minute; destroys what has served; a loop."""
        while True:
            self._stale.clear()
            async with self._database.transaction() as tx:
                await key_store.tidy_signing_keys(tx, self._clock.now())
            await self.load()
            with suppress(TimeoutError):
                async with asyncio.timeout(_READ_EVERY_S):
                    await self._stale.wait()

    def read_soon(self) -> None:
        """The keys in the database are others than those here: `run` reads them at once."""
        self._stale.set()

    def reload_soon(self) -> None:
        """Reads the keys again in the background, unless that was done within 5 s: strangers may name any key."""
        now_s = self._clock.monotonic_s()
        if now_s - self._reloaded_s < _RELOAD_EVERY_S or (self._reload and not self._reload.done()):
            return
        self._reloaded_s = now_s
        self._reload = asyncio.get_running_loop().create_task(self._reload_quietly())

    async def reloaded(self) -> None:
        """Returns when the reload that is under way, if any, has ended."""
        if self._reload is not None:
            await asyncio.wait([self._reload])

    async def close(self) -> None:
        """Stops a reload that is under way."""
        if self._reload is not None:
            self._reload.cancel()
            await asyncio.wait([self._reload])

    async def _reload_quietly(self) -> None:
        try:
            await self.load()
        except Refusal as refusal:
            _log.warning("the signing keys could not be read again: %s", refusal)
