"""Sessions: opened by a sign-in, kept alive by refresh tokens, ended by their owner, by a thief, or by time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.accounts import rules, store
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner
from overworld.domains.accounts.errors import AccountSuspended, BadRefreshToken, NoSuchSession, TokenRevoked
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.messages import (
    Grant,
    Refresh,
    SessionRevoked,
    SessionSeen,
    SignedIn,
    SignInRefused,
)
from overworld.domains.accounts.service.profiles import Profiles
from overworld.domains.accounts.types import (
    Account,
    AccountsSettings,
    Origin,
    RefreshMove,
    Revocation,
    Session,
    Way,
)
from overworld.kernel.clock import Clock
from overworld.kernel.events import Event
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.secretive import Secretive
from overworld.platform.postgres import Database

_TOKEN_BYTES = 32
_ENDED_KEPT = timedelta(days=1)


class Opened(Secretive, frozen=True):
    """A session with a fresh refresh token, before an access token is signed for it."""

    account: Account
    session_id: UUID
    refresh_token: str
    revoked: Sequence[Revocation] = ()


class _Refused(Struct, frozen=True):
    """A refresh that was refused, and what its transaction revoked."""

    revoked: Sequence[Revocation] = ()


_Outcome: TypeAlias = Opened | _Refused


class Sessions:
    """Opens, refreshes, lists and ends sessions."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        settings: AccountsSettings,
        profiles: Profiles,
        clubs: Clubs,
        signer: TokenSigner,
        revocations: Revocations,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._settings = settings
        self._profiles = profiles
        self._clubs = clubs
        self._signer = signer
        self._revocations = revocations
        self._random = random
        self._life = timedelta(seconds=settings.refresh_token_s)

    async def open(
        self, tx: Tx, account_id: UUID, *, way: Way, origin: Origin, at: datetime, before: Sequence[Event] = ()
    ) -> Opened:
        """Opens a session in the caller's transaction and publishes it after the events `before`.

        Hand the result to `grant` once the transaction is committed. Locks the account, which must exist. Four round
        trips. Raises: AccountSuspended.
        """
        account = await store.mark_signed_in(tx, account_id, at=at)
        if account.suspended_at is not None:
            raise AccountSuspended
        session = Session(
            id=self._ids(),
            account_id=account.id,
            way=way,
            address=origin.address,
            user_agent=origin.user_agent,
            created_at=at,
            used_at=at,
            ends_at=at + self._life,
        )
        token = self._new_token()
        surplus = await store.open_session(
            tx, session, token_hash=rules.secret_hash(token), sessions_max=self._settings.sessions_max
        )
        signed_in = SignedIn(
            account_id=account.id, session_id=session.id, way=way, address=origin.address, user_agent=origin.user_agent
        )
        revocations = [_revocation(account.id, session_id, at=at) for session_id in surplus]
        await self._outbox.append(tx, [*before, signed_in, *_events(revocations, "surplus")], at=at)
        return Opened(account, session.id, token, revocations)

    async def grant(self, opened: Opened) -> Grant:
        """What the client gets for a session whose transaction is committed. One round trip."""
        self._apply(opened.revoked)
        user = await self._profiles.user(opened.account)
        life_s = self._clubs.token_life_s(user.memberships, otherwise_s=self._settings.access_token_s)
        return Grant(
            access_token=self._signer.sign(
                opened.account, opened.session_id, memberships=user.memberships, life_s=life_s
            ),
            refresh_token=opened.refresh_token,
            expires_in=life_s,
            user=user,
        )

    async def refresh(self, command: Refresh, *, origin: Origin) -> Grant:
        """A new access token and a new refresh token for a good one, which is then used up.

        A used one is answered once more within `refresh_reuse_s`, in case the reply was lost. Used after that, it
        was stolen: the session ends for everybody who holds a token of it. Raises: BadRefreshToken.
        """
        async with self._database.transaction() as tx:
            outcome = await self._refresh(tx, command, origin=origin, at=self._clock.now())
        if isinstance(outcome, _Refused):
            self._apply(outcome.revoked)
            raise BadRefreshToken
        return await self.grant(outcome)

    async def log_out(self, principal: Principal, *, everywhere: bool) -> None:
        """Ends the caller's session, or every session of the account. Ending what has ended changes nothing."""
        if everywhere:
            await self._log_out_everywhere(principal.account_id)
        elif principal.sid is not None:
            await self._end(principal.account_id, principal.sid, reason="logout")

    async def end(self, account_id: UUID, session_id: UUID) -> None:
        """Ends one session of an account. Raises: NoSuchSession when it is another's, over, or never was."""
        if not await self._end(account_id, session_id, reason="ended"):
            raise NoSuchSession(session_id=session_id)

    async def forget_ended(self, *, rows_max: int) -> int:
        """Drops sessions a day after they ended by themselves, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget_sessions(tx, self._clock.now() - _ENDED_KEPT, rows_max=rows_max)

    async def running(self, principal: Principal) -> list[SessionSeen]:
        """The caller's sessions that have not ended, the last used first; at most `sessions_max`."""
        async with self._database.read() as tx:
            sessions = await store.running_sessions(tx, principal.account_id, at=self._clock.now())
        return [SessionSeen.of(session, current=session.id == principal.sid) for session in sessions]

    async def _refresh(self, tx: Tx, command: Refresh, *, origin: Origin, at: datetime) -> _Outcome:
        token_hash = rules.secret_hash(command.refresh_token)
        session = await store.lock_session_of(tx, token_hash)
        token = await store.refresh_token(tx, token_hash) if session else None
        account = await store.account(tx, session.account_id) if session else None
        if session is None or token is None or account is None:
            return _Refused()
        move = rules.judge_refresh(
            token, session, now=at, life_s=self._settings.refresh_token_s, reuse_s=self._settings.refresh_reuse_s
        )
        if move is RefreshMove.REUSED:
            return await self._end_stolen(tx, session, origin=origin, at=at)
        if move is RefreshMove.ENDED:
            return _Refused()
        used = replace(
            session, used_at=at, ends_at=at + self._life, address=origin.address, user_agent=origin.user_agent
        )
        following = self._new_token()
        await store.rotate(
            tx, used, move, token_hash=token_hash, next_hash=rules.secret_hash(following), life=self._life
        )
        return Opened(account, session.id, following)

    async def _end_stolen(self, tx: Tx, session: Session, *, origin: Origin, at: datetime) -> _Refused:
        await store.revoke_session(tx, session.account_id, session.id, at=at)
        revocation = _revocation(session.account_id, session.id, at=at)
        refused = SignInRefused(
            account_id=session.account_id,
            session_id=session.id,
            way=session.way,
            reason="refresh_token_reused",
            address=origin.address,
            user_agent=origin.user_agent,
        )
        await self._outbox.append(tx, [refused, *_events([revocation], "refresh_token_reused")], at=at)
        return _Refused([revocation])

    async def _end(self, account_id: UUID, session_id: UUID, *, reason: str) -> bool:
        at = self._clock.now()
        revocation = _revocation(account_id, session_id, at=at)
        async with self._database.transaction() as tx:
            if not await store.revoke_session(tx, account_id, session_id, at=at):
                return False
            await self._outbox.append(tx, _events([revocation], reason), at=at)
        self._apply([revocation])
        return True

    async def _log_out_everywhere(self, account_id: UUID) -> None:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            version = await store.revoke_all(tx, account_id, at=at)
            if version is None:
                raise TokenRevoked
            revocation = Revocation(account_id=account_id, session_id=None, version=version, at=at)
            await self._outbox.append(tx, _events([revocation], "logout"), at=at)
        self._apply([revocation])

    def _apply(self, revoked: Sequence[Revocation]) -> None:
        for revocation in revoked:
            self._revocations.add(revocation)

    def _new_token(self) -> str:
        return base64.urlsafe_b64encode(self._random(_TOKEN_BYTES)).rstrip(b"=").decode()


def _revocation(account_id: UUID, session_id: UUID, *, at: datetime) -> Revocation:
    return Revocation(account_id=account_id, session_id=session_id, version=0, at=at)


def _events(revoked: Sequence[Revocation], reason: str) -> list[Event]:
    return [
        SessionRevoked(
            account_id=revocation.account_id,
            session_id=revocation.session_id,
            version=revocation.version,
            reason=reason,
        )
        for revocation in revoked
    ]
