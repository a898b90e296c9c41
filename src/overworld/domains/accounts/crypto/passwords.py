"""Passwords are hashed by Argon2id in a few threads of their own, so that nobody else waits for them."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.waiting import Line

R = TypeVar("R")

_SALT_BYTES = 16
_HASH_BYTES = 32


class Passwords:
    """Hashes and checks passwords off the event loop, one per worker at a time. Close it once.

    `nobody` is a hash that no password has, with the parameters of every other.
    """

    def __init__(self, settings: AccountsSettings, *, random: Callable[[int], bytes]) -> None:
        workers = settings.password_workers or max(1, (os.cpu_count() or 2) - 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="passwords")
        self.line = Line(settings.password_queue_max + workers)
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self.nobody = (
            f"$argon2id$v=19$m={settings.argon2_memory_kib},t={settings.argon2_passes},p={settings.argon2_lanes}"
            f"${_unpadded(random(_SALT_BYTES))}${_unpadded(random(_HASH_BYTES))}"
        )

    async def hash(self, password: str) -> str:
        """The hash to keep, with its salt and parameters inside. Raises: Busy when too many wait."""
        return await self._in_pool(self._hasher.hash, _bytes(password))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether the password is the kept one; without one the answer is no, and takes as long.

        Raises: Busy when too many wait.
        """
        return await self._in_pool(self._is_right, kept or self.nobody, _bytes(password)) and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Drops what waits and lets the workers finish."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _is_right(self, kept: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[..., R], *args: Any) -> R:
        with self.line.standing():
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _unpadded(content: bytes) -> str:
    return base64.b64encode(content).rstrip(b"=").decode()
