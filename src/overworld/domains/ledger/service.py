"""The ledger's door: posting inside the caller's transaction, and reading what a player holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from overworld.domains.ledger import plain_store, store
from overworld.domains.ledger.errors import UnknownCurrency
from overworld.domains.ledger.ports import Beside, nothing
from overworld.domains.ledger.rules import accounts_named, decide, is_plain, settling_code, spread
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
_CREATED = TransferStatus.CREATED  # asking the enum for each transfer takes its time
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
        batches, two where most are; else two more, one when nothing is to be written, and two more for each time that
        another transaction commits one of the same ids in between. None for an empty batch.
        Call it once in a transaction, last before the outbox, at the isolation READ COMMITTED: the accounts stay
        locked, in the order of their ids, until the transaction ends.

        Raises: ValueError for more than `TRANSFERS_MAX` transfers; Fault when ids stay contested.
        """
        if len(transfers) > TRANSFERS_MAX:
            raise ValueError(f"{len(transfers)} transfers in one batch; at most {TRANSFERS_MAX}")
        if not transfers:
            return []
        plain = await self._plain(tx, transfers, stripe)
        if plain is not None:
            held = await plain_store.post_all(tx, plain, transfers, at)
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

    async def _plain(self, tx: Tx, transfers: Sequence[Transfer], stripe: int) -> plain_store.Plain | None:
        """The batch as columns, or None when it holds more than plain, sound transfers between accounts that there are.

        No round trip when all accounts are known here, or less than half; else one, for the others.
        """
        if not all(map(is_plain, transfers)):
            return None
        sides = [(_name(transfer.debit), _name(transfer.credit)) for transfer in transfers]
        known = {name: self._numbers.get(name) for side in sides for name in side}
        missing = {
            ref
            for transfer, (debit, credit) in zip(transfers, sides, strict=True)
            for ref, name in ((transfer.debit, debit), (transfer.credit, credit))
            if not known[name]
        }
        if 2 * len(missing) >= len(known):
            return None  # the exact way costs one round trip more and opens what is new
        if missing:
            found = await plain_store.committed(tx, list(missing))
            self._remember(found)
            known |= {_name(ref): numbers for ref, numbers in found.items()}
        pairs: list[tuple[int, int]] = []
        for debit, credit in sides:
            payers, payees = known[debit], known[credit]
            if not payers or not payees or len(payees) > 1:  # the exact way opens, and knows the whole of stripes
                return None
            pairs.append((payers[stripe % len(payers)], payees[0]))
        return _columns(pairs, [transfer.amount_minor for transfer in transfers])

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


def _columns(pairs: Sequence[tuple[int, int]], amounts_minor: Sequence[int]) -> plain_store.Plain | None:
    """Amounts between accounts, from one to another, as columns; None where a sum runs over."""
    accounts = sorted({number for pair in pairs for number in pair})
    at = {number: place for place, number in enumerate(accounts)}
    paid, received = [0] * len(accounts), [0] * len(accounts)
    payer_at: list[int] = []
    payee_at: list[int] = []
    for (debit, credit), amount_minor in zip(pairs, amounts_minor, strict=True):
        of, to = at[debit], at[credit]
        paid[of] += amount_minor
        received[to] += amount_minor
        payer_at.append(of + 1)
        payee_at.append(to + 1)
    if max(*paid, *received) > AMOUNT_MINOR_MAX:
        return None
    return plain_store.Plain(
        accounts=accounts, paid_minor=paid, received_minor=received, debits=payer_at, credits=payee_at
    )


def _funds(stripes: Sequence[Held]) -> Funds:
    posted_minor = sum(one.posted_minor for one in stripes)
    free_minor = posted_minor - sum(one.promised_minor for one in stripes)
    return Funds(posted_minor, free_minor, any(one.frozen for one in stripes))


def _results(transfers: Sequence[Transfer], plain: plain_store.Plain, held: Sequence[int]) -> list[TransferResult]:
    """Results of a batch that was posted whole, from what its accounts hold after all of it."""
    balance = [0]
    for after, paid, received in zip(held, plain.paid_minor, plain.received_minor, strict=True):
        balance.append(after + paid - received)
    results: list[TransferResult] = []
    for transfer, debit, credit in zip(transfers, plain.debits, plain.credits, strict=True):
        balance[debit] -= transfer.amount_minor
        balance[credit] += transfer.amount_minor
        results.append(TransferResult(_CREATED, balance[credit]))
    return results
