"""The ledger's door: posting inside the caller's transaction, and reading what a player holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.ledger import store
from overworld.domains.ledger.errors import UnknownCurrency
from overworld.domains.ledger.rules import accounts_named, decide
from overworld.domains.ledger.types import Balance, Movement
from overworld.kernel.money import Currency, Transfer, TransferResult
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database

TRANSFERS_MAX = 4096
_ATTEMPTS_MAX = 8
_NEWEST = UUID(int=2**128 - 1)


class Ledger:
    """Double-entry accounts in the currencies of one game. Implements the kernel's `Ledger` port."""

    def __init__(self, *, database: Database, currencies: Mapping[str, Currency]) -> None:
        self._database = database
        self.currencies = currencies

    async def post(self, tx: Tx, transfers: Sequence[Transfer], *, at: datetime) -> list[TransferResult]:
        """Posts transfers inside the caller's transaction; results are aligned with them, (n,).

        Evaluated in the order given, exactly and item by item: a refused transfer moves nothing and fails no
        neighbour; at most it leaves an empty wallet open. Two round trips, one when nothing is to be written, none
        for an empty batch; two more for each time that another transaction commits one of the same ids in between.
        Call it once in a transaction, last before the outbox, at the isolation READ COMMITTED: the accounts stay
        locked, in the order of their ids, until the transaction ends.

        Raises: ValueError for more than `TRANSFERS_MAX` transfers; Fault when ids stay contested.
        """
        if len(transfers) > TRANSFERS_MAX:
            raise ValueError(f"{len(transfers)} transfers in one batch; at most {TRANSFERS_MAX}")
        if not transfers:
            return []
        accounts = accounts_named(transfers)
        ids = list({transfer.id for transfer in transfers})
        for _ in range(_ATTEMPTS_MAX):
            decision = decide(transfers, await store.take(tx, accounts, ids))
            if not decision.created or await store.write(tx, decision.created, at):
                return decision.results
        raise Fault("the same transfer ids are being posted by others; try again")

    async def balances(self, owner_id: UUID) -> list[Balance]:
        """The owner's wallet in every currency of the game, in the game's order; zero where none is open yet.

        One round trip.
        """
        async with self._database.read() as tx:
            rows = await store.balances(tx, owner_id, list(self.currencies))
        held = {row.currency: row for row in rows}
        return [held.get(code) or Balance(code, 0, 0) for code in self.currencies]

    async def history(
        self, owner_id: UUID, *, currency: str | None = None, before: UUID | None = None, limit: int = 50
    ) -> list[Movement]:
        """The transfers of the owner's wallets, newest first by id: the first `limit` with ids below `before`.

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
        each account's totals are the fold of its transfers; no account that must not is below zero; a transfer stays
        within one currency.
        """
        return await store.broken_invariants(tx)
