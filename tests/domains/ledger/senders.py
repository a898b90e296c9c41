"""Players who send each other things: several servers on one database, an address book, and what the game allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.ledger import SCHEMA
from overworld.domains.ledger.messages import SendBody, SendTokens, Sent, TokensSent
from overworld.domains.ledger.sending import Outcome
from overworld.domains.ledger.types import CurrencyTransferRules, LedgerSettings, TransferRules
from overworld.domains.ledger.wiring import SendingParts, build_sending
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import Envelope
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.money import Transfer, TransferKind
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate, Standing
from overworld.platform.eventlog import SCHEMA as EVENTLOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY
from tests.domains.ledger.bank import CURRENCIES, A, B, Bank, C, transfer, wallet

NAMES = {"ada": A, "bob": B, "cleo": C}
RULES = TransferRules(
    currencies={"ore": CurrencyTransferRules(per_transfer_max="100", per_day_max="150", per_day_count=4)}
)


class Level(Struct, frozen=True):
    """How far a player has come."""

    level: int


class People:
    """Who is who, how trusted, and how far; everybody is trusted and at level 1 unless a test says otherwise."""

    def __init__(self) -> None:
        self.trust: dict[UUID, float] = {}
        self.gates: dict[UUID, Gate] = {}
        self.levels: dict[UUID, int] = {}

    async def found(self, names: Sequence[str]) -> list[UUID | None]:
        known = NAMES | {str(player_id): player_id for player_id in NAMES.values()}
        return [known.get(name) for name in names]

    async def standings(self, player_ids: Sequence[UUID]) -> list[Standing]:
        return [Standing(self.trust.get(one, 1.0), self.gates.get(one, Gate.NORMAL)) for one in player_ids]

    async def progress(self, account_ids: Sequence[UUID]) -> list[Level]:
        return [Level(self.levels.get(account_id, 1)) for account_id in account_ids]


class Senders:
    """Two servers' doors for gifts on one bank."""

    def __init__(self, bank: Bank, clock: FixedClock, ids: IdSource) -> None:
        self.bank = bank
        self.clock = clock
        self.people = People()
        self._outbox = PostgresOutbox(ids=ids, game=lambda: "")
        self._parts: list[SendingParts] = []
        self.first, self.second = self.server(), self.server()

    def server(self, rules: TransferRules = RULES) -> SendingParts:
        """One more server, with rules of its own."""
        parts = build_sending(
            database=self.bank.database,
            clock=self.clock,
            ledger=self.bank.ledger,
            outbox=self._outbox,
            directory=self.people,
            trust=self.people,
            progress=self.people,
            currencies=CURRENCIES,
            rules=rules,
            settings=LedgerSettings(transfer_lanes=1),
        )
        self._parts.append(parts)
        return parts

    async def send(self, *given: Any, server: SendingParts | None = None, **more: Any) -> Answer[Sent] | str:
        """The answer, or the code of the refusal."""
        try:
            return await (server or self.first).service.send(command(*given, **more))
        except Refusal as refusal:
            return refusal.code

    async def send_all(self, commands: Sequence[SendTokens], *, server: SendingParts | None = None) -> list[str]:
        """A batch, told shortly: what the sender held after each, or the code of the refusal."""
        return [told(outcome) for outcome in await (server or self.first).service.run(commands)]

    async def events(self) -> list[TokensSent]:
        """What the log says was sent, in its order."""
        async with self.bank.database.read() as tx:
            rows = await tx.fetch("SELECT events FROM eventlog.outbox ORDER BY stamp, id")
        envelopes = [one for row in rows for one in msgspec.json.decode(row["events"], type=list[Envelope])]
        return [event for event in (one.decode() for one in envelopes) if isinstance(event, TokensSent)]

    def promise(self, from_id: UUID, to_id: UUID, amount_minor: int) -> Transfer:
        """A promise that is open for an hour."""
        given = transfer(wallet(from_id), wallet(to_id), amount_minor)
        return replace(given, kind=TransferKind.PENDING, expires_at=self.clock.now() + timedelta(hours=1))

    async def close(self) -> None:
        await asyncio.gather(*(parts.service.close() for parts in self._parts))


def command(
    from_id: UUID,
    to: str,
    amount: str,
    *,
    key: str = "key",
    currency: str = "ore",
    note: str | None = None,
) -> SendTokens:
    return SendTokens(from_id=from_id, body=SendBody(to=to, currency=currency, amount=amount, note=note), key=key)


def told(outcome: Outcome) -> str:
    return outcome.code if isinstance(outcome, Refusal) else outcome.value.balance


@asynccontextmanager
async def opened_senders(open_database: Any, clock: FixedClock, ids: IdSource) -> AsyncIterator[Senders]:
    """Senders on a fresh database, whose books are checked when the block ends."""
    async with open_database(EVENTLOG, IDEMPOTENCY, SCHEMA) as database:
        senders = Senders(Bank(database), clock, ids)
        yield senders
        await senders.close()
        assert await senders.bank.broken() == []


def midnight_after(at: datetime) -> str:
    """As clients read it."""
    return f"{at:%Y-%m}-{at.day + 1:02}T00:00:00Z"
