"""What the tests of memberships share: clubs, people with accounts and money, and as many servers as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.membership.messages import Apply
from overworld.domains.accounts.membership.service import Memberships
from overworld.domains.accounts.membership.types import Benefits, MembershipRules
from overworld.domains.accounts.membership.wiring import MembershipParts, build
from overworld.domains.accounts.store import account
from overworld.domains.accounts.types import Membership
from overworld.domains.ledger import SCHEMA as LEDGER
from overworld.domains.ledger import Ledger
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Currency, Transfer, TransferCode
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import SCHEMA as EVENTLOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY

SCHEMAS = (IDEMPOTENCY, EVENTLOG, LEDGER, SCHEMA)
CURRENCIES = {"coin": Currency("coin"), "gem": Currency("gem", 2)}
RULES = {
    "founders": MembershipRules(
        title="Founders",
        cap=3,
        founding=True,
        benefits=Benefits(token_life_min=30, reward_multiplier="2.0", airdrop_share="0.03"),
    ),
    "guild": MembershipRules(title="Guild", cap=3, proof="discord"),
    "premium": MembershipRules(title="Premium", price="2.50", currency="gem", duration_days=30),
    "trial": MembershipRules(title="Trial", duration_days=7),
}


class Discord:
    """Which account elsewhere belongs to whom: as a test says, to some the same."""

    def __init__(self) -> None:
        self.of: dict[UUID, str] = {}

    def can_prove(self, way: str) -> bool:
        return True

    async def linked(self, account_ids: Sequence[UUID], way: str) -> list[str | None]:
        return [self.of.get(account_id) for account_id in account_ids]


class Hall:
    """One database and one clock, and the people of a game."""

    def __init__(self, database: Any, clock: Any, ids: Any) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.outbox = PostgresOutbox(ids=ids)
        self.ledger = Ledger(database=database, currencies=CURRENCIES)
        self.discord = Discord()

    def parts(self, rules: Mapping[str, MembershipRules] = RULES, **options: Any) -> MembershipParts:
        """Another server's memberships."""
        database = options.pop("database", self.database)
        options.setdefault("proofs", self.discord)
        return build(
            database=database,
            clock=self.clock,
            ledger=Ledger(database=database, currencies=CURRENCIES),
            outbox=self.outbox,
            rules=rules,
            currencies=CURRENCIES,
            **options,
        )

    async def people(self, n: int) -> list[UUID]:
        """So many new accounts."""
        ids = [self.ids() for _ in range(n)]
        async with self.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO accounts.account (id, username, username_folded, did, created_at)"
                " SELECT id, id::text, id::text, '', $2 FROM unnest($1::uuid[]) AS new (id)",
                ids,
                self.clock.now(),
            )
        return ids

    async def fund(self, owner_id: UUID, minor: int, currency: str = "gem") -> None:
        fund = Transfer(
            id=self.ids(),
            debit=AccountRef(HOUSE, currency, AccountCode.ISSUANCE),
            credit=AccountRef(owner_id, currency),
            amount_minor=minor,
            code=TransferCode.FUND,
            reference=owner_id,
        )
        async with self.database.transaction() as tx:
            await self.ledger.post(tx, [fund], at=self.clock.now())

    async def held(self, owner_id: UUID, currency: str = "gem") -> int:
        return {row.currency: row.posted_minor for row in await self.ledger.balances(owner_id)}[currency]

    def apply(self, account_id: UUID, membership: str = "founders", key: str | None = None) -> Apply:
        return Apply(account_id=account_id, membership=membership, key=key or str(self.ids()))

    async def rows(self) -> list[Any]:
        """Who has which number, in order."""
        async with self.database.read() as tx:
            return [
                (row["club"], row["number"], row["account_id"])
                for row in await tx.fetch("SELECT club, number, account_id FROM accounts.membership ORDER BY 1, 2")
            ]

    async def held_by(self, account_id: UUID) -> list[Membership]:
        async with self.database.read() as tx:
            found = await account(tx, account_id)
        return list(found.memberships) if found else []

    async def events(self) -> list[Any]:
        async with self.database.read() as tx:
            topics = frozenset({"events.membership.granted"})
            batches = await read(tx, after=START, topics=topics, batches_max=10_000)
        return [envelope.decode() for batch in batches for envelope in batch.events]

    async def broken(self) -> list[str]:
        """What does not add up: in the books, and numbers that were left out."""
        async with self.database.read() as tx:
            found = await self.ledger.invariants(tx)
            gaps = await tx.fetch(
                "SELECT name, given, count(number) FROM accounts.club LEFT JOIN accounts.membership ON club = name"
                " GROUP BY name HAVING count(number) <> given OR coalesce(max(number), 0) <> given"
            )
        return found + [f"{dict(row)}" for row in gaps]


async def outcome_of(service: Memberships, command: Apply) -> Any:
    try:
        return await service.apply(command)
    except Refusal as refusal:
        return refusal


def code_of(outcome: Any) -> str:
    """The number given, or the code of the refusal; a replay is marked with a star."""
    if isinstance(outcome, Refusal):
        return f"{outcome.code.rpartition('.')[2]}{'*' * outcome.replayed}"
    return f"{outcome.value.number}{'*' * outcome.replayed}"


@asynccontextmanager
async def opened_hall(open_database: Any, clock: Any, ids: Any) -> AsyncIterator[Hall]:
    async with open_database(*SCHEMAS) as database:
        hall = Hall(database, clock, ids)
        yield hall
        assert await hall.broken() == []
