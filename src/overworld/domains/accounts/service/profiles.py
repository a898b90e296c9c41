"""Accounts as their owners see them."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.accounts import store
from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.messages import Me, User
from overworld.domains.accounts.ports import Progress
from overworld.domains.accounts.types import Account
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database


class Profiles:
    """Joins what accounts knows of a player with what gameplay knows."""

    def __init__(self, *, database: Database, clock: Clock, progress: Progress, clubs: Clubs) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress
        self._clubs = clubs

    async def me(self, account_id: UUID) -> Me:
        """The account as its owner sees it. Two round trips.

        Raises: TokenRevoked when there is no such account any more.
        """
        async with self._database.read() as tx:
            account = await store.account(tx, account_id)
        if account is None:
            raise TokenRevoked
        user = await self.user(account)
        return Me(
            id=user.id,
            username=user.username,
            level=user.level,
            experience=user.experience,
            memberships=user.memberships,
            created_at=user.created_at,
            email=account.email,
            email_verified=account.email_verified,
            wallet_address=account.wallet_address,
            did=account.did,
            settings=account.settings,
        )

    async def user(self, account: Account) -> User:
        """The account as every sign-in shows it. One round trip."""
        [standing] = await self._progress.progress([account.id])
        return User(
            id=account.id,
            username=account.username,
            level=standing.level,
            experience=standing.experience,
            memberships=self._clubs.running(account.memberships, now=self._clock.now()),
            created_at=account.created_at,
        )
