"""A desk of staff: two processes of accounts on one database, their API keys and users, and the real audit log."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from msgspec import Struct
from prometheus_client import CollectorRegistry

from overworld.domains.accounts import SCHEMA, Accounts, AccountsSettings
from overworld.domains.accounts.apikeys import wiring as apikeys_wiring
from overworld.domains.accounts.apikeys.wiring import ApiKeyParts
from overworld.domains.accounts.audit.types import Asked
from overworld.domains.accounts.audit.wiring import AuditParts
from overworld.domains.accounts.audit.wiring import build as build_audit
from overworld.domains.accounts.messages import Grant, SignInDevice
from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users import wiring as users_wiring
from overworld.domains.accounts.users.wiring import UsersParts
from overworld.kernel.events import Event
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.observability import Metrics
from tests.domains.accounts.conftest import CHEAP, HERE, House


class Desk(Struct, frozen=True):
    """One process with the rooms of staff, and a second one that hears of things through the log alone."""

    here: House
    elsewhere: House
    api_keys: ApiKeyParts
    users: UsersParts
    audit: AuditParts

    @property
    def accounts(self) -> Accounts:
        return self.here.accounts

    async def joins(self, name: str, role: Role = Role.PLAYER) -> Grant:
        """Somebody of a role, signed in with a device of theirs."""
        command = SignInDevice(device_id=f"the-device-of-{name}", username=name)
        grant = (await self.accounts.sign_in.sign_in_device(command, origin=HERE)).grant
        if role is Role.PLAYER:
            return grant
        async with self.here.database.transaction() as tx:
            await tx.execute("UPDATE accounts.account SET role = $2 WHERE id = $1", grant.user.id, role)
        return (await self.accounts.sign_in.sign_in_device(command, origin=HERE)).grant

    def client(self, bearer: str | Grant) -> httpx.AsyncClient:
        """HTTP to this process with a token or a key."""
        token = bearer if isinstance(bearer, str) else bearer.access_token
        app: Any = build_http(
            routes=[*self.accounts.routes, *self.api_keys.routes, *self.users.routes, *self.audit.routes],
            verifier=self.accounts.verifier,
            keys=NoKeys(),
            limiter=self.here.limiter,
            settings=HttpSettings(),
            limits=LimitSettings(enabled=False),
            metrics=Metrics(CollectorRegistry()),
        )
        transport = httpx.ASGITransport(app, client=("203.0.113.9", 5000))
        headers = {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)

    async def heard(self) -> None:
        """Everything that was published reaches both processes, and what they then read is read."""
        for house in (self.here, self.elsewhere):
            await house.accounts.on_events(self.here.outbox.envelopes)
            if house.accounts.book._stale.is_set():
                await house.accounts.book.load()

    def told(self, kind: type[Event]) -> list[Event]:
        return self.here.outbox.of(kind)

    async def did(self) -> list[tuple[str, str, UUID | None]]:
        """What the audit log has: action, target, actor; the first first."""
        found = await self.audit.reading.found(Asked(), before=None, limit=100)
        return [(one.entry.action, one.entry.target, one.entry.actor_id) for one in reversed(found)]


class NoKeys:
    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@asynccontextmanager
async def opened_desk(open_database, open_house, settings: AccountsSettings = CHEAP) -> AsyncIterator[Desk]:
    """A desk on a fresh database."""
    async with (
        open_database(SCHEMA) as database,
        open_house(database, settings=settings) as here,
        open_house(database, settings=settings, seed=12) as elsewhere,
    ):
        common = {"database": database, "clock": here.clock, "ids": here.ids, "outbox": here.outbox}
        audit = build_audit(**common)
        yield Desk(
            here=here,
            elsewhere=elsewhere,
            audit=audit,
            api_keys=apikeys_wiring.build(
                **common,
                audit=audit.trail,
                book=here.accounts.book,
                settings=settings,
                random=random.Random(5).randbytes,
            ),
            users=users_wiring.build(
                **common, audit=audit.trail, revocations=here.accounts.revocations, book=here.accounts.book
            ),
        )
