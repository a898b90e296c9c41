"""Which access tokens are void before their end, as a cache in memory that events keep fresh."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.accounts.types import Revocation
from overworld.kernel.clock import Clock, to_us


class Revocations:
    """Remembers each revocation until no token it concerns can be alive any more; then it is forgotten.

    It may be told the same twice and in any order. Memory is bounded by the revocations of one `keep_s`.
    """

    def __init__(self, *, clock: Clock, keep_s: int) -> None:
        self._clock = clock
        self._keep_us = keep_s * 1_000_000
        self._sessions: dict[UUID, int] = {}
        self._versions: dict[UUID, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._sessions) + len(self._versions)

    def add(self, revocation: Revocation) -> None:
        """From now on its tokens are void."""
        self._forget_old()
        until_us = to_us(revocation.at) + self._keep_us
        if revocation.session_id is not None:
            self._sessions.setdefault(revocation.session_id, until_us)
            return
        version, kept_until_us = self._versions.pop(revocation.account_id, (0, 0))
        self._versions[revocation.account_id] = max(version, revocation.version), max(kept_until_us, until_us)

    def is_revoked(self, *, account_id: UUID, session_id: UUID, version: int) -> bool:
        """Whether a token of this account, session and security version is void."""
        least, _ = self._versions.get(account_id, (0, 0))
        return version < least or session_id in self._sessions

    def _forget_old(self) -> None:
        now_us = self._clock.now_us()
        while self._sessions and self._sessions[oldest := next(iter(self._sessions))] < now_us:
            del self._sessions[oldest]
        while self._versions and self._versions[oldest := next(iter(self._versions))][1] < now_us:
            del self._versions[oldest]
