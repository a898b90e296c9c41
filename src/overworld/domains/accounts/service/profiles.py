"""Accounts as their owners and others see them."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.accounts import store
from overworld.domains.accounts.errors import NoSuchUser, TokenRevoked
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.messages import Me, User
from overworld.domains.accounts.ports import Badges, Progress
from overworld.domains.accounts.profiles import store as profile_store
from overworld.domains.accounts.profiles.messages import UserSeen, maybe_avatar
from overworld.domains.accounts.types import Account
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database


class Profiles:
    """Joins what accounts knows of a player with what gameplay knows."""

    def __init__(
        self, *, database: Database, clock: Clock, progress: Progress, badges: Badges | None, clubs: Clubs
    ) -> None:
        self._database = database
        self._clock = clock
        self._progress = progress
        self._badges = badges
        self._clubs = clubs

    async def me(self, account_id: UUID) -> Me:
        """The account as its owner sees it. Four round trips.

        Raises: TokenRevoked when there is no such account any more.
        """
        async with self._database.read() as tx:
            account = await store.account(tx, account_id)
            look = await profile_store.look(tx, account_id)
        if account is None or look is None:
            raise TokenRevoked
        user = await self.user(account)
        badges = await self._badges_of(account_id)
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
            locale=look.locale,
            avatar=maybe_avatar(look.avatar),
            badges=badges,
            privacy=look.privacy,
        )

    async def seen(self, account_id: UUID) -> UserSeen:
        """The account as others see it: what its owner does not show is None. Four round trips.

        Raises: NoSuchUser, also when it is suspended.
        """
        async with self._database.read() as tx:
            account = await store.account(tx, account_id)
            look = await profile_store.look(tx, account_id)
        if account is None or look is None or account.suspended_at is not None:
            raise NoSuchUser(user_id=account_id)
        user, shows = await self.user(account), look.privacy
        badges = await self._badges_of(account_id)
        return UserSeen(
            id=account.id,
            username=account.username,
            avatar=maybe_avatar(look.avatar),
            level=user.level if shows.progress else None,
            experience=user.experience if shows.progress else None,
            memberships=user.memberships if shows.memberships else None,
            badges=badges if shows.badges else None,
            created_at=account.created_at,
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

    async def _badges_of(self, account_id: UUID) -> tuple[str, ...]:
        if self._badges is None:
            return ()
        [badges] = await self._badges.badges_of([account_id])
        return badges
