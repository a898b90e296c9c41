"""Every live key, known in each process: a key is verified by a look into memory, and ends everywhere by an event."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts.apikeys import rules, store
from overworld.domains.accounts.apikeys.errors import BadApiKey
from overworld.domains.accounts.apikeys.types import LiveKey
from overworld.kernel.clock import Clock, from_us, to_us
from overworld.kernel.identity import Principal
from overworld.platform.postgres import Database

_READ_EVERY_S = 60.0
_UNKNOWN_EVERY_S = 5.0


class _Entry(Struct, frozen=True):
    key_id: UUID
    principal: Principal


class KeyBook:
    """Turns keys into principals. Call it on the event loop.

    A key that ends is dropped as soon as that is heard. What is new is read by `run`, a loop: when an event says so,
    when somebody shows a key that is not here (at most every 5 s: strangers may show any), and each minute anyhow.
    """

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._used_us: dict[UUID, int] = {}
        self._drops = 0
        self._reading = asyncio.Lock()
        self._stale = asyncio.Event()
        self._asked_s = -_UNKNOWN_EVERY_S

    def __len__(self) -> int:
        return len(self._entries)

    def principal(self, key: str) -> Principal:
        """Whom a key stands for. No I/O. Raises: BadApiKey."""
        entry = self._entries.get(rules.hash_of(key))
        now_us = self._clock.now_us()
        if entry is None:
            self._read_for_strangers()
            raise BadApiKey
        if now_us >= entry.principal.expires_us:
            raise BadApiKey
        self._used_us[entry.key_id] = now_us
        return entry.principal

    def drop_key(self, key_id: UUID) -> None:
        """From now on the key is not good here, also when a reading of the keys that is under way still has it."""
        self._drop({digest for digest, entry in self._entries.items() if entry.key_id == key_id})

    def drop_account(self, account_id: UUID) -> None:
        """From now on no key of the account is good here, until the keys are read again and have it."""
        self._drop({digest for digest, entry in self._entries.items() if entry.principal.account_id == account_id})

    def read_soon(self) -> None:
        """The keys in the database are others than those here: `run` reads them at once."""
        self._stale.set()

    async def load(self) -> None:
        """Reads every live key, one reading after the other, so that none puts older keys in the place of newer ones.

        What was dropped meanwhile is read once more: it must not come back.
        """
        async with self._reading:
            drops = -1
            while drops != self._drops:
                drops = self._drops
                async with self._database.read() as tx:
                    keys = await store.live(tx, self._clock.now())
            self._entries = {key.hash: _Entry(key.key_id, _principal(key)) for key in keys}

    async def note_use(self) -> None:
        """Writes down when keys were last used. When that fails it is forgotten: it is never exact."""
        used_us, self._used_us = self._used_us, {}
        if used_us:
            used: dict[UUID, datetime] = {key_id: from_us(at_us) for key_id, at_us in used_us.items()}
            async with self._database.transaction() as tx:
                await store.mark_used(tx, used)

    async def run(self) -> NoReturn:
        """Keeps the keys as they are in the database, and writes down their use; a loop."""
        while True:
            self._stale.clear()
            await self.load()
            await self.note_use()
            with suppress(TimeoutError):
                async with asyncio.timeout(_READ_EVERY_S):
                    await self._stale.wait()

    def _drop(self, digests: set[bytes]) -> None:
        self._drops += 1
        for digest in digests:
            del self._entries[digest]

    def _read_for_strangers(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._asked_s >= _UNKNOWN_EVERY_S:
            self._asked_s = now_s
            self._stale.set()


def _principal(key: LiveKey) -> Principal:
    return Principal(
        account_id=key.account_id, role=key.role, scopes=frozenset(key.scopes), expires_us=to_us(key.ends_at)
    )
