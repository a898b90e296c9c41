"""The ledger's door: posting inside the caller's transaction, and reading what a player holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from overworld.domains.ledger import store
from overworld.domains.ledger.errors import UnknownCurrency
from overworld.domains.ledger.ports import Beside, nothing
from overworld.domains.ledger.rules import accounts_named, decide, fault_in, settling_code, spread
from overworld.domains.ledger.types import Balance, Held, Holding, LedgerSettings, Movement
from overworld.kernel.ids import derived_id, keyed_id
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    AccountCode,
    AccountRef,
    Currency,
    Funds,
    Transfer,
    TransferKind,
    TransferResult,
    TransferStatus,
)
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database, run_again

TRANSFERS_MAX = 4096
_ATTEMPTS_MAX = 8
EXPIRED_AT_ONCE = 256
_Name = tuple[int, str, AccountCode]
_NEWEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


class Ledger:
    """Double-entry accounts in the currencies of one game. Implements the kernel's `Ledger` port."""

    def __init__(
        self, *, database: Database, currencies: Mapping[str, Currency], settings: LedgerSettings | None = None
    ) -> None:
        self._database = database
        self._in_force = dict(currencies)
        self.currencies: Mapping[str, Currency] = self._in_force
        self._numbers_max = (settings or LedgerSettings()).account_ids_cached_max
        self._id_secret: bytes | None = None
        self._numbers: dict[_Name, tuple[int, ...]] = {}

    def put_in_force(self, currencies: Iterable[Currency]) -> None:
        """Knows these currencies from now on, in this order; those known before come after them, for they may be owed.

        `currencies` stays the same object, for those who were given it.
        """
        stay = dict(self._in_force)
        self._in_force.clear()
        self._in_force.update({one.code: one for one in currencies})
        self._in_force.update({code: one for code, one in stay.items() if code not in self._in_force})

    async def holders(self, tx: Tx, currencies: Sequence[str]) -> dict[str, int]:
        """How many hold something of some currencies, or are promised some: those alone of which anybody does.

        Campaigns count as players do, the house does not. One round trip.
        """
        return await store.holders(tx, currencies)

    async def post(
        self, tx: Tx, transfers: Sequence[Transfer], *, at: datetime, stripe: int = 0
    ) -> list[TransferResult]:
        """Posts transfers inside the caller's transaction; results are aligned with them, (n,).

        Evaluated in the order given, exactly and item by item: a refused transfer moves nothing and fails no
        neighbour save those it is linked to; at most it leaves an empty wallet open. Batches that run side by side
        use different stripes of hot accounts when each gives another number for `stripe`.

        One round trip when nothing can speak against any of them and their accounts are known here from earlier
        batches; else three, two when nothing is to be written, and two more for each time that another transaction
        commits one of the same ids in between. None for an empty batch.
        Call it once in a transaction, last before the outbox, at the isolation READ COMMITTED: the accounts stay
        locked, in the order of their ids, until the transaction ends.

        Raises: ValueError for more than `TRANSFERS_MAX` transfers; Fault when ids stay contested.
        """
        if len(transfers) > TRANSFERS_MAX:
            raise ValueError(f"{len(transfers)} transfers in one batch; at most {TRANSFERS_MAX}")
        if not transfers:
            return []
        plain = self._plain(transfers, stripe)
        if plain is not None:
            held = await store.post_all(tx, plain, transfers, at)
            if held is not None:
                return _results(transfers, plain, held)
        accounts = accounts_named(transfers)
        for _ in range(_ATTEMPTS_MAX):
            books = await store.take(tx, accounts, transfers)
            decision = spread(decide(transfers, books, at=at), books, stripe=stripe)
            if not decision.created or await store.write(tx, decision, at):
                self._remember(
                    {ref: known for ref, known in books.account_ids.items() if books.fresh.isdisjoint(known)}
                )
                return decision.results
        raise Fault("the same transfer ids are being posted by others; try again")

    def _plain(self, transfers: Sequence[Transfer], stripe: int) -> store.Plain | None:
        """The batch as columns, or None when it holds more than plain, sound transfers between known accounts."""
        paid: dict[int, int] = {}
        received: dict[int, int] = {}
        pairs: list[tuple[int, int]] = []
        for transfer in transfers:
            if transfer.kind is not TransferKind.POSTED or transfer.linked or fault_in(transfer) is not None:
                return None
            if transfer.memo is not None:  # whose balance is kept with it
                return None
            debit, credit = self._numbers.get(_name(transfer.debit)), self._numbers.get(_name(transfer.credit))
            if not debit or not credit or len(credit) > 1:  # only the exact way knows the whole of a striped balance
                return None
            pair = debit[stripe % len(debit)], credit[0]
            paid[pair[0]] = paid.get(pair[0], 0) + transfer.amount_minor
            received[pair[1]] = received.get(pair[1], 0) + transfer.amount_minor
            pairs.append(pair)
        if max(*paid.values(), *received.values()) > AMOUNT_MINOR_MAX:
            return None
        accounts = sorted(paid.keys() | received.keys())
        place = {number: i for i, number in enumerate(accounts, 1)}
        return store.Plain(
            accounts=accounts,
            paid_minor=[paid.get(number, 0) for number in accounts],
            received_minor=[received.get(number, 0) for number in accounts],
            debits=[place[debit] for debit, _ in pairs],
            credits=[place[credit] for _, credit in pairs],
        )

    def _remember(self, numbers: Mapping[AccountRef, tuple[int, ...]]) -> None:
        """Keeps row numbers of accounts that are committed, which hold for ever.

        Of an open transaction's they must not be kept: when PostgreSQL is killed, its sequence may give them again, to
        the accounts of others.
        """
        self._numbers.update((_name(ref), known) for ref, known in numbers.items() if known)
        while len(self._numbers) > self._numbers_max:
            del self._numbers[next(iter(self._numbers))]

    async def open(self, accounts: Sequence[AccountRef]) -> list[tuple[int, ...]]:
        """The row numbers of accounts, one for each stripe, aligned with them, for those who post in SQL of their own.

        What is missing is opened, in a transaction of its own. No round trip when all are known.
        """
        known = [self._numbers.get((ref.owner_id.int, ref.currency, ref.code)) for ref in accounts]
        missing = {ref for ref, numbers in zip(accounts, known, strict=True) if numbers is None}
        opened: dict[AccountRef, tuple[int, ...]] = {}
        if missing:
            async with self._database.transaction() as tx:
                opened = await store.open_accounts(tx, list(missing))
            self._remember(opened)
        return [numbers or opened[ref] for ref, numbers in zip(accounts, known, strict=True)]

    async def transfer_ids(self, asked: Sequence[tuple[UUID, str]]) -> list[UUID]:
        """The ids of what owners ask for under their idempotency keys, (n,): the same for every try, on every server.

        No round trip but the first time.
        """
        if self._id_secret is None:
            async with self._database.read() as tx:
                self._id_secret = await store.id_secret(tx)
        return [keyed_id(self._id_secret, owner_id, key) for owner_id, key in asked]

    async def locked(self, tx: Tx, accounts: Sequence[AccountRef]) -> dict[AccountRef, Funds]:
        """What accounts hold, opened where missing, all their stripes locked until the transaction ends.

        For who judges by it before `post`: name every account that will be posted to, so that all are locked in the
        order of their ids. One round trip.
        """
        books = await store.take(tx, dict.fromkeys(accounts, True), [])
        return {ref: _funds([books.held[number] for number in books.account_ids[ref]]) for ref in accounts}

    async def taken(self, tx: Tx, references: Sequence[UUID]) -> set[UUID]:
        """Which references of exclusive transfers (collections) somebody has. One round trip, no lock."""
        return await store.taken(tx, references)

    async def freeze(
        self, owner_id: UUID, *, currency: str | None = None, frozen: bool = True, beside: Beside = nothing
    ) -> int:
        """Stops everything in and out of the owner's open accounts, or lets it go on; gives how many there are.

        What was promised before may still be let go. Raises: UnknownCurrency.
        """
        if currency is not None and currency not in self.currencies:
            raise UnknownCurrency(currency=currency)
        async with self._database.transaction() as tx:
            count = await store.freeze(tx, owner_id, currency, frozen=frozen)
            if count:
                await beside(tx)
        return count

    async def post_with_note(
        self, transfer: Transfer, note: str | None, *, at: datetime, beside: Beside = nothing
    ) -> TransferResult:
        """Posts one transfer in a transaction of its own, and keeps what was written beside it."""
        async with self._database.transaction() as tx:
            [result] = await self.post(tx, [transfer], at=at)
            if result.status is TransferStatus.CREATED and note is not None:
                await store.keep_notes(tx, {transfer.id: note})
            if result.status is TransferStatus.CREATED:
                await beside(tx)
        return result

    async def expire(self, *, at: datetime) -> int:
        """Lets go of promises whose time is over, at most 256; gives how many this call let go. Call again while it
        gives that many.

        The void of a promise has an id that follows from the promise's, so of two servers one lets it go.
        """
        return await run_again(lambda: self._expire(at))

    async def _expire(self, at: datetime) -> int:
        async with self._database.transaction() as tx:
            promises = await store.due(tx, at, limit=EXPIRED_AT_ONCE)
            voids = [
                Transfer(
                    id=derived_id(promise.id, "expired"),
                    debit=payer,
                    credit=payee,
                    amount_minor=promise.amount_minor,
                    code=settling_code(promise.code),
                    reference=promise.reference,
                    kind=TransferKind.VOID_PENDING,
                    pending_id=promise.id,
                )
                for promise, payer, payee in promises
            ]
            results = await self.post(tx, voids, at=at)
        return sum(result.status is TransferStatus.CREATED for result in results)

    async def open_promises(self) -> int:
        """How many promises are open. One round trip, which counts them all."""
        async with self._database.read() as tx:
            return await store.open_promises(tx)

    async def in_hands(self) -> float:
        """What all wallets hold together, in minor units of all currencies. One round trip, which sums them all up."""
        async with self._database.read() as tx:
            return await store.in_hands(tx)

    async def wallets(self, currency: str) -> list[tuple[bytes, float]]:
        """Whose wallets of a currency are open, as the 16 bytes of their ids, and what each holds in minor units.

        All of them, for statistics. One round trip.
        """
        async with self._database.read() as tx:
            return await store.wallets(tx, currency)

    async def balances(self, owner_id: UUID, *, code: AccountCode = AccountCode.WALLET) -> list[Balance]:
        """What the owner's accounts of a code hold in every currency of the game, in the game's order; zero where none
        is open yet. One round trip.
        """
        async with self._database.read() as tx:
            rows = await store.balances(tx, owner_id, list(self.currencies), code)
        held = {row.currency: row for row in rows}
        return [held.get(code) or Balance(code, 0, 0) for code in self.currencies]

    async def holdings(self, owner_id: UUID) -> list[Holding]:
        """All that an owner has, whatever for and in whatever currency, those the game has no more included."""
        async with self._database.read() as tx:
            return await store.holdings(tx, owner_id)

    async def history(
        self,
        owner_id: UUID,
        *,
        currency: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[Movement]:
        """The transfers of the owner's wallets, newest first: the first `limit` before a time and id.

        One round trip. Raises: UnknownCurrency.
        """
        if currency is not None and currency not in self.currencies:
            raise UnknownCurrency(currency=currency)
        wanted = list(self.currencies) if currency is None else [currency]
        async with self._database.read() as tx:
            return await store.history(tx, owner_id, wanted, before=before or _NEWEST, limit=limit)

    async def invariants(self, tx: Tx) -> list[str]:
        """What is wrong in the books, a line each, at most 100; empty when all is well. Reads every transfer.

        Checked: in each currency the debits equal the credits and the supply is what was minted less what was burned;
        each account's totals, posted and pending, are the fold of its transfers; no account that must not is below
        zero; a transfer stays within one currency; a promise is open or settled, once.
        """
        return await store.broken_invariants(tx)


def _name(account: AccountRef) -> _Name:
    """The account as it is looked up: a UUID takes its time to be hashed and compared, its number does not."""
    return account.owner_id.int, account.currency, account.code


def _funds(stripes: Sequence[Held]) -> Funds:
    posted_minor = sum(one.posted_minor for one in stripes)
    free_minor = posted_minor - sum(one.promised_minor for one in stripes)
    return Funds(posted_minor, free_minor, any(one.frozen for one in stripes))


def _results(transfers: Sequence[Transfer], plain: store.Plain, held: Sequence[int]) -> list[TransferResult]:
    """Results of a batch that was posted whole, from what its accounts hold after all of it."""
    balance = [0]
    for after, paid, received in zip(held, plain.paid_minor, plain.received_minor, strict=True):
        balance.append(after + paid - received)
    results: list[TransferResult] = []
    for transfer, debit, credit in zip(transfers, plain.debits, plain.credits, strict=True):
        balance[debit] -= transfer.amount_minor
        balance[credit] += transfer.amount_minor
        results.append(TransferResult(TransferStatus.CREATED, balance[credit]))
    return results
