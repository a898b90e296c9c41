"""What the ledger's tests share: transfers in few words, and a ledger with a transaction around each batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from overworld.domains.ledger import Ledger
from overworld.kernel import ports
from overworld.kernel.money import (
    HOUSE,
    AccountCode,
    AccountRef,
    Currency,
    Transfer,
    TransferCode,
    TransferResult,
    TransferStatus,
)
from overworld.platform.postgres import Database

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
CURRENCIES = {"ore": Currency("ore", 2), "gem": Currency("gem")}
ISSUANCE = AccountRef(HOUSE, "ore", AccountCode.ISSUANCE)
REFERENCE = UUID("00000000-0000-0000-0000-7e57000000ff")
A, B, C = (UUID(int=n) for n in (1, 2, 3))


def wallet(owner_id: UUID, currency: str = "ore") -> AccountRef:
    return AccountRef(owner_id, currency)


def transfer(
    debit: AccountRef, credit: AccountRef, amount_minor: int, *, id: UUID | None = None, reference: UUID = REFERENCE
) -> Transfer:
    return Transfer(
        id=id or uuid4(),
        debit=debit,
        credit=credit,
        amount_minor=amount_minor,
        code=TransferCode.GIFT,
        reference=reference,
    )


def mint(owner_id: UUID, amount_minor: int, *, id: UUID | None = None, currency: str = "ore") -> Transfer:
    return transfer(AccountRef(HOUSE, currency, AccountCode.ISSUANCE), wallet(owner_id, currency), amount_minor, id=id)


class CountingTx:
    """A transaction that counts its round trips."""

    def __init__(self, tx: ports.Tx) -> None:
        self._tx = tx
        self.round_trips = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self.round_trips += 1
        method: Callable[..., Any] = getattr(self._tx, name)
        return method


class Bank:
    """A ledger on a database, with a transaction around each batch."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = Ledger(database=database, currencies=CURRENCIES)
        self.round_trips = 0

    async def post(self, *transfers: Transfer, stripe: int = 0) -> list[TransferResult]:
        async with self.database.transaction() as tx:
            counting = CountingTx(tx)
            results = await self.ledger.post(counting, transfers, at=AT, stripe=stripe)
        self.round_trips = counting.round_trips
        return results

    async def statuses(self, *transfers: Transfer, stripe: int = 0) -> list[TransferStatus]:
        return [result.status for result in await self.post(*transfers, stripe=stripe)]

    async def post_and_fail(self, *transfers: Transfer) -> None:
        async with self.database.transaction() as tx:
            await self.ledger.post(tx, transfers, at=AT)
            raise ZeroDivisionError

    async def held(self, owner_id: UUID, currency: str = "ore") -> int:
        return {of.currency: of.posted_minor for of in await self.ledger.balances(owner_id)}[currency]

    async def broken(self) -> list[str]:
        async with self.database.read() as tx:
            return await self.ledger.invariants(tx)
