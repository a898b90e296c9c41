"""Sessions: opened by a sign-in, kept alive by refresh tokens, ended by their owner, by a thief, or by time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from overworld.domains.accounts import rules, store
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner
from overworld.domains.accounts.errors import (
    AccountSuspended,
    BadRefreshToken,
    NoSuchSession,
    RefreshedElsewhere,
    SecondFactorNeeded,
    TokenRevoked,
)
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.messages import (
    Grant,
    Refresh,
    SessionRevoked,
    SessionSeen,
    SignedIn,
    SignInRefused,
    User,
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
    is_proved: bool = False


class Access(Secretive, frozen=True):
    """A signed access token and the seconds until it is over."""

    token: str
    life_s: int


class _Refused(Struct, frozen=True):
    """A refresh that was refused, what its transaction revoked, and whether a sibling page was before it."""

    revoked: Sequence[Revocation] = ()
    is_late: bool = False


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
        self,
        tx: Tx,
        account_id: UUID,
        *,
        way: Way,
        origin: Origin,
        at: datetime,
        before: Sequence[Event] = (),
        is_proved: bool = False,
    ) -> Opened:
        """Opens a session in the caller's transaction and publishes it after the events `before`.

        `is_proved` says that the way in was a second factor too. Hand the result to `grant` once the transaction is
        committed. Locks the account, which must exist. Four round trips. Raises: AccountSuspended.
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
            second_factor_at=at if is_proved else None,
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
        return Opened(account, session.id, token, revocations, is_proved)

    async def grant(self, opened: Opened) -> Grant:
        """What the client gets for a session whose transaction is committed. One round trip."""
        self.apply(opened.revoked)
        user = await self._profiles.user(opened.account)
        access = self._access(opened.account, opened.session_id, user, is_proved=opened.is_proved)
        return Grant(
            access_token=access.token,
            refresh_token=opened.refresh_token,
            expires_in=access.life_s,
            user=user,
            second_factor=UNSET if opened.is_proved or not self.needs_second_factor(opened.account) else "needed",
        )

    async def proved(self, account: Account, session_id: UUID) -> Access:
        """What a session gets for proving a second factor, once that is committed. One round trip."""
        return self._access(account, session_id, await self._profiles.user(account), is_proved=True)

    async def require_proof(self, tx: Tx, principal: Principal) -> None:
        """Passes sessions that may change how their account is signed in to; a key that acts for one may not.

        Up to two round trips. Raises: SecondFactorNeeded, TokenRevoked.
        """
        if principal.sid is None:
            raise SecondFactorNeeded
        account = await store.account(tx, principal.account_id)
        if account is None:
            raise TokenRevoked
        if self.needs_second_factor(account) and not await self.is_proved(tx, principal):
            raise SecondFactorNeeded

    async def is_proved(self, tx: Tx, principal: Principal) -> bool:
        """Whether the caller's session proved a second factor that still counts. One round trip."""
        if principal.sid is None:
            return False
        return self._is_fresh(await store.proved_at(tx, principal.account_id, principal.sid), self._clock.now())

    def needs_second_factor(self, account: Account) -> bool:
        """Whether sessions of this account are held back until they prove a second factor."""
        return rules.needs_second_factor(account, required=self._settings.second_factor_required)

    async def refresh(self, command: Refresh, *, origin: Origin) -> Grant:
        """A new access token and a new refresh token for a good one, which is then used up.

        A used one is answered once more within `refresh_reuse_s`, in case the reply was lost. Used after that, it
        was stolen: the session ends for everybody who holds a token of it. Raises: BadRefreshToken.
        """
        async with self._database.transaction() as tx:
            outcome = await self._refresh(tx, command, origin=origin, at=self._clock.now())
        return await self._answer(outcome)

    async def refresh_page(self, command: Refresh, *, session_id: UUID, origin: Origin) -> Grant:
        """The same for a token that the pages of one browser share, if it is of this session.

        They may all refresh at once with one token: two are answered as ever, and the others within `refresh_reuse_s`
        get nothing, while the session goes on. Raises: BadRefreshToken, RefreshedElsewhere.
        """
        async with self._database.transaction() as tx:
            outcome = await self._refresh(tx, command, origin=origin, at=self._clock.now(), page_of=session_id)
        return await self._answer(outcome)

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

    async def revoke_all(self, tx: Tx, account_id: UUID, *, reason: str, at: datetime) -> Revocation:
        """Ends every session of an account in the caller's transaction; `apply` it once that is committed.

        Three round trips. Raises: TokenRevoked when there is no such account.
        """
        version = await store.revoke_all(tx, account_id, at=at)
        if version is None:
            raise TokenRevoked
        revocation = Revocation(account_id=account_id, session_id=None, version=version, at=at)
        await self._outbox.append(tx, _events([revocation], reason), at=at)
        return revocation

    def apply(self, revoked: Sequence[Revocation]) -> None:
        """Makes committed revocations count in this process at once; the others hear of them by the log."""
        for revocation in revoked:
            self._revocations.add(revocation)

    async def end_of_way(
        self, tx: Tx, account_id: UUID, way: Way, *, but: UUID | None, at: datetime
    ) -> Sequence[Revocation]:
        """Ends the sessions that a way in opened, `but` one, in the caller's transaction.

        Hand the result to `apply` once the transaction is committed. Two round trips at most.
        """
        ended = await store.revoke_way(tx, account_id, way, but=but, at=at)
        revoked = [_revocation(account_id, session_id, at=at) for session_id in ended]
        if revoked:
            await self._outbox.append(tx, _events(revoked, "unlinked"), at=at)
        return revoked

    async def forget_ended(self, *, rows_max: int) -> int:
        """Drops sessions a day after they ended by themselves, at most `rows_max`; gives how many. One transaction."""
        async with self._database.transaction() as tx:
            return await store.forget_sessions(tx, self._clock.now() - _ENDED_KEPT, rows_max=rows_max)

    async def running(self, principal: Principal) -> list[SessionSeen]:
        """The caller's sessions that have not ended, the last used first; at most `sessions_max`."""
        async with self._database.read() as tx:
            sessions = await store.running_sessions(tx, principal.account_id, at=self._clock.now())
        return [SessionSeen.of(session, current=session.id == principal.sid) for session in sessions]

    async def _answer(self, outcome: _Outcome) -> Grant:
        if isinstance(outcome, Opened):
            return await self.grant(outcome)
        self.apply(outcome.revoked)
        raise RefreshedElsewhere if outcome.is_late else BadRefreshToken

    async def _refresh(
        self, tx: Tx, command: Refresh, *, origin: Origin, at: datetime, page_of: UUID | None = None
    ) -> _Outcome:
        token_hash = rules.secret_hash(command.refresh_token)
        session = await store.lock_session_of(tx, token_hash)
        token = await store.refresh_token(tx, token_hash) if session else None
        account = await store.account(tx, session.account_id) if session else None
        if session is None or token is None or account is None or page_of not in (None, session.id):
            return _Refused()
        move = rules.judge_refresh(
            token, session, now=at, life_s=self._settings.refresh_token_s, reuse_s=self._settings.refresh_reuse_s
        )
        if move is RefreshMove.REUSED and page_of and rules.is_just_used(token, at, self._settings.refresh_reuse_s):
            return _Refused(is_late=True)
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
        return Opened(account, session.id, following, is_proved=self._is_fresh(session.second_factor_at, at))

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
        self.apply([revocation])
        return True

    async def _log_out_everywhere(self, account_id: UUID) -> None:
        async with self._database.transaction() as tx:
            revocation = await self.revoke_all(tx, account_id, reason="logout", at=self._clock.now())
        self.apply([revocation])

    def _access(self, account: Account, session_id: UUID, user: User, *, is_proved: bool) -> Access:
        life_s = self._clubs.token_life_s(user.memberships, otherwise_s=self._settings.access_token_s)
        token = self._signer.sign(account, session_id, memberships=user.memberships, life_s=life_s, is_proved=is_proved)
        return Access(token, life_s)

    def _is_fresh(self, proved_at: datetime | None, at: datetime) -> bool:
        return rules.is_proof_fresh(proved_at, now=at, life_s=self._settings.second_factor_s)

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
