"""What the ledger promises, as plainly as it can be said: everything in dicts, copied before each chain.

It shares no code with the ledger. Accounts have no stripes here, and a promise is one number beside a balance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from datetime import datetime
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from overworld.kernel.ids import derived_id
from overworld.kernel.money import (
    AccountCode,
    AccountRef,
    Transfer,
    TransferCode,
    TransferKind,
    TransferResult,
    TransferStatus,
)

_MOST_MINOR = 1 << 62


class State(Struct):
    """Everything there is. `held` and `promised` are by account, `ends_at` is of promises that nobody settled."""

    held: dict[AccountRef, int] = field(default_factory=dict)
    promised: dict[AccountRef, int] = field(default_factory=dict)
    coming: dict[AccountRef, int] = field(default_factory=dict)
    posted: dict[UUID, Transfer] = field(default_factory=dict)
    posted_at: dict[UUID, datetime] = field(default_factory=dict)
    settled_by: dict[UUID, TransferKind] = field(default_factory=dict)
    ends_at: dict[UUID, datetime] = field(default_factory=dict)
    taken: set[UUID] = field(default_factory=set)

    def twin(self) -> State:
        return State(**{name: copy(value) for name, value in asdict(self).items()})


class LedgerInDicts:
    """A ledger in a few dicts. `opened` are the accounts there are, `frozen` those that nothing goes in or out of."""

    def __init__(self) -> None:
        self.now = State()
        self.opened: set[AccountRef] = set()
        self.frozen: set[AccountRef] = set()

    def post(self, transfers: Sequence[Transfer], *, at: datetime) -> list[TransferResult]:
        for transfer in transfers:
            if fault_of(transfer) is None:
                self.opened.add(transfer.credit)
                if transfer.debit.code is AccountCode.ISSUANCE:
                    self.opened.add(transfer.debit)
        return [result for chain in _chains(transfers) for result in self._chain(chain, at=at)]

    def expire(self, *, at: datetime) -> int:
        """Voids what is over; gives how much that was."""
        over = [promise_id for promise_id, end in self.now.ends_at.items() if end <= at]
        for promise_id in over:
            promise = self.now.posted[promise_id]
            void = replace(
                promise,
                id=derived_id(promise_id, "expired"),
                kind=TransferKind.VOID_PENDING,
                pending_id=promise_id,
                expires_at=None,
                linked=False,
                memo=None,
            )
            [result] = self.post([void], at=at)
            assert result.status is TransferStatus.CREATED, result
        return len(over)

    def freeze(self, owner_id: UUID, *, frozen: bool) -> int:
        accounts = {account for account in self.opened if account.owner_id == owner_id}
        self.frozen = self.frozen | accounts if frozen else self.frozen - accounts
        return len(accounts)

    def _chain(self, chain: Sequence[Transfer], *, at: datetime) -> list[TransferResult]:
        before = self.now.twin()
        if chain[-1].linked:
            return [self._result(transfer, TransferStatus.CHAIN_OPEN) for transfer in chain]
        results: list[TransferResult] = []
        for i, transfer in enumerate(chain):
            status = self._judge(transfer, at=at)
            if status is TransferStatus.CREATED:
                self._carry_out(transfer, at=at)
            elif status is not TransferStatus.EXISTS:
                self.now = before
                others = [self._result(other, TransferStatus.LINKED_FAILED) for other in chain]
                return [*others[:i], self._result(transfer, status), *others[i + 1 :]]
            results.append(self._result(transfer, status))
        return results

    def _result(self, transfer: Transfer, status: TransferStatus) -> TransferResult:
        return TransferResult(status, self.now.held.get(transfer.credit, 0))

    def _judge(self, transfer: Transfer, *, at: datetime) -> TransferStatus:
        now = self.now
        if transfer.id in now.posted:
            is_same = _told(now.posted[transfer.id]) == _told(transfer)
            return TransferStatus.EXISTS if is_same else TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS
        fault = fault_of(transfer) or self._settles_badly(transfer, at=at)
        if fault is not None:
            return fault
        if transfer.kind is TransferKind.VOID_PENDING:
            return TransferStatus.CREATED
        free_minor = now.held.get(transfer.debit, 0) - now.promised.get(transfer.debit, 0)
        has_floor = transfer.debit.code is not AccountCode.ISSUANCE and transfer.pending_id is None
        brought_minor = max(transfer.amount_minor, now.held.get(transfer.credit, 0) + transfer.amount_minor)
        refusals = [
            ({transfer.debit, transfer.credit} & self.frozen, TransferStatus.ACCOUNT_FROZEN),
            (
                transfer.code is TransferCode.COLLECT and transfer.reference in now.taken,
                TransferStatus.REFERENCE_TAKEN,
            ),
            (has_floor and transfer.amount_minor > free_minor, TransferStatus.EXCEEDS_CREDITS),
            (brought_minor > _MOST_MINOR, TransferStatus.EXCEEDS_MAXIMUM),
        ]
        return next((status for refused, status in refusals if refused), TransferStatus.CREATED)

    def _settles_badly(self, transfer: Transfer, *, at: datetime) -> TransferStatus | None:
        if transfer.pending_id is None:
            return None
        promise = self.now.posted.get(transfer.pending_id)
        if promise is None or promise.kind is not TransferKind.PENDING:
            return TransferStatus.PENDING_NOT_FOUND
        is_void = transfer.kind is TransferKind.VOID_PENDING
        differs = is_void and promise.amount_minor != transfer.amount_minor
        differs |= (promise.debit, promise.credit) != (transfer.debit, transfer.credit)
        settled_by = self.now.settled_by.get(promise.id)
        is_over = promise.id in self.now.ends_at and self.now.ends_at[promise.id] <= at
        refusals = [
            (differs, TransferStatus.PENDING_HAS_DIFFERENT_FIELDS),
            (settled_by is TransferKind.POST_PENDING, TransferStatus.PENDING_ALREADY_POSTED),
            (settled_by is TransferKind.VOID_PENDING, TransferStatus.PENDING_ALREADY_VOIDED),
            (is_over and not is_void, TransferStatus.PENDING_EXPIRED),
            (transfer.amount_minor > promise.amount_minor, TransferStatus.EXCEEDS_PENDING),
        ]
        return next((status for refused, status in refusals if refused), None)

    def _carry_out(self, transfer: Transfer, *, at: datetime) -> None:
        now = self.now
        now.posted[transfer.id] = transfer
        now.posted_at[transfer.id] = at
        if transfer.code is TransferCode.COLLECT:
            now.taken.add(transfer.reference)
        if transfer.kind is TransferKind.PENDING:
            assert transfer.expires_at is not None
            now.ends_at[transfer.id] = transfer.expires_at
            _add(now.promised, transfer.debit, transfer.amount_minor)
            _add(now.coming, transfer.credit, transfer.amount_minor)
        if transfer.pending_id is not None:
            del now.ends_at[transfer.pending_id]
            now.settled_by[transfer.pending_id] = transfer.kind
            promised_minor = now.posted[transfer.pending_id].amount_minor
            _add(now.promised, transfer.debit, -promised_minor)
            _add(now.coming, transfer.credit, -promised_minor)
        if transfer.kind in (TransferKind.POSTED, TransferKind.POST_PENDING):
            _add(now.held, transfer.debit, -transfer.amount_minor)
            _add(now.held, transfer.credit, transfer.amount_minor)


def fault_of(transfer: Transfer) -> TransferStatus | None:
    """What is wrong with a transfer by itself."""
    kind = transfer.kind
    settles = kind is TransferKind.POST_PENDING or kind is TransferKind.VOID_PENDING
    if transfer.amount_minor < 1:
        return TransferStatus.AMOUNT_NOT_POSITIVE
    if transfer.debit == transfer.credit:
        return TransferStatus.ACCOUNTS_SAME
    if transfer.debit.currency != transfer.credit.currency:
        return TransferStatus.CURRENCY_MISMATCH
    names_promise, has_end = transfer.pending_id is not None, transfer.expires_at is not None
    is_odd_collection = transfer.code is TransferCode.COLLECT and kind is not TransferKind.POSTED
    if names_promise != settles or has_end != (kind is TransferKind.PENDING) or is_odd_collection:
        return TransferStatus.MALFORMED
    return None


def _chains(transfers: Sequence[Transfer]) -> Iterator[list[Transfer]]:
    chain: list[Transfer] = []
    for transfer in transfers:
        chain.append(transfer)
        if not transfer.linked:
            yield chain
            chain = []
    if chain:
        yield chain


def _told(transfer: Transfer) -> Transfer:
    """What makes a transfer the same when it comes again: neither its chain nor the end of its promise."""
    return replace(transfer, linked=False, expires_at=None)


def _add(column: dict[AccountRef, int], account: AccountRef, amount_minor: int) -> None:
    column[account] = column.get(account, 0) + amount_minor
