"""Accounts on a real database, with cheap password hashes and one signing key for all tests."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from uuid import UUID

import pytest
from joserfc.jwk import RSAKey
from msgspec import Struct

from overworld.domains.accounts import SCHEMA, Accounts, AccountsSettings, build
from overworld.domains.accounts.crypto import keys
from overworld.domains.accounts.crypto import store as key_store
from overworld.domains.accounts.crypto.keys import new_signing_key
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.types import Origin, SigningKey
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.ids import IdSource
from overworld.kernel.mail import MailCarrier
from overworld.kernel.ports import Limiter, Tx
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.postgres import Database

CHEAP = AccountsSettings(argon2_memory_kib=8, argon2_passes=1)
HERE = Origin("192.0.2.1", "tests/1")


class Standing(Struct, frozen=True):
    level: int
    experience: int


class KnownProgress:
    """Everybody's level and experience."""

    async def progress(self, account_ids: Sequence[UUID]) -> list[Standing]:
        return [Standing(level=3, experience=250) for _ in account_ids]


class KnownBadges:
    """Everybody's badges."""

    async def badges_of(self, account_ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        return [("first_steps", "night_owl") for _ in account_ids]


class KeptOutbox:
    """Keeps what was published."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self.envelopes: list[Envelope] = []

    async def append(self, tx: Tx, events: Sequence[Event], *, at: datetime) -> None:
        await tx.execute("SELECT")
        self.envelopes += [enclose(event, id=self._ids(), at=at) for event in events]

    @property
    def events(self) -> list[Event]:
        return [envelope.decode() for envelope in self.envelopes]

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


class House(Struct, frozen=True):
    """One process of accounts and what it stands on."""

    accounts: Accounts
    database: Database
    clock: FixedClock
    ids: IdSource
    outbox: KeptOutbox
    limiter: Limiter


@pytest.fixture(scope="session")
def signing_key() -> SigningKey:
    return new_signing_key(secret="", now=datetime.fromisoformat("2026-01-01T00:00:00+00:00"))


@pytest.fixture(scope="session", autouse=True)
def opened_once() -> Iterator[None]:
    """Each signing key is opened once: OpenSSL sees whether its numbers are primes, which takes 50 ms of a core."""
    real = keys.opened
    known: dict[tuple[str | None, str], RSAKey] = {}

    def opened(key: SigningKey, *, secret: str) -> RSAKey:
        named = (key.private_pem, secret)
        if named not in known:
            known[named] = real(key, secret=secret)
        return known[named]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "opened", opened)
        yield


OpenHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def open_house(clock: FixedClock, ids: IdSource, signing_key: SigningKey) -> OpenHouse:
    """Starts a process of accounts on a database: `async with open_house(database, settings=...) as house`."""

    @asynccontextmanager
    async def opened(
        database: Database,
        *,
        settings: AccountsSettings = CHEAP,
        limits_enabled: bool = False,
        limiter: Limiter | None = None,
        seed: int = 11,
        clubs: Clubs | None = None,
        carrier: MailCarrier | None = None,
    ) -> AsyncIterator[House]:
        outbox = KeptOutbox(ids)
        limiter = limiter or MemoryLimiter(monotonic_s=clock.monotonic_s)
        async with database.transaction() as tx:
            await key_store.insert_signing_key(tx, signing_key)
        accounts = build(
            database=database,
            clock=clock,
            ids=ids,
            outbox=outbox,
            limiter=limiter,
            limits_enabled=limits_enabled,
            settings=settings,
            progress=KnownProgress(),
            badges=KnownBadges(),
            clubs=clubs,
            carrier=carrier,
            game_title="Ore",
            random=random.Random(seed).randbytes,
        )
        await accounts.load()
        try:
            yield House(accounts, database, clock, ids, outbox, limiter)
        finally:
            await accounts.close()

    return opened


@pytest.fixture
async def house(open_database, open_house) -> AsyncIterator[House]:
    async with open_database(SCHEMA) as database, open_house(database) as opened:
        yield opened


@pytest.fixture
async def desk(open_database, open_house):
    from tests.domains.accounts.desk import opened_desk

    async with opened_desk(open_database, open_house) as opened:
        yield opened
