"""Guessing is slowed down: failures are counted per account and per address, in every process together."""

from __future__ import annotations

import asyncio

from overworld.domains.accounts import rules
from overworld.domains.accounts.errors import LockedOut, TooManyRegistrations
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.ports import Limit, Limiter
from overworld.platform.http.addresses import limited_as


class Lockout:
    """Counts failed sign-ins and new accounts; counts nothing and lets everybody through when not `enabled`.

    An account is named by the digest of the e-mail address given, so unknown ones lock like known ones; a network
    address of IPv6 by its /64, which is one home's.
    """

    def __init__(self, *, limiter: Limiter, enabled: bool, settings: AccountsSettings) -> None:
        self._limiter = limiter
        self._enabled = enabled
        self._account = rules.per_window(settings.account_failures_max, settings.account_window_s)
        self._address = rules.per_window(settings.address_failures_max, settings.address_window_s)
        self._registrations = rules.per_window(settings.registrations_max, settings.registration_window_s)
        self._new_devices = rules.per_window(settings.new_devices_max, settings.registration_window_s)

    async def check(self, email: str, address: str) -> None:
        """Passes while neither the account nor the address has used up its failures; takes nothing.

        Raises: LockedOut.
        """
        if not self._enabled:
            return
        buckets = self._buckets(email, address)
        looked = await asyncio.gather(*(self._limiter.take(key, limit, cost=0) for key, limit in buckets))
        for taken, (_, limit) in zip(looked, buckets, strict=True):
            if taken.remaining < 1:
                raise LockedOut(retry_after_s=rules.wait_s(taken, limit))

    async def count_failure(self, email: str, address: str) -> LockedOut | None:
        """One more failure of the account and of the address; the refusal, when others have used them up meanwhile."""
        if not self._enabled:
            return None
        buckets = self._buckets(email, address)
        counted = await asyncio.gather(*(self._limiter.take(key, limit) for key, limit in buckets))
        waits_s = [taken.retry_after_s for taken in counted if not taken.allowed]
        return LockedOut(retry_after_s=max(waits_s)) if waits_s else None

    async def count_registration(self, address: str) -> None:
        """One more try to register from an address. Raises: TooManyRegistrations."""
        await self._count_account("register", address, self._registrations)

    async def count_new_device(self, address: str) -> None:
        """One more account for a device from an address, whatever token asked. Raises: TooManyRegistrations."""
        await self._count_account("device", address, self._new_devices)

    async def _count_account(self, way: str, address: str, limit: Limit) -> None:
        if not self._enabled:
            return
        taken = await self._limiter.take(f"accounts.{way}:{limited_as(address)}", limit)
        if not taken.allowed:
            raise TooManyRegistrations(retry_after_s=taken.retry_after_s)

    def _buckets(self, email: str, address: str) -> tuple[tuple[str, Limit], tuple[str, Limit]]:
        account = rules.secret_hash(rules.folded(email)).hex()[:32]
        return (f"accounts.login.account:{account}", self._account), (
            f"accounts.login.address:{limited_as(address)}",
            self._address,
        )
