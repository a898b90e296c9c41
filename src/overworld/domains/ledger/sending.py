"""What players send each other: many transfers in one transaction, each answered as if it were alone.

A gift is judged on the books under lock, by the game's limits first and then as the ledger judges every transfer. The
transfer is the memory of a gift that was made: its id follows from who sent it and the key, its reference from what was
asked. Refusals are kept beside it, under the same id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.ledger import store
from overworld.domains.ledger.errors import (
    AccountFrozen,
    BadAmount,
    Insufficient,
    LevelTooLow,
    LowTrust,
    NoSuchPlayer,
    NotSendable,
    ToOneself,
    UnknownCurrency,
    WalletFull,
)
from overworld.domains.ledger.messages import SendTokens, Sent, TokensSent
from overworld.domains.ledger.ports import Directory, Progress, Trust
from overworld.domains.ledger.rules import Sheet, accounts_named, day_began, limit_passed, limits_of
from overworld.domains.ledger.service import Ledger
from overworld.domains.ledger.types import (
    Books,
    Decision,
    KnownGift,
    LedgerSettings,
    SendLimits,
    SentToday,
    TransferRules,
)
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer
from overworld.kernel.money import AccountRef, Currency, Transfer, TransferCode, TransferStatus
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.kernel.standing import WITHHELD, Standing
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyReused, KeyTaken, keyed, recall, remember, repeated

Outcome = Answer[Sent] | Refusal

_RUNS_MAX = 16
_UNPAID: dict[TransferStatus, type[Refusal]] = {
    TransferStatus.ACCOUNT_FROZEN: AccountFrozen,
    TransferStatus.EXCEEDS_CREDITS: Insufficient,
    TransferStatus.EXCEEDS_MAXIMUM: WalletFull,
}


_NO_BOOKS = Books(account_ids={}, held={})


class _Overtaken(Exception):
    """Another transaction committed one of the ids of this batch while it ran: run again, seeing it."""


class Gift(Struct, frozen=True, kw_only=True, gc=False):
    """Something to be sent, judged as far as that needs no lock: `refusal` says what already speaks against it."""

    id: UUID
    from_id: UUID
    to_id: UUID
    currency: Currency
    amount_minor: int
    note: str | None
    reference: UUID
    refusal: Refusal | None

    @property
    def use(self) -> Keyed:
        """The use of its key, as its refusal is kept."""
        return Keyed(self.from_id, self.id.bytes, self.reference.bytes)

    @property
    def payer(self) -> AccountRef:
        """The account that it is sent from."""
        return AccountRef(self.from_id, self.currency.code)

    def transfer(self, *, balance_minor: int) -> Transfer:
        """What moves; the balance of its payer before it says what is left after it, which is kept with it."""
        return Transfer(
            id=self.id,
            debit=self.payer,
            credit=AccountRef(self.to_id, self.currency.code),
            amount_minor=self.amount_minor,
            code=TransferCode.GIFT,
            reference=self.reference,
            memo=balance_minor - self.amount_minor,
        )


class Sending:
    """Player to player. Several may run at once, here and on other servers. `close` lets those in flight finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        outbox: Outbox,
        directory: Directory,
        trust: Trust,
        progress: Progress,
        currencies: Mapping[str, Currency],
        rules: TransferRules,
        settings: LedgerSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._outbox = outbox
        self._directory = directory
        self._trust = trust
        self._progress = progress
        self._currencies = currencies
        self._settings = settings
        self.put_in_force(rules)
        self.lanes = Lanes[SendTokens, Answer[Sent]](
            settings.transfer_lanes, make=self._lane, key=lambda command: command.from_id
        )

    def put_in_force(self, rules: TransferRules) -> None:
        """Judges gifts by these from now on; their currencies have to be in force already."""
        self._limits: Mapping[str, SendLimits] = limits_of(rules, self._currencies)
        self._trust_min = rules.trust_min
        self._level_min = rules.level_min

    def _lane(self, i: int) -> GroupCommit[SendTokens, Answer[Sent]]:
        return GroupCommit(
            name=f"transfers-{i}",
            run=self.run,
            queue_max=self._settings.transfer_queue_max,
            batch_max=self._settings.transfer_batch_max,
            monotonic_s=self._clock.monotonic_s,
        )

    async def send(self, command: SendTokens) -> Answer[Sent]:
        """Moves an amount from one player's wallet to another's; or the answer of an earlier try under the same key.

        Raises: UnknownCurrency, BadAmount, NotSendable; KeyReused; NoSuchPlayer, ToOneself, LowTrust, LevelTooLow,
        OverLimit, AccountFrozen, Insufficient, WalletFull; Busy.
        """
        return await self.lanes.submit(command)

    async def close(self) -> None:
        """Lets the transfers in flight finish, and refuses new ones."""
        await self.lanes.close()

    async def run(self, commands: Sequence[SendTokens]) -> list[Outcome]:
        """The outcome of each, (n,), exactly as if they had come one after another.

        Whatever is raised, the same commands may be run again. Raises: Busy when others keep using the same keys.
        """
        gifts = await self._gifts(commands)
        asked = [gift for gift in gifts if isinstance(gift, Gift)]
        answers = iter(await self._answered(asked) if asked else [])
        return [next(answers) if isinstance(gift, Gift) else gift for gift in gifts]

    async def _answered(self, gifts: Sequence[Gift]) -> list[Outcome]:
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._run_once, gifts, at=self._clock.now()))
            except (_Overtaken, KeyTaken):
                continue
        raise Busy("others keep using the same keys")

    async def _gifts(self, commands: Sequence[SendTokens]) -> list[Gift | Refusal]:
        """The commands as far as they can be judged without a lock, (n,)."""
        payers = [command.from_id for command in commands]
        found = await self._directory.found([command.body.to for command in commands])
        standings = await self._trust.standings(payers)
        levels = [self._level_min] * len(payers)
        if self._level_min > 1:
            levels = [one.level for one in await self._progress.progress(payers)]
        ids = await self._ledger.transfer_ids([(command.from_id, command.key) for command in commands])
        return [self._gift(*one) for one in zip(commands, ids, found, standings, levels, strict=True)]

    def _gift(
        self, command: SendTokens, gift_id: UUID, to_id: UUID | None, standing: Standing, level: int
    ) -> Gift | Refusal:
        asked = command.body
        currency = self._currencies.get(asked.currency)
        if currency is None:
            return UnknownCurrency(currency=asked.currency)
        try:
            amount_minor = currency.parse(asked.amount)
        except ValueError:
            amount_minor = 0
        if amount_minor == 0:
            return BadAmount(currency=currency.code, scale=currency.scale)
        digest = keyed(command.from_id, command.key, operation="ledger.transfer", body=asked).digest
        gift = Gift(
            id=gift_id,
            from_id=command.from_id,
            to_id=to_id or command.from_id,
            currency=currency,
            amount_minor=amount_minor,
            note=asked.note,
            reference=UUID(bytes=digest),
            refusal=None,
        )
        return replace(gift, refusal=self._refusal(gift, to_id, standing, level))

    def _refusal(self, gift: Gift, to_id: UUID | None, standing: Standing, level: int) -> Refusal | None:
        if gift.currency.code not in self._limits:
            return NotSendable(currency=gift.currency.code)
        if to_id is None:
            return NoSuchPlayer()
        if to_id == gift.from_id:
            return ToOneself()
        if standing.score < self._trust_min or standing.gate in WITHHELD:
            return LowTrust(trust=standing.score, trust_min=self._trust_min, gate=standing.gate)
        return LevelTooLow(level_min=self._level_min) if level < self._level_min else None

    async def _run_once(self, gifts: Sequence[Gift], *, at: datetime) -> list[Outcome]:
        async with self._database.transaction() as tx:
            moving = [gift.transfer(balance_minor=0) for gift in gifts if gift.refusal is None]
            books = await store.take(tx, accounts_named(moving), moving) if moving else _NO_BOOKS
            outcomes = await _earlier(tx, gifts)
            batch = _Batch(books, await self._sent(tx, gifts, books, at=at), limits=self._limits, at=at)
            decided = {i: batch.decide(gifts[i]) for i in _first_of_each(gifts, outcomes)}
            if batch.sheet.created and not await store.write(tx, batch.decision(), at):
                raise _Overtaken
            made = [gifts[i] for i, outcome in decided.items() if isinstance(outcome, Answer)]
            await store.keep_notes(tx, {gift.id: gift.note for gift in made if gift.note is not None})
            refused = [(gifts[i].use, told) for i, told in decided.items() if isinstance(told, Refusal)]
            await remember(tx, refused, at=at)
            await self._outbox.append(tx, [_event(gift) for gift in made], at=at)
        first = {gifts[i].id: (gifts[i], outcome) for i, outcome in decided.items()}
        return [
            known or decided.get(i) or _again(gift, *first[gift.id])
            for i, (gift, known) in enumerate(zip(gifts, outcomes, strict=True))
        ]

    async def _sent(self, tx: Tx, gifts: Sequence[Gift], books: Books, *, at: datetime) -> dict[AccountRef, SentToday]:
        """What the payers have sent on this day. Their locks are held, so nobody adds to it."""
        numbers = {books.account_ids[gift.payer]: gift.payer for gift in gifts if gift.refusal is None}
        open_ones = {number[0]: payer for number, payer in numbers.items() if number}
        if not open_ones:
            return {}
        sent = await store.sent_since(tx, list(open_ones), day_began(at))
        return {open_ones[number]: today for number, today in sent.items()}


class _Batch:
    """The gifts of a batch, decided one after another on what the ones before have left."""

    def __init__(
        self, books: Books, sent: dict[AccountRef, SentToday], *, limits: Mapping[str, SendLimits], at: datetime
    ) -> None:
        self.sheet = Sheet(books, at=at)
        self._sent = sent
        self._limits = limits
        self._at = at

    def decide(self, gift: Gift) -> Outcome:
        if gift.refusal is not None:
            return gift.refusal
        code = gift.currency.code
        sent = self._sent.get(gift.payer, SentToday())
        passed = limit_passed(
            gift.amount_minor, sent=sent, limits=self._limits[code], currency=gift.currency, at=self._at
        )
        if passed is not None:
            return passed
        transfer = gift.transfer(balance_minor=self.sheet.balance_minor(gift.payer))
        [result] = self.sheet.judge_chain([transfer])
        if result.status is TransferStatus.CREATED:
            self._sent[gift.payer] = SentToday(sent.count + 1, sent.amount_minor + gift.amount_minor)
            return Answer(_sent(gift, balance_minor=transfer.memo or 0, at=self._at))
        if result.status in _UNPAID:
            return _UNPAID[result.status](currency=code)
        raise _Overtaken  # the id was committed after the earlier answers were read

    def decision(self) -> Decision:
        """What is to be written. Wallets have one stripe each, so it is on the right rows."""
        return Decision([], self.sheet.created, self.sheet.effects)


async def _earlier(tx: Tx, gifts: Sequence[Gift]) -> list[Outcome | None]:
    """What was answered under each key before, (n,): a gift by its transfer, a refusal as it was kept."""
    made = await store.known_gifts(tx, [gift.id for gift in gifts])
    kept = await recall(tx, [gift.use for gift in gifts], answer=Sent)
    return [
        _replayed(gift, made[gift.id]) if gift.id in made else refusal if isinstance(refusal, Refusal) else None
        for gift, refusal in zip(gifts, kept, strict=True)
    ]


def _replayed(gift: Gift, known: KnownGift) -> Outcome:
    if known.code is not TransferCode.GIFT or known.reference != gift.reference or known.balance_minor is None:
        return KeyReused()
    made = replace(gift, to_id=known.to_id, amount_minor=known.amount_minor)
    return Answer(_sent(made, balance_minor=known.balance_minor, at=known.at), replayed=True)


def _first_of_each(gifts: Sequence[Gift], outcomes: Sequence[Outcome | None]) -> list[int]:
    """The places of the gifts that are new, without those whose key an earlier one of the batch uses."""
    first: dict[UUID, int] = {}
    for i, (gift, known) in enumerate(zip(gifts, outcomes, strict=True)):
        if known is None:
            first.setdefault(gift.id, i)
    return list(first.values())


def _again(gift: Gift, first: Gift, outcome: Outcome) -> Outcome:
    """The outcome of a gift whose key an earlier one of its batch used first."""
    answer = repeated(gift.use, first=first.use, outcome=outcome)
    return answer if isinstance(answer, Refusal) else Answer(answer.value, replayed=True)


def _sent(gift: Gift, *, balance_minor: int, at: datetime) -> Sent:
    return Sent(
        id=gift.id,
        to=gift.to_id,
        currency=gift.currency.code,
        amount=gift.currency.format(gift.amount_minor),
        balance=gift.currency.format(balance_minor),
        at=at,
    )


def _event(gift: Gift) -> TokensSent:
    return TokensSent(
        transfer_id=gift.id,
        from_id=gift.from_id,
        to_id=gift.to_id,
        currency=gift.currency.code,
        amount_minor=gift.amount_minor,
        amount=gift.currency.format(gift.amount_minor),
        note=gift.note,
    )
