"""Signing in with accounts elsewhere, linking them to an account here, and letting go of ways in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from overworld.domains.accounts import rules as account_rules
from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.external import rules, store
from overworld.domains.accounts.external.errors import AlreadyLinked, BadAnswer, ExternalTaken, NotProved
from overworld.domains.accounts.external.messages import (
    LinkWay,
    ProviderSeen,
    SignInExternal,
    SignInWallet,
    WayLinked,
    WaySeen,
    WayUnlinked,
)
from overworld.domains.accounts.external.ports import OtherWays, Provider
from overworld.domains.accounts.external.types import DEVICE, DEVICES_MAX, WALLET, Answer, Elsewhere, Held
from overworld.domains.accounts.external.visits import Visits
from overworld.domains.accounts.messages import Entered
from overworld.domains.accounts.service import Sessions, SignIn
from overworld.domains.accounts.types import Origin, Way
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ports import Outbox, Tx
from overworld.platform.postgres import Database

_PASSWORD = "password"  # noqa: S105 - the name of a way


class External:
    """The ways in that others vouch for, and all ways as their owner sees them."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        sign_in: SignIn,
        sessions: Sessions,
        visits: Visits,
        providers: Mapping[str, Provider],
        others: Sequence[OtherWays],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._sign_in = sign_in
        self._sessions = sessions
        self._visits = visits
        self._others = others
        self.providers = [ProviderSeen(name=name, id_token=each.takes_id_tokens) for name, each in providers.items()]

    async def sign_in(self, name: str, command: SignInExternal, *, origin: Origin) -> Entered:
        """Signs in by an account elsewhere; its first sign-in makes the account here. Twins make one.

        Raises: BadUsername, NoSuchProvider, BadAnswer, NotProved, ProviderUnavailable, TooManyRegistrations, Busy.
        """
        wished = _wished(command.username)
        try:
            who = await self._visits.ended(name, command.flow, _answer(command), account_id=None)
        except NotProved:
            await self._sign_in.refused(way=Way.EXTERNAL, reason="not_proved", origin=origin)
            raise
        return await self._enter(who, Way.EXTERNAL, wished, origin)

    async def sign_in_wallet(self, command: SignInWallet, *, origin: Origin) -> Entered:
        """Signs in by a wallet; its first sign-in makes the account.

        Raises: BadUsername, NoSuchProvider, NotProved, TooManyRegistrations, Busy.
        """
        wished = _wished(command.username)
        try:
            who = await self._visits.signed(command.message, command.signature, account_id=None)
        except NotProved:
            await self._sign_in.refused(way=Way.WALLET, reason="not_proved", origin=origin)
            raise
        return await self._enter(who, Way.WALLET, wished, origin)

    async def ways(self, account_id: UUID) -> list[WaySeen]:
        """The ways into an account that are kept here. Raises: TokenRevoked when it is gone."""
        async with self._database.read() as tx:
            held = await _held(tx, account_id)
        own = [WaySeen(way=way) for way in rules.own_ways_of(held)]
        return own + [WaySeen(way=one.provider, account=one.subject, linked_at=one.linked_at) for one in held.linked]

    async def link(self, caller: Principal, way: str, command: LinkWay, *, origin: Origin) -> list[WaySeen]:
        """Adds a way into the caller's account, once it is proved; one that is theirs already changes nothing.

        Raises: SecondFactorNeeded, NoSuchProvider, BadAnswer, NotProved, ProviderUnavailable, ExternalTaken,
        AlreadyLinked.
        """
        async with self._database.read() as tx:
            await self._sessions.require_proof(tx, caller)
        if way == DEVICE:
            await self._link_device(caller.account_id, command, origin=origin)
        else:
            await self._link_external(caller.account_id, await self._proved(caller, way, command), origin=origin)
        return await self.ways(caller.account_id)

    async def unlink(self, caller: Principal, way: str, *, origin: Origin) -> None:
        """Takes a way in from the caller's account and ends the other sessions it opened; never the last way.

        Raises: SecondFactorNeeded, NotLinked, LastWay.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await self._sessions.require_proof(tx, caller)
            before = await _held(tx, caller.account_id)
            await _take(tx, caller.account_id, way)
            await _lock(tx, caller.account_id)
            if way == _PASSWORD:
                await store.forget_password(tx, caller.account_id)
            elsewhere = sum([await other.count(tx, caller.account_id) for other in self._others])
            rules.check_unlinked(before, await _held(tx, caller.account_id), way, elsewhere=elsewhere)
            unlinked = WayUnlinked(account_id=caller.account_id, way=way, address=origin.address)
            await self._outbox.append(tx, [unlinked], at=at)
            revoked = await self._sessions.end_of_way(tx, caller.account_id, _way_of(way), but=caller.sid, at=at)
        self._sessions.apply(revoked)

    async def _enter(self, who: Elsewhere, way: Way, wished: str | None, origin: Origin) -> Entered:
        claim = partial(_claim, who=who)
        return await self._sign_in.enter(claim, way=way, wished=wished, origin=origin)

    async def _proved(self, caller: Principal, way: str, command: LinkWay) -> Elsewhere:
        if way == WALLET:
            if command.message is None or command.signature is None:
                raise BadAnswer("A wallet is linked by its message and signature.")
            return await self._visits.signed(command.message, command.signature, account_id=caller.account_id)
        if command.flow is None:
            raise BadAnswer("An account elsewhere is linked by a visit's flow and what came back.")
        return await self._visits.ended(way, command.flow, _answer(command), account_id=caller.account_id)

    async def _link_external(self, account_id: UUID, who: Elsewhere, *, origin: Origin) -> None:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if not await store.link(tx, who, account_id, at):
                owner_id = await store.owner(tx, who)
                if owner_id is None:
                    raise AlreadyLinked(way=who.provider)
                if owner_id != account_id:
                    raise ExternalTaken(way=who.provider)
                return
            await _lock(tx, account_id)
            linked = WayLinked(account_id=account_id, way=who.provider, address=origin.address)
            await self._outbox.append(tx, [linked], at=at)

    async def _link_device(self, account_id: UUID, command: LinkWay, *, origin: Origin) -> None:
        if command.device_id is None:
            raise BadAnswer("A device is linked by its id.")
        device_hash = account_rules.secret_hash(command.device_id)
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if not await store.link_device(tx, device_hash, account_id, at):
                if await store.owner_of_device(tx, device_hash) != account_id:
                    raise ExternalTaken(way=DEVICE)
                return
            await _lock(tx, account_id)
            if (await _held(tx, account_id)).devices > DEVICES_MAX:
                raise AlreadyLinked(f"An account has at most {DEVICES_MAX} devices.", way=DEVICE)
            linked = WayLinked(account_id=account_id, way=DEVICE, address=origin.address)
            await self._outbox.append(tx, [linked], at=at)


def _wished(username: str | None) -> str | None:
    return None if username is None else account_rules.username(username)


def _answer(command: SignInExternal | LinkWay) -> Answer:
    return Answer(
        code=command.code,
        state=command.state,
        iss=command.iss,
        id_token=command.id_token,
        openid=command.openid,
    )


async def _claim(tx: Tx, *, who: Elsewhere, account_id: UUID, at: datetime) -> UUID:
    return await store.claim(tx, who, account_id, at)


async def _lock(tx: Tx, account_id: UUID) -> None:
    """Raises: TokenRevoked when the account is gone."""
    if not await store.lock_account(tx, account_id):
        raise TokenRevoked


async def _held(tx: Tx, account_id: UUID) -> Held:
    """Raises: TokenRevoked when the account is gone."""
    held = await store.held(tx, account_id)
    if held is None:
        raise TokenRevoked
    return held


async def _take(tx: Tx, account_id: UUID, way: str) -> None:
    """Before the account is locked, as a sign-in does it: what it came in by, then the account."""
    if way == DEVICE:
        await store.forget_devices(tx, account_id)
    elif way != _PASSWORD:
        await store.unlink(tx, account_id, way)


def _way_of(way: str) -> Way:
    """What sessions say that a way in opened."""
    known = {_PASSWORD: Way.PASSWORD, DEVICE: Way.DEVICE, WALLET: Way.WALLET}
    return known.get(way, Way.EXTERNAL)
