"""A ledger on a database with its sealer, its log and its auditor, for the tests of the audit."""
from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from overworld.domains.ledger.audit.auditor import Auditor
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.audit.types import LedgerSettings
from overworld.kernel.clock import FixedClock
from overworld.platform.postgres import Database

HOUSE = UUID(int=0)
PEOPLE = [UUID(int=n) for n in range(1, 8)]
Posted = tuple[UUID, UUID, UUID, int]


class Vault:
    def __init__(self, database: Database, clock: FixedClock, **settings) -> None:
        self.database = database
        self.clock = clock
        self.settings = LedgerSettings(**settings)
        self.sealer = self.another_sealer()
        self.log = Log(database=database, clock=clock, settings=self.settings)
        self.auditor = Auditor(database=database, clock=clock, settings=self.settings)

    def another_sealer(self) -> Sealer:
        return Sealer(database=self.database, clock=self.clock, settings=self.settings)

    async def account(self, owner: UUID, code: str = "wallet") -> int:
        async with self.database.transaction() as tx:
            return await tx.fetchval(
                """INSERT INTO ledger.account (owner_id, currency, code, debits_must_not_exceed_credits)
                VALUES ($1, 'coin', $2, false) ON CONFLICT (owner_id, currency, code)
                DO UPDATE SET owner_id = excluded.owner_id RETURNING id""", owner, code)

    async def post(self, *moves, kind=0, settles=None, tx=None, reference=None) -> list[UUID]:
        if tx is None:
            async with self.database.transaction() as tx:
                return await self.post(*moves, kind=kind, settles=settles, tx=tx, reference=reference)
        ids = []
        for debit, credit, amount in moves:
            ids.append(uuid4())
            promised = amount
            if settles:
                promised = await tx.fetchval("SELECT amount FROM ledger.transfer WHERE id = $1", settles)
            posted, pending = (amount if kind in (0, 2) else 0), {0: 0, 1: amount}.get(kind, -promised)
            await tx.execute("""UPDATE ledger.account SET debits_posted = debits_posted + $2,
                debits_pending = debits_pending + $3 WHERE id = $1""", debit, posted, pending)
            await tx.execute("""UPDATE ledger.account SET credits_posted = credits_posted + $2,
                credits_pending = credits_pending + $3 WHERE id = $1""", credit, posted, pending)
            await tx.execute("""INSERT INTO ledger.transfer (id, pending_id, debit_id, credit_id, amount, at, code, kind,
                reference) VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)""",
                ids[-1], settles, debit, credit, amount, self.clock.now(), kind, reference or uuid4())
        return ids
