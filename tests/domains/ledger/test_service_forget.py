"""A player who was made a stranger on one server comes back on another that remembers his accounts."""

from __future__ import annotations

from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import SystemClock
from overworld.kernel.money import TransferStatus
from tests.domains.ledger.bank import A, B, mint, transfer, wallet

CREATED = TransferStatus.CREATED


async def test_what_comes_for_somebody_forgotten_does_not_reach_the_stranger(bank):
    """This server knows the numbers of the old accounts, and goes the way of one round trip with them."""
    for _ in range(3):
        await bank.post(mint(A, 10), mint(B, 10))
    assert bank.round_trips == 1
    [(before,)] = await bank.ledger.open([wallet(A)])
    sealer = Sealer(database=bank.database, clock=SystemClock(), settings=LedgerSettings())
    await sealer.prepare()
    await sealer.forget(A)
    assert await bank.statuses(transfer(wallet(B), wallet(A), 4)) == [CREATED]
    assert await bank.statuses(transfer(wallet(A), wallet(B), 5)) == [TransferStatus.EXCEEDS_CREDITS]
    assert await bank.held(A) == 4
    async with bank.database.read() as tx:
        old = await tx.fetchrow("SELECT frozen, credits_posted, owner_id FROM ledger.account WHERE id = $1", before)
    assert (old["frozen"], old["credits_posted"]) == (True, 30)
    assert old["owner_id"] != A
