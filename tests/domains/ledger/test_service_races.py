"""Posting beside others: one effect for one id, no deadlock, no unit lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from overworld.kernel.money import (
    Transfer,
    TransferResult,
    TransferStatus,
)
from overworld.platform.postgres import Database
from tests.domains.ledger.bank import AT, A, B, Bank, mint, transfer, wallet

CREATED = TransferStatus.CREATED
EXISTS = TransferStatus.EXISTS
DIFFERS = TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS


async def in_two_transactions(
    bank: Bank, first: Sequence[Transfer], second: Sequence[Transfer]
) -> tuple[list[TransferResult], list[TransferResult]]:
    """Posts `first`, starts `second` beside it, and commits `first` once `second` waits for a lock."""
    async with bank.database.transaction() as tx:
        ahead = await bank.ledger.post(tx, first, at=AT)
        behind = asyncio.create_task(bank.post(*second))
        await waits_for_a_lock(bank.database, behind)
    return ahead, await behind


async def waits_for_a_lock(database: Database, task: asyncio.Task[Any]) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with database.read() as tx:
        while not await tx.fetchval(waiting):
            assert not task.done(), "it did not wait"


async def test_the_first_transfers_to_one_new_wallet_wait_for_each_other(bank):
    ahead, behind = await in_two_transactions(bank, [mint(A, 5)], [mint(A, 7)])
    assert (ahead, behind) == ([TransferResult(CREATED, 5)], [TransferResult(CREATED, 12)])


async def test_one_id_in_two_transactions_on_the_same_accounts_happens_once(bank):
    once = mint(A, 5)
    ahead, behind = await in_two_transactions(bank, [once], [once])
    assert (ahead, behind) == ([TransferResult(CREATED, 5)], [TransferResult(EXISTS, 5)])


async def test_one_id_in_two_transactions_on_other_accounts_happens_once(bank):
    """No account lock brings the two together; the transfer's own key does, and what hung on it is judged anew."""
    await bank.post(mint(A, 100), mint(B, 100))
    contested = uuid4()
    ahead, behind = await in_two_transactions(
        bank,
        [transfer(wallet(A), wallet(UUID(int=11)), 60, id=contested)],
        [
            transfer(wallet(B), wallet(UUID(int=12)), 60, id=contested),
            transfer(wallet(UUID(int=12)), wallet(UUID(int=13)), 50),
            transfer(wallet(B), wallet(UUID(int=13)), 100),
        ],
    )
    assert [result.status for result in ahead] == [CREATED]
    assert [result.status for result in behind] == [DIFFERS, TransferStatus.EXCEEDS_CREDITS, CREATED]
    assert [await bank.held(UUID(int=n)) for n in (11, 12, 13)] == [60, 0, 100]


async def test_a_rival_that_rolls_back_leaves_the_id_free(bank):
    await bank.post(mint(A, 100), mint(B, 100))
    contested = uuid4()
    behind: asyncio.Task[list[TransferResult]] | None = None
    with pytest.raises(ZeroDivisionError):
        async with bank.database.transaction() as tx:
            await bank.ledger.post(tx, [transfer(wallet(A), wallet(UUID(int=11)), 60, id=contested)], at=AT)
            behind = asyncio.create_task(bank.post(transfer(wallet(B), wallet(UUID(int=12)), 60, id=contested)))
            await waits_for_a_lock(bank.database, behind)
            raise ZeroDivisionError
    assert behind is not None
    assert [result.status for result in await behind] == [CREATED]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_crossing_batches_neither_deadlock_nor_lose_a_unit(bank, seed):
    """Sixteen posters move money between twelve wallets, some of them new, in both directions, with shared retries."""
    chance = random.Random(seed)
    owners = [UUID(int=chance.getrandbits(128)) for _ in range(12)]
    await bank.post(*(mint(owner, 1_000) for owner in owners[:6]))
    shared = [transfer(wallet(owners[0]), wallet(owners[1]), 1, id=UUID(int=n + 1)) for n in range(5)]
    created: list[Transfer] = []

    async def poster(seed: int) -> None:
        own = random.Random(seed)
        for _ in range(12):
            batch = [
                transfer(wallet(debit), wallet(credit), own.randrange(1, 400))
                for debit, credit in (own.sample(owners, 2) for _ in range(own.randrange(1, 20)))
            ]
            batch += own.sample(shared, own.randrange(3))
            results = await bank.post(*batch)
            created.extend(t for t, result in zip(batch, results, strict=True) if result.status is CREATED)

    await asyncio.gather(*(poster(chance.getrandbits(32)) for _ in range(16)))
    assert len({t.id for t in created}) == len(created)
    for owner in owners:
        came = sum(t.amount_minor for t in created if t.credit == wallet(owner))
        went = sum(t.amount_minor for t in created if t.debit == wallet(owner))
        start = 1_000 if owner in owners[:6] else 0
        assert await bank.held(owner) == start + came - went >= 0
    assert sum([await bank.held(owner) for owner in owners]) == 6_000
