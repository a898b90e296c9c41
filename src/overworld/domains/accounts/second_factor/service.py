"""Second factors: set up, confirmed, proved, given up; every code is good once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from overworld.domains.accounts import rules
from overworld.domains.accounts import store as accounts_store
from overworld.domains.accounts.errors import SecondFactorNeeded, TokenRevoked
from overworld.domains.accounts.messages import SignInRefused
from overworld.domains.accounts.second_factor import codes, store
from overworld.domains.accounts.second_factor.errors import (
    BadCode,
    NoSecondFactor,
    SecondFactorForStaff,
    SecondFactorSet,
    TooManyCodes,
)
from overworld.domains.accounts.second_factor.messages import (
    Confirmed,
    FactorSecret,
    FactorSeen,
    GiveCode,
    Proved,
    RecoveryCodes,
)
from overworld.domains.accounts.second_factor.sealing import Seal
from overworld.domains.accounts.second_factor.types import Factor
from overworld.domains.accounts.service.sessions import Access, Sessions
from overworld.domains.accounts.types import Account, AccountsSettings, Origin, Way
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ports import AuditTrail, Limiter, Outbox, Tx
from overworld.platform.postgres import Database

_SET_UP_S = 600


class SecondFactors:
    """Sets up and judges second factors. What staff do to theirs goes into the audit log.

    Codes are judged under the factor's lock, so guesses sent all at once count like guesses sent one by one.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditTrail,
        limiter: Limiter,
        limits_enabled: bool,
        sessions: Sessions,
        settings: AccountsSettings,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._audit = audit
        self._limiter = limiter
        self._limits_enabled = limits_enabled
        self._sessions = sessions
        self._random = random
        self._issuer = settings.passkey_rp_name
        self._seal = Seal(settings.signing_key_secret, random=random)
        self._guesses = rules.per_window(settings.code_failures_max, settings.code_window_s)

    async def seen(self, principal: Principal) -> FactorSeen:
        """What the caller's second factor is, and whether this session needs and proved one. Raises: TokenRevoked."""
        async with self._database.read() as tx:
            account = await self._account(tx, principal)
            return FactorSeen(
                set_up=account.has_second_factor,
                needed=self._sessions.needs_second_factor(account),
                proved=await self._sessions.is_proved(tx, principal),
                recovery_codes_left=await store.recovery_left(tx, account.id),
            )

    async def set_up(self, principal: Principal) -> FactorSecret:
        """A new secret for the caller's app; one that was not confirmed is forgotten.

        Raises: SecondFactorNeeded for a key that acts for an account, TokenRevoked, SecondFactorForStaff,
        SecondFactorSet.
        """
        _session_of(principal)
        secret = self._random(codes.SECRET_BYTES)
        async with self._database.transaction() as tx:
            account = await self._account(tx, principal)
            if not rules.is_staff(account.role):
                raise SecondFactorForStaff
            kept = self._seal.sealed(secret, account.id)
            if not await store.set_up(tx, account.id, kept, at=self._clock.now()):
                raise SecondFactorSet
        return FactorSecret(
            secret=codes.secret_text(secret),
            uri=codes.key_uri(secret, issuer=self._issuer, username=account.username),
            expires_in=_SET_UP_S,
        )

    async def confirm(self, command: GiveCode, principal: Principal, *, staff: Staff, origin: Origin) -> Confirmed:
        """The caller's second factor counts from now on, and is proved in this session.

        Raises: SecondFactorNeeded, NoSecondFactor, SecondFactorSet, TooManyCodes, BadCode, TokenRevoked,
        SecondFactorLocked.
        """
        session_id, at = _session_of(principal), self._clock.now()
        new = self._new_codes()
        async with self._database.transaction() as tx:
            factor = await store.lock(tx, principal.account_id)
            if factor is not None and factor.confirmed_at is not None:
                raise SecondFactorSet
            if factor is None or at >= factor.made_at + timedelta(seconds=_SET_UP_S):
                raise NoSecondFactor
            is_good = await self._is_taken(tx, factor, command.code, recovery=False, origin=origin, at=at)
            if is_good:
                await store.renew_recovery(tx, factor.account_id, _hashes(new))
                await self._prove(tx, principal, session_id, at)
                await self._audit.record(tx, [staff.did("accounts.second_factor_set", factor.account_id)])
        access = await self._access(is_good, principal, session_id)
        return Confirmed(access_token=access.token, expires_in=access.life_s, recovery_codes=new)

    async def prove(self, command: GiveCode, principal: Principal, *, staff: Staff, origin: Origin) -> Proved:
        """Opens for this session what only a second factor opens, by a code of the app or a recovery code.

        Raises: SecondFactorNeeded, NoSecondFactor, TooManyCodes, BadCode, TokenRevoked, SecondFactorLocked.
        """
        session_id, at = _session_of(principal), self._clock.now()
        async with self._database.transaction() as tx:
            factor = await self._confirmed(tx, principal)
            is_good = await self._is_taken(tx, factor, command.code, recovery=True, origin=origin, at=at)
            if is_good:
                await self._prove(tx, principal, session_id, at)
                if codes.is_recovery(codes.plain(command.code)):
                    await self._audit.record(tx, [staff.did("accounts.recovery_code_used", factor.account_id)])
        access = await self._access(is_good, principal, session_id)
        return Proved(access_token=access.token, expires_in=access.life_s)

    async def renew(self, command: GiveCode, principal: Principal, *, staff: Staff, origin: Origin) -> RecoveryCodes:
        """New recovery codes in the place of all others, for a code of the app.

        Raises: SecondFactorNeeded, NoSecondFactor, TooManyCodes, BadCode, SecondFactorLocked.
        """
        _session_of(principal)
        new = self._new_codes()
        async with self._database.transaction() as tx:
            factor = await self._confirmed(tx, principal)
            at = self._clock.now()
            is_good = await self._is_taken(tx, factor, command.code, recovery=False, origin=origin, at=at)
            if is_good:
                await store.renew_recovery(tx, factor.account_id, _hashes(new))
                await self._audit.record(tx, [staff.did("accounts.recovery_codes_renewed", factor.account_id)])
        if not is_good:
            raise BadCode
        return RecoveryCodes(recovery_codes=new)

    async def remove(self, command: GiveCode, principal: Principal, *, staff: Staff, origin: Origin) -> None:
        """The caller's account has no second factor any more, for a code of the app or a recovery code.

        What sessions proved is forgotten: where staff need one, they set up another first. Raises: SecondFactorNeeded,
        NoSecondFactor, TooManyCodes, BadCode, SecondFactorLocked.
        """
        _session_of(principal)
        async with self._database.transaction() as tx:
            await store.lock_account(tx, principal.account_id)
            factor = await self._confirmed(tx, principal)
            at = self._clock.now()
            is_good = await self._is_taken(tx, factor, command.code, recovery=True, origin=origin, at=at)
            if is_good:
                await store.remove(tx, factor.account_id)
                await self._audit.record(tx, [staff.did("accounts.second_factor_removed", factor.account_id)])
        if not is_good:
            raise BadCode

    async def _is_taken(
        self, tx: Tx, factor: Factor, code: str, *, recovery: bool, origin: Origin, at: datetime
    ) -> bool:
        """Whether a code is good; then it is over. Of a wrong one `tx` keeps the event, so the caller has to commit.

        The caller holds the factor's lock. Raises: TooManyCodes, SecondFactorLocked.
        """
        bucket = f"accounts.code:{factor.account_id}"
        if self._limits_enabled:
            taken = await self._limiter.take(bucket, self._guesses, cost=0)
            if taken.remaining < 1:
                raise TooManyCodes(retry_after_s=rules.wait_s(taken, self._guesses))
        if await self._spend(tx, factor, codes.plain(code), recovery=recovery, at=at):
            return True
        if self._limits_enabled:
            await self._limiter.take(bucket, self._guesses)
        refused = SignInRefused(
            account_id=factor.account_id,
            way=Way.CODE,
            reason="bad_code",
            address=origin.address,
            user_agent=origin.user_agent,
        )
        await self._outbox.append(tx, [refused], at=at)
        return False

    async def _spend(self, tx: Tx, factor: Factor, code: str, *, recovery: bool, at: datetime) -> bool:
        if codes.is_recovery(code):
            return recovery and await store.take_recovery(tx, factor.account_id, rules.secret_hash(code))
        secret = self._seal.opened(factor.secret, factor.account_id)
        step = codes.matching_step(secret, code, now=at, after=factor.last_step)
        if step is None:
            return False
        await store.take_step(tx, factor.account_id, step, at=at)
        return True

    async def _confirmed(self, tx: Tx, principal: Principal) -> Factor:
        factor = await store.lock(tx, principal.account_id)
        if factor is None or factor.confirmed_at is None:
            raise NoSecondFactor
        return factor

    async def _prove(self, tx: Tx, principal: Principal, session_id: UUID, at: datetime) -> None:
        if not await store.mark_proved(tx, principal.account_id, session_id, at=at):
            raise TokenRevoked

    async def _access(self, is_good: bool, principal: Principal, session_id: UUID) -> Access:
        if not is_good:
            raise BadCode
        async with self._database.read() as tx:
            account = await self._account(tx, principal)
        return await self._sessions.proved(account, session_id)

    async def _account(self, tx: Tx, principal: Principal) -> Account:
        account = await accounts_store.account(tx, principal.account_id)
        if account is None:
            raise TokenRevoked
        return account

    def _new_codes(self) -> tuple[str, ...]:
        return tuple(codes.recovery_code(self._random(codes.RECOVERY_BYTES)) for _ in range(codes.RECOVERY_COUNT))


def _session_of(principal: Principal) -> UUID:
    """The caller's session. Raises: SecondFactorNeeded for a key that acts for an account: it has none to prove."""
    if principal.sid is None:
        raise SecondFactorNeeded
    return principal.sid


def _hashes(new: tuple[str, ...]) -> list[bytes]:
    return [rules.secret_hash(codes.plain(code)) for code in new]
