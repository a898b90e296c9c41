"""A ledger on a database with its sealer, its log and its auditor, for the tests of the audit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from overworld.domains.ledger import Ledger
from overworld.domains.ledger.audit.auditor import Auditor
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import Clock
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferKind, TransferStatus
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database
from tests.domains.ledger.bank import CURRENCIES

PEOPLE = [UUID(int=n) for n in range(1, 8)]
MINT = AccountRef(HOUSE, "ore", AccountCode.ISSUANCE)
HOUR = timedelta(hours=1)


class Vault:
    """Everything of the ledger, with settings of one's own. Time passes by hand."""

    def __init__(self, database: Database, clock: Clock, **settings: Any) -> None:
        self.database = database
        self.clock = clock
        self.settings = LedgerSettings(**settings)
        self.moves: list[Transfer] = []
        self.ledger = Ledger(database=database, currencies=CURRENCIES)
        self.sealer = self.another_sealer()
        self.log = Log(database=database, clock=clock, settings=self.settings)
        self.auditor = Auditor(database=database, clock=clock, settings=self.settings)

    def another_sealer(self) -> Sealer:
        return Sealer(database=self.database, clock=self.clock, settings=self.settings)

    async def post(self, *transfers: Transfer, tx: Tx | None = None) -> None:
        """Posts transfers, all of which have to go through."""
        if tx is None:
            async with self.database.transaction() as own:
                await self.post(*transfers, tx=own)
            return
        for start in range(0, len(transfers), 4096):
            results = await self.ledger.post(tx, transfers[start : start + 4096], at=self.clock.now())
            assert {result.status for result in results} == {TransferStatus.CREATED}

    async def seal_all(self) -> int:
        """Seals whatever can be."""
        sealed = 0
        while more := await self.sealer.seal(at_once=True):
            sealed += more
        return sealed

    async def count(self, table: str) -> int:
        async with self.database.read() as tx:
            counted: int = await tx.fetchval(f"SELECT count(*) FROM ledger.{table}")  # noqa: S608 - names of tests
            return counted


def wallet(number: int) -> AccountRef:
    return AccountRef(PEOPLE[number], "ore")


def mint(number: int, amount_minor: int, **fields: Any) -> Transfer:
    """New ore for person `number`."""
    return move(MINT, wallet(number), amount_minor, code=TransferCode.MINT, **fields)


def move(debit: AccountRef, credit: AccountRef, amount_minor: int, **fields: Any) -> Transfer:
    given: dict[str, Any] = {"id": uuid4(), "reference": uuid4(), "code": TransferCode.GIFT} | fields
    return Transfer(debit=debit, credit=credit, amount_minor=amount_minor, **given)


def promise(vault: Vault, debit: AccountRef, credit: AccountRef, amount_minor: int) -> Transfer:
    expires_at = vault.clock.now() + timedelta(days=90)
    return move(debit, credit, amount_minor, kind=TransferKind.PENDING, expires_at=expires_at)


def settle(promised: Transfer, amount_minor: int) -> Transfer:
    """Posts as much of a promise, or, of nothing, lets it go."""
    kind = TransferKind.POST_PENDING if amount_minor else TransferKind.VOID_PENDING
    amount = amount_minor or promised.amount_minor
    return move(promised.debit, promised.credit, amount, kind=kind, pending_id=promised.id)
