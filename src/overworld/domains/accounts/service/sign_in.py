"""The ways in: register, e-mail and password, device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

from overworld.domains.accounts import rules, store
from overworld.domains.accounts.crypto.keys import new_ed25519_public_key
from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.crypto.weak_passwords import require_strong
from overworld.domains.accounts.errors import BadCredentials, EmailTaken, LockedOut, UsernameTaken
from overworld.domains.accounts.mail.queue import MailQueue
from overworld.domains.accounts.mail.types import Kind
from overworld.domains.accounts.messages import (
    Entered,
    Grant,
    LogIn,
    Register,
    SignInDevice,
    SignInRefused,
    UserRegistered,
)
from overworld.domains.accounts.service.lockout import Lockout
from overworld.domains.accounts.service.sessions import Opened, Sessions
from overworld.domains.accounts.service.turns import Turns
from overworld.domains.accounts.types import Account, Credentials, NewAccount, Origin, Way
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Busy
from overworld.platform.postgres import Database

_NAMES_TRIED_MAX = 5


class Claim(Protocol):
    """Gives a proof of who somebody is to an account, unless it is another's already."""

    async def __call__(self, tx: Tx, *, account_id: UUID, at: datetime) -> UUID:
        """Whose the proof is: its owner's id, or `account_id` when it had none; then the caller makes that account."""
        ...


class SignIn:
    """Lets people in and makes their accounts. A rush of sign-ins waits in turn instead of filling the pool."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        sessions: Sessions,
        passwords: Passwords,
        lockout: Lockout,
        turns: Turns,
        mails: MailQueue,
        password_length_min: int,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._sessions = sessions
        self._passwords = passwords
        self._lockout = lockout
        self._turns = turns
        self._mails = mails
        self._length_min = password_length_min
        self._random = random

    async def register(self, command: Register, *, origin: Origin) -> Grant:
        """A new account with an e-mail address and a password, signed in; a mail asks to confirm the address.

        Raises: BadUsername, BadEmail, WeakPassword, TooManyRegistrations, EmailTaken, UsernameTaken, Busy.
        """
        username, email = rules.username(command.username), rules.email(command.email)
        require_strong(command.password, length_min=self._length_min, names=(username, email))
        await self._lockout.count_registration(origin.address)
        password_hash = await self._passwords.hash(command.password)
        at = self._clock.now()
        new = NewAccount(
            id=self._ids(),
            username=username,
            email=email,
            password_hash=password_hash,
            did=rules.did_key(new_ed25519_public_key()),
            created_at=at,
        )
        async with self._turns.turn(), self._database.transaction() as tx:
            account = await store.insert_account(tx, new)
            if account is None:
                raise EmailTaken if await store.is_email_taken(tx, email) else UsernameTaken
            await self._mails.tell(
                tx, Kind.CONFIRM_EMAIL, [email], account_id=account.id, address=origin.address, at=at
            )
            opened = await self._open_new(tx, account, Way.PASSWORD, origin, at)
        return await self._sessions.grant(opened)

    async def log_in(self, command: LogIn, *, origin: Origin) -> Grant:
        """Signs in by e-mail address and password; unknown and wrong take the same time and get the same answer.

        Failures are counted before anybody is told, and who comes after the last that counts is told nothing of the
        password, so guesses sent all at once count like guesses sent one by one.

        Raises: LockedOut, BadCredentials, AccountSuspended, Busy.
        """
        await self._lockout.check(command.email, origin.address)
        async with self._turns.turn(), self._database.read() as tx:
            known = await store.credentials(tx, command.email)
        is_right = await self._passwords.verify(command.password, known.password_hash if known else None)
        try:
            await self._lockout.check(command.email, origin.address)
        except LockedOut as locked:
            raise await self._refusal(command, known, origin=origin, refusal=locked) from None
        if known is None or not is_right:
            raise await self._refusal(command, known, origin=origin, refusal=BadCredentials())
        renewed = await self._renewed(command, known)
        async with self._turns.turn(), self._database.transaction() as tx:
            account_id, at = known.account.id, self._clock.now()
            opened = await self._sessions.open(tx, account_id, way=Way.PASSWORD, origin=origin, at=at)
            if opened.account.security_version != known.account.security_version:
                now_known = await store.credentials_of(tx, account_id)
                if now_known is None or now_known.password_hash != known.password_hash:
                    raise BadCredentials  # it became another one while it was checked
            if known.password_hash and renewed:
                await store.renew_password_hash(tx, account_id, old=known.password_hash, new=renewed)
        return await self._sessions.grant(opened)

    async def sign_in_device(self, command: SignInDevice, *, origin: Origin) -> Entered:
        """Signs in a device; its first sign-in makes the account. Twins of one new device make one account.

        Raises: BadUsername, TooManyRegistrations, AccountSuspended, Busy.
        """
        wished = rules.username(command.username) if command.username is not None else None
        claim = partial(store.claim_device, device_hash=rules.secret_hash(command.device_id))
        return await self.enter(claim, way=Way.DEVICE, wished=wished, origin=origin)

    async def enter(self, claim: Claim, *, way: Way, wished: str | None, origin: Origin) -> Entered:
        """Signs in whoever a proof belongs to; the first time makes an account, named as `wished` where that is free.

        `claim` gives the proof to the account of an id unless it is somebody's already, and says whose it is. Raises:
        TooManyRegistrations, AccountSuspended, Busy.
        """
        new_id = self._ids()
        async with self._turns.turn(), self._database.transaction() as tx:
            at = self._clock.now()
            owner_id = await claim(tx, account_id=new_id, at=at)
            if owner_id == new_id:
                await self._lockout.count_new_device(origin.address)
                account = await self._make_named(tx, new_id, wished, at)
                opened = await self._open_new(tx, account, way, origin, at)
            else:
                opened = await self._sessions.open(tx, owner_id, way=way, origin=origin, at=at)
        return Entered(await self._sessions.grant(opened), is_new=owner_id == new_id)

    async def refused(self, *, way: Way, reason: str, origin: Origin) -> None:
        """Publishes that somebody was not let in whose account is not known."""
        event = SignInRefused(
            account_id=None, way=way, reason=reason, address=origin.address, user_agent=origin.user_agent
        )
        async with self._turns.turn(), self._database.transaction() as tx:
            await self._outbox.append(tx, [event], at=self._clock.now())

    async def _renewed(self, command: LogIn, known: Credentials) -> str | None:
        """A new hash of a password that was just checked, when the kept one has the parameters of earlier settings."""
        if known.password_hash is None or not self._passwords.is_outdated(known.password_hash):
            return None
        return await self._passwords.hash(command.password)

    async def _open_new(self, tx: Tx, account: Account, way: Way, origin: Origin, at: datetime) -> Opened:
        registered = UserRegistered.of(account, way)
        return await self._sessions.open(tx, account.id, way=way, origin=origin, at=at, before=[registered])

    async def _make_named(self, tx: Tx, account_id: UUID, wished: str | None, at: datetime) -> Account:
        did = rules.did_key(new_ed25519_public_key())
        for name in self._names(wished):
            new = NewAccount(id=account_id, username=name, did=did, created_at=at)
            if account := await store.insert_account(tx, new):
                return account
        raise Busy(names_tried=_NAMES_TRIED_MAX)

    def _names(self, wished: str | None) -> Iterator[str]:
        if wished is not None:
            yield wished
        for _ in range(_NAMES_TRIED_MAX):
            yield rules.with_ending(wished or rules.DEFAULT_NAME, self._random(rules.ENDING_BYTES))

    async def _refusal(
        self, command: LogIn, known: Credentials | None, *, origin: Origin, refusal: LockedOut | BadCredentials
    ) -> LockedOut | BadCredentials:
        """Counts and notes a failure; gives what is told of it."""
        refusal = await self._lockout.count_failure(command.email, origin.address) or refusal
        refused = SignInRefused(
            account_id=known.account.id if known else None,
            way=Way.PASSWORD,
            reason="locked_out" if isinstance(refusal, LockedOut) else "bad_credentials",
            address=origin.address,
            user_agent=origin.user_agent,
        )
        async with self._turns.turn(), self._database.transaction() as tx:
            await self._outbox.append(tx, [refused], at=self._clock.now())
        return refusal
