"""Which transfers of a batch may be posted: exact, in the order given, item by item, chains as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from overworld.domains.ledger.errors import OverLimit
from overworld.domains.ledger.types import Books, Decision, Effect, Held, Row, SendLimits, SentToday, TransferRules
from overworld.kernel.clock import rfc3339
from overworld.kernel.ids import derived_id
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    EXCLUSIVE_CODES,
    AccountCode,
    AccountRef,
    Currency,
    Transfer,
    TransferCode,
    TransferKind,
    TransferResult,
    TransferStatus,
)

_SETTLES = (TransferKind.POST_PENDING, TransferKind.VOID_PENDING)
_MOVES = (TransferKind.POSTED, TransferKind.POST_PENDING)
_DONE = (TransferStatus.CREATED, TransferStatus.EXISTS)
_ABSENT: Any = object()


def floored(account: AccountRef) -> bool:
    """Whether the account must not go below zero. Only issuance may: its debt is the supply."""
    return account.code != AccountCode.ISSUANCE


def accounts_named(transfers: Sequence[Transfer]) -> dict[AccountRef, bool]:
    """Every account of the batch, in the order named, and whether it should be opened when it is missing.

    Opened are the accounts of sound transfers that may receive or may go below zero. An empty wallet that only pays
    is not: it could not.
    """
    named: dict[AccountRef, bool] = {}
    for transfer in transfers:
        sound = fault_in(transfer) is None
        named[transfer.debit] = named.get(transfer.debit, False) or (sound and not floored(transfer.debit))
        named[transfer.credit] = named.get(transfer.credit, False) or sound
    return named


def fault_in(transfer: Transfer) -> TransferStatus | None:
    """What is wrong with a transfer whatever the books say."""
    if transfer.amount_minor <= 0:
        return TransferStatus.AMOUNT_NOT_POSITIVE
    if transfer.debit == transfer.credit:
        return TransferStatus.ACCOUNTS_SAME
    if transfer.debit.currency != transfer.credit.currency:
        return TransferStatus.CURRENCY_MISMATCH
    if (
        (transfer.pending_id is not None) != (transfer.kind in _SETTLES)
        or (transfer.expires_at is not None) != (transfer.kind is TransferKind.PENDING)
        or (transfer.kind in _SETTLES and transfer.code in EXCLUSIVE_CODES)
    ):
        return TransferStatus.MALFORMED
    return None


def is_plain(transfer: Transfer) -> bool:
    """Whether a transfer is posted now, alone, with nothing kept beside it, and has no fault."""
    return (
        transfer.kind is TransferKind.POSTED
        and not transfer.linked
        and transfer.memo is None
        and fault_in(transfer) is None
    )


def settling_code(code: TransferCode) -> TransferCode:
    """The code of what settles a promise of a code."""
    return TransferCode.RELEASE if code in EXCLUSIVE_CODES else code


def decide(transfers: Sequence[Transfer], books: Books, *, at: datetime) -> Decision:
    """Judges each transfer on the books as the transfers before it have left them.

    A refused transfer leaves no mark: its id may be used again later in the same batch. Of a chain all are posted or
    none; what was posted before and comes again does not break it. The result's balance is the credit account's after
    the transfer, 0 where there is no account. Rows name the first stripe of an account; see `spread`.
    """
    sheet = Sheet(books, at=at)
    results: list[TransferResult] = []
    for chain in _chains(transfers):
        results += sheet.judge_chain(chain)
    return Decision(results, sheet.created, sheet.effects)


def _chains(transfers: Sequence[Transfer]) -> Iterator[Sequence[Transfer]]:
    first = 0
    for i, transfer in enumerate(transfers):
        if not transfer.linked or i == len(transfers) - 1:
            yield transfers[first : i + 1]
            first = i + 1


class Sheet:
    """The books as the transfers judged so far have left them; whatever is changed can be taken back to a mark."""

    def __init__(self, books: Books, *, at: datetime) -> None:
        self._at = at
        self._number = {ref: numbers[0] if numbers else 0 for ref, numbers in books.account_ids.items()}
        self._first = {number: numbers[0] for numbers in books.account_ids.values() for number in numbers}
        self._balance: dict[int, int] = {}
        self._promised: dict[int, int] = {}
        self._frozen: set[int] = set()
        for number, held in books.held.items():
            first = self._first.get(number, number)
            self._balance[first] = self._balance.get(first, 0) + held.posted_minor
            self._promised[first] = self._promised.get(first, 0) + held.promised_minor
            if held.frozen:
                self._frozen.add(first)
        self._known = dict(books.existing)
        self._settled = dict(books.settled)
        self._open_until = dict(books.open_until)
        self._taken = dict.fromkeys(books.taken, True)
        self._undo: list[tuple[MutableMapping[Any, Any], Any, Any]] = []
        self.created: list[Row] = []
        self.effects: list[Effect] = []

    def balance_minor(self, account: AccountRef) -> int:
        """What an account of the books holds after all that was judged."""
        return self._balance.get(self._number[account], 0)

    def judge_chain(self, chain: Sequence[Transfer]) -> list[TransferResult]:
        """The results of a chain, (n,); a chain of one is a lone transfer."""
        if chain[-1].linked:
            return [self._refused(transfer, TransferStatus.CHAIN_OPEN) for transfer in chain]
        mark, rows = len(self._undo), len(self.created)
        results: list[TransferResult] = []
        for i, transfer in enumerate(chain):
            results.append(self._judge(transfer))
            if results[i].status not in _DONE:
                self._take_back(mark, rows)
                others = [self._refused(other, TransferStatus.LINKED_FAILED) for other in chain]
                return [*others[:i], self._refused(transfer, results[i].status), *others[i + 1 :]]
        return results

    def _judge(self, transfer: Transfer) -> TransferResult:
        row = self._row(transfer)
        status = self._status(transfer, row)
        if status is TransferStatus.CREATED:
            self._post(transfer, row)
        return TransferResult(status, self._balance.get(self._number[transfer.credit], 0))

    def _status(self, transfer: Transfer, row: Row) -> TransferStatus:
        earlier = self._known.get(transfer.id)
        if earlier is not None:
            same = self._on_first_stripes(earlier) == row
            return TransferStatus.EXISTS if same else TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS
        fault = fault_in(transfer) or self._fault_of_promise(transfer, row)
        if fault is not None:
            return fault
        if transfer.kind is TransferKind.VOID_PENDING:
            return TransferStatus.CREATED
        if row.debit_id in self._frozen or row.credit_id in self._frozen:
            return TransferStatus.ACCOUNT_FROZEN
        if transfer.code in EXCLUSIVE_CODES and transfer.reference in self._taken:
            return TransferStatus.REFERENCE_TAKEN
        return self._beyond(transfer, row) or TransferStatus.CREATED

    def _beyond(self, transfer: Transfer, row: Row) -> TransferStatus | None:
        """What a payer lacks, or a receiver cannot hold."""
        if transfer.kind in (TransferKind.POSTED, TransferKind.PENDING) and floored(transfer.debit):
            free_minor = self._balance.get(row.debit_id, 0) - self._promised.get(row.debit_id, 0)
            if transfer.amount_minor > free_minor:
                return TransferStatus.EXCEEDS_CREDITS
        received_minor = self._balance.get(row.credit_id, 0) + transfer.amount_minor
        if transfer.amount_minor > AMOUNT_MINOR_MAX or received_minor > AMOUNT_MINOR_MAX:
            return TransferStatus.EXCEEDS_MAXIMUM
        return None

    def _fault_of_promise(self, transfer: Transfer, row: Row) -> TransferStatus | None:
        """Why the promise that a transfer settles cannot be settled like that."""
        if transfer.pending_id is None:
            return None
        promise = self._known.get(transfer.pending_id)
        if promise is None or promise.kind is not TransferKind.PENDING:
            return TransferStatus.PENDING_NOT_FOUND
        sides = self._on_first_stripes(promise)
        is_void = transfer.kind is TransferKind.VOID_PENDING
        if (sides.debit_id, sides.credit_id) != (row.debit_id, row.credit_id) or (
            is_void and transfer.amount_minor != promise.amount_minor
        ):
            return TransferStatus.PENDING_HAS_DIFFERENT_FIELDS
        if (settled := self._settled.get(promise.id)) is not None:
            was_voided = settled.kind is TransferKind.VOID_PENDING
            return TransferStatus.PENDING_ALREADY_VOIDED if was_voided else TransferStatus.PENDING_ALREADY_POSTED
        if not is_void and self._open_until[promise.id] <= self._at:
            return TransferStatus.PENDING_EXPIRED
        return TransferStatus.EXCEEDS_PENDING if transfer.amount_minor > promise.amount_minor else None

    def _post(self, transfer: Transfer, row: Row) -> None:
        promise = None if transfer.pending_id is None else self._known[transfer.pending_id]
        if promise is not None:
            # A promise is settled on the stripes it was made on.
            self.created.append(row := _with_sides(row, promise))
            self._set(self._settled, promise.id, row)
        else:
            self.created.append(row)
        debit_id, credit_id = self._first.get(row.debit_id, row.debit_id), self._first.get(row.credit_id, row.credit_id)
        released_minor = 0 if promise is None else promise.amount_minor
        promised_minor = transfer.amount_minor if transfer.kind is TransferKind.PENDING else -released_minor
        if promised_minor:
            self._set(self._promised, debit_id, self._promised.get(debit_id, 0) + promised_minor)
        if transfer.kind in _MOVES:
            self._set(self._balance, debit_id, self._balance.get(debit_id, 0) - transfer.amount_minor)
            self._set(self._balance, credit_id, self._balance.get(credit_id, 0) + transfer.amount_minor)
        if transfer.code in EXCLUSIVE_CODES:
            self._set(self._taken, transfer.reference, True)
        if transfer.expires_at is not None:
            self._set(self._open_until, row.id, transfer.expires_at)
        self._set(self._known, row.id, row)
        is_kept = transfer.memo is not None and floored(transfer.credit)
        balance_minor = self._balance.get(credit_id, 0) if is_kept else None
        self.effects.append(Effect(released_minor, transfer.expires_at, balance_minor))

    def _refused(self, transfer: Transfer, status: TransferStatus) -> TransferResult:
        return TransferResult(status, self._balance.get(self._number[transfer.credit], 0))

    def _set(self, column: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((column, key, column.get(key, _ABSENT)))
        column[key] = value

    def _take_back(self, mark: int, rows: int) -> None:
        while len(self._undo) > mark:
            column, key, before = self._undo.pop()
            if before is _ABSENT:
                del column[key]
            else:
                column[key] = before
        del self.created[rows:], self.effects[rows:]

    def _row(self, transfer: Transfer) -> Row:
        return Row(
            id=transfer.id,
            debit_id=self._number[transfer.debit],
            credit_id=self._number[transfer.credit],
            amount_minor=transfer.amount_minor,
            code=transfer.code,
            kind=transfer.kind,
            reference=transfer.reference,
            memo=transfer.memo,
            pending_id=transfer.pending_id,
        )

    def _on_first_stripes(self, row: Row) -> Row:
        debit_id, credit_id = self._first.get(row.debit_id, row.debit_id), self._first.get(row.credit_id, row.credit_id)
        if (debit_id, credit_id) == (row.debit_id, row.credit_id):
            return row
        return replace(row, debit_id=debit_id, credit_id=credit_id)


def _with_sides(row: Row, promise: Row) -> Row:
    return replace(row, debit_id=promise.debit_id, credit_id=promise.credit_id)


def spread(decision: Decision, books: Books, *, stripe: int) -> Decision:
    """The rows of a decision on the stripes they are written to, with what has to come over from others first.

    Everything goes through one stripe of an account, number `stripe` modulo how many it has, save settled promises,
    which stay where they were made. Where that would leave a stripe of an account below zero that must not be, the
    others give of what they end with, in their order: what is missing, and an even share of the whole on top, so that
    the next batch need not ask again.
    """
    chosen = {numbers[0]: numbers[stripe % len(numbers)] for numbers in books.account_ids.values() if numbers}
    rows = [
        row if row.kind in _SETTLES else replace(row, debit_id=chosen[row.debit_id], credit_id=chosen[row.credit_id])
        for row in decision.created
    ]
    pulled: list[Row] = []
    for ref, numbers in books.account_ids.items():
        if len(numbers) > 1 and floored(ref):
            free_minor = _free_after(rows, decision.effects, numbers, held=books.held)
            pulled += _pulled(rows[:1], free_minor, to=numbers[stripe % len(numbers)])
    return Decision(decision.results, pulled + rows, [Effect()] * len(pulled) + decision.effects)


def _free_after(
    rows: Sequence[Row], effects: Sequence[Effect], numbers: Sequence[int], *, held: Mapping[int, Held]
) -> dict[int, int]:
    """What each stripe of an account could still spend once the rows are posted as they stand."""
    free_minor = {number: held[number].posted_minor - held[number].promised_minor for number in numbers}
    for row, effect in zip(rows, effects, strict=True):
        if row.debit_id in free_minor:
            paid_minor = 0 if row.kind is TransferKind.VOID_PENDING else row.amount_minor
            free_minor[row.debit_id] += effect.released_minor - paid_minor
        if row.credit_id in free_minor and row.kind in _MOVES:
            free_minor[row.credit_id] += row.amount_minor
    return free_minor


def _pulled(first: Sequence[Row], free_minor: Mapping[int, int], *, to: int) -> list[Row]:
    """What comes over to one stripe that would end below zero; ids follow from the batch's first row's."""
    if free_minor[to] >= 0:
        return []
    wanted_minor = sum(free_minor.values()) // len(free_minor) - free_minor[to]
    pulled: list[Row] = []
    for number, lies_minor in free_minor.items():
        given_minor = min(wanted_minor, lies_minor)
        if number == to or given_minor <= 0:
            continue
        wanted_minor -= given_minor
        pulled.append(
            Row(
                id=derived_id(first[0].id, "restripe", str(number), str(to)),
                debit_id=number,
                credit_id=to,
                amount_minor=given_minor,
                code=TransferCode.RESTRIPE,
                kind=TransferKind.POSTED,
                reference=first[0].id,
            )
        )
    return pulled


def limits_of(rules: TransferRules, currencies: Mapping[str, Currency]) -> dict[str, SendLimits]:
    """How much of each currency may be sent, by its code; a currency that is left out cannot be sent.

    Raises: KeyError, ValueError for what a checked game does not say.
    """
    return {
        code: SendLimits(
            currencies[code].parse(limits.per_transfer_max),
            currencies[code].parse(limits.per_day_max),
            limits.per_day_count,
        )
        for code, limits in rules.currencies.items()
    }


def day_began(at: datetime) -> datetime:
    """Midnight UTC, at which the limits of a day begin anew."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def limit_passed(
    amount_minor: int, *, sent: SentToday, limits: SendLimits, currency: Currency, at: datetime
) -> OverLimit | None:
    """The first limit that a transfer would pass, given what its payer has sent on the day of `at`; None if none."""
    if amount_minor > limits.per_transfer_max_minor:
        most = currency.format(limits.per_transfer_max_minor)
        return OverLimit(limit="per_transfer_max", max=most, currency=currency.code)
    if sent.count >= limits.per_day_count:
        limit, most = "per_day_count", str(limits.per_day_count)
    elif sent.amount_minor + amount_minor > limits.per_day_max_minor:
        limit, most = "per_day_max", currency.format(limits.per_day_max_minor)
    else:
        return None
    resets_at = rfc3339(day_began(at) + timedelta(days=1))
    return OverLimit(limit=limit, max=most, currency=currency.code, resets_at=resets_at)
