"""What `overworld accounts` does, with the database of a running server."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from os import urandom

from overworld.app.attached import attached
from overworld.app.on_the_machine import recording, staff
from overworld.app.settings import Settings
from overworld.domains.accounts import rules
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.errors import NoSuchUser
from overworld.domains.accounts.service import Directory, SigningKeys
from overworld.domains.accounts.types import Role, SigningKey
from overworld.domains.accounts.users import wiring as users_wiring
from overworld.domains.accounts.users.messages import PersonFound
from overworld.domains.accounts.wiring import token_life_most_s
from overworld.kernel.clock import SystemClock
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres import Database

LEAD = timedelta(minutes=10)
"""Longer than anybody keeps the published keys (`Cache-Control` of `/.well-known/jwks.json`: 5 min)."""

_EVERYTHING = frozenset().union(*map(rules.scopes_of, Role))


def rotate_key(settings: Settings, *, at_once: bool) -> SigningKey:
    """Makes a new key for access tokens. Raises: those of `attached`; SigningKeyLocked."""
    return asyncio.run(_rotate_key(settings, at_once=at_once))


async def _rotate_key(settings: Settings, *, at_once: bool) -> SigningKey:
    clock = SystemClock()
    async with attached(settings, application="overworld accounts rotate-key") as database:
        keys = SigningKeys(database=database, clock=clock, secret=settings.accounts.signing_key_secret)
        overlap = timedelta(seconds=token_life_most_s(settings.accounts))
        return await keys.rotate(
            outbox=_outbox(clock),
            beside=recording(staff().did("accounts.rotate_signing_key", "accounts", note="at once" if at_once else "")),
            lead=timedelta() if at_once else LEAD,
            overlap=timedelta() if at_once else overlap,
        )


def set_role(settings: Settings, name: str, role: Role) -> PersonFound:
    """Gives the account with a name or id a role. Raises: those of `attached`; NoSuchUser."""
    return asyncio.run(_set_role(settings, name, role))


async def _set_role(settings: Settings, name: str, role: Role) -> PersonFound:
    async with attached(settings, application="overworld accounts role") as database:
        [account_id] = await Directory(database=database).found([name])
        if account_id is None:
            raise NoSuchUser(f"there is no account {name!r}")
        users = _users(database, settings)
        return await users.service.set_role(account_id, role, holds=_EVERYTHING, staff=staff())


def _users(database: Database, settings: Settings) -> users_wiring.UsersParts:
    clock = SystemClock()
    ids = IdSource(clock.now_us, urandom)
    return users_wiring.build(
        database=database,
        clock=clock,
        ids=ids,
        outbox=_outbox(clock),
        audit=Trail(clock=clock, ids=ids),
        revocations=Revocations(clock=clock, keep_s=token_life_most_s(settings.accounts)),
        book=KeyBook(database=database, clock=clock),
    )


def _outbox(clock: SystemClock) -> PostgresOutbox:
    return PostgresOutbox(ids=IdSource(clock.now_us, urandom))
