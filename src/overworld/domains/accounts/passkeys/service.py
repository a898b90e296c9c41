"""Passkeys: made, listed and forgotten by their owners, who sign in by them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts import rules
from overworld.domains.accounts import store as accounts_store
from overworld.domains.accounts.errors import LastWay, TokenRevoked
from overworld.domains.accounts.messages import Grant, SignInRefused
from overworld.domains.accounts.passkeys import store
from overworld.domains.accounts.passkeys.errors import (
    BadPasskey,
    CeremonyOver,
    NoSuchPasskey,
    PasskeyKnown,
    TooManyPasskeys,
)
from overworld.domains.accounts.passkeys.messages import AddPasskey, Begun, PasskeySeen, SignInPasskey
from overworld.domains.accounts.passkeys.types import Ceremony, Passkey, Signed
from overworld.domains.accounts.service.sessions import Opened, Sessions
from overworld.domains.accounts.service.turns import Turns
from overworld.domains.accounts.types import AccountsSettings, Origin, Way
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Outbox, Tx
from overworld.platform.postgres import Database

if TYPE_CHECKING:
    from overworld.domains.accounts.passkeys.authenticators import Authenticators

_SECRET_BYTES = 32
_COPIED = "passkey_copied"


class _Refused(Struct, frozen=True):
    """A sign-in that was refused; its transaction is committed, so that the ceremony is used up."""

    refusal: BadPasskey | CeremonyOver


_Outcome: TypeAlias = Opened | _Refused


class Passkeys:
    """Holds both ceremonies. Of each, the secret that was given at the beginning is needed at the end, once."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        sessions: Sessions,
        turns: Turns,
        settings: AccountsSettings,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._sessions = sessions
        self._turns = turns
        self._random = random
        self._settings = settings
        self._made_authenticators: Authenticators | None = None
        self._life_s = settings.passkey_ceremony_s
        self._passkeys_max = settings.passkeys_max

    async def begin_adding(self, principal: Principal) -> Begun:
        """Asks for a new key pair, to be brought by the same session.

        Raises: TokenRevoked, SecondFactorNeeded, TooManyPasskeys.
        """
        challenge = self._random(_SECRET_BYTES)
        authenticators = await self._authenticators()
        async with self._database.transaction() as tx:
            await self._sessions.require_proof(tx, principal)
            account = await accounts_store.account(tx, principal.account_id)
            if account is None:
                raise TokenRevoked
            known = await store.of_account(tx, account.id)
            self._require_room(known)
            options = authenticators.to_make(account, known, challenge=challenge)
            return await self._begun(tx, options, challenge, principal)

    async def add(self, command: AddPasskey, principal: Principal) -> PasskeySeen:
        """Keeps a new passkey of the caller.

        Raises: CeremonyOver, PasskeyRefused, TokenRevoked, SecondFactorNeeded, TooManyPasskeys, PasskeyKnown.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            ceremony = await store.take(tx, rules.secret_hash(command.ceremony))
        if (
            ceremony is None
            or at >= ceremony.ends_at
            or (ceremony.account_id, ceremony.session_id) != (principal.account_id, principal.sid)
        ):
            raise CeremonyOver
        made = (await self._authenticators()).made(command.credential, challenge=ceremony.challenge)
        passkey = Passkey(
            id=self._ids(),
            account_id=principal.account_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=command.name,
            transports=made.transports,
            is_synced=made.is_synced,
            made_at=at,
        )
        async with self._database.transaction() as tx:
            await self._lock(tx, principal)
            self._require_room(await store.of_account(tx, principal.account_id))
            if not await store.insert(tx, passkey):
                raise PasskeyKnown
        return PasskeySeen.of(passkey)

    async def begin_signing_in(self) -> Begun:
        """Asks for a signature by any passkey of ours; whose it will be is not known yet. Raises: Busy."""
        challenge = self._random(_SECRET_BYTES)
        options = (await self._authenticators()).to_sign(challenge=challenge)
        async with self._turns.turn(), self._database.transaction() as tx:
            return await self._begun(tx, options, challenge)

    async def sign_in(self, command: SignInPasskey, *, origin: Origin) -> Grant:
        """Signs in by a passkey. One that checked who uses it stands for both factors.

        A count that did not grow tells of a copy: the key pair was signed with elsewhere, so nobody is let in by that
        answer. Raises: CeremonyOver, BadPasskey, Busy.
        """
        authenticators = await self._authenticators()
        async with self._turns.turn(), self._database.transaction() as tx:
            outcome = await self._sign_in(tx, command, authenticators, origin=origin, at=self._clock.now())
        if isinstance(outcome, _Refused):
            raise outcome.refusal
        return await self._sessions.grant(outcome)

    async def listed(self, principal: Principal) -> list[PasskeySeen]:
        """The caller's passkeys, the oldest first; at most `passkeys_max`. One round trip."""
        async with self._database.read() as tx:
            return [PasskeySeen.of(passkey) for passkey in await store.of_account(tx, principal.account_id)]

    async def count(self, tx: Tx, account_id: UUID) -> int:
        """How many passkeys an account has, for who counts its ways in. One round trip."""
        return await store.count(tx, account_id)

    async def forget(self, principal: Principal, passkey_id: UUID) -> None:
        """Forgets a passkey of the caller's; sessions that it opened go on.

        Raises: TokenRevoked, SecondFactorNeeded, NoSuchPasskey, LastWay.
        """
        async with self._database.transaction() as tx:
            await self._lock(tx, principal)
            if not await store.delete(tx, principal.account_id, passkey_id):
                raise NoSuchPasskey(passkey_id=passkey_id)
            if not await store.has_way_in(tx, principal.account_id):
                raise LastWay(way="passkey")

    async def _authenticators(self) -> Authenticators:
        """Made when they are first needed, in a thread: their libraries take a tenth of a second to import."""
        if self._made_authenticators is None:
            self._made_authenticators = await asyncio.to_thread(_import_authenticators, self._settings)
        return self._made_authenticators

    async def _sign_in(
        self, tx: Tx, command: SignInPasskey, authenticators: Authenticators, *, origin: Origin, at: datetime
    ) -> _Outcome:
        ceremony = await store.take(tx, rules.secret_hash(command.ceremony))
        if ceremony is None or at >= ceremony.ends_at or ceremony.account_id is not None:
            return _Refused(CeremonyOver())
        passkey: Passkey | None = None
        try:
            passkey = await store.lock(tx, _credential_id(command))
            signed = _judged(command, passkey, ceremony, authenticators)
        except BadPasskey as refusal:
            await self._tell(tx, passkey, refusal, origin=origin, at=at)
            return _Refused(refusal)
        await store.mark_used(tx, signed, at=at)
        return await self._sessions.open(
            tx, signed.account_id, way=Way.PASSKEY, origin=origin, at=at, is_proved=signed.is_user_verified
        )

    async def _tell(
        self, tx: Tx, passkey: Passkey | None, refusal: BadPasskey, *, origin: Origin, at: datetime
    ) -> None:
        refused = SignInRefused(
            account_id=passkey.account_id if passkey else None,
            way=Way.PASSKEY,
            reason=_COPIED if refusal.fields["reason"] == _COPIED else "bad_passkey",
            address=origin.address,
            user_agent=origin.user_agent,
        )
        await self._outbox.append(tx, [refused], at=at)

    async def _begun(
        self, tx: Tx, options: dict[str, Any], challenge: bytes, principal: Principal | None = None
    ) -> Begun:
        now = self._clock.now()
        secret = base64.urlsafe_b64encode(self._random(_SECRET_BYTES)).rstrip(b"=").decode()
        ceremony = Ceremony(
            challenge=challenge,
            ends_at=now + timedelta(seconds=self._life_s),
            account_id=principal.account_id if principal else None,
            session_id=principal.sid if principal else None,
        )
        await store.begin(tx, rules.secret_hash(secret), ceremony, now=now)
        return Begun(ceremony=secret, public_key=options, expires_in=self._life_s)

    async def _lock(self, tx: Tx, principal: Principal) -> None:
        if not await store.lock_account(tx, principal.account_id):
            raise TokenRevoked
        await self._sessions.require_proof(tx, principal)

    def _require_room(self, known: list[Passkey]) -> None:
        if len(known) >= self._passkeys_max:
            raise TooManyPasskeys(passkeys_max=self._passkeys_max)


def _import_authenticators(settings: AccountsSettings) -> Authenticators:
    from overworld.domains.accounts.passkeys.authenticators import Authenticators  # noqa: PLC0415  # only if used

    return Authenticators(settings)


def _credential_id(command: SignInPasskey) -> bytes:
    """The id of the key pair that signed. Raises: BadPasskey."""
    raw_id = command.credential.raw_id
    try:
        return base64.urlsafe_b64decode(raw_id + "=" * (-len(raw_id) % 4))
    except ValueError as error:
        raise BadPasskey(reason="the id is not base64url") from error


def _judged(
    command: SignInPasskey, passkey: Passkey | None, ceremony: Ceremony, authenticators: Authenticators
) -> Signed:  # fmt: skip
    if passkey is None:
        raise BadPasskey(reason="unknown")
    signed = authenticators.signed(command.credential, passkey, challenge=ceremony.challenge)
    if not rules.has_count_grown(passkey.sign_count, signed.sign_count):
        raise BadPasskey(reason=_COPIED)
    return signed
