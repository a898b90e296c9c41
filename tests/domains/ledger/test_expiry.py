"""Promises whose time is over free the money, once, whoever looks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from overworld.domains.ledger import Ledger
from overworld.domains.ledger.jobs import Expiry
from overworld.domains.ledger.service import EXPIRED_AT_ONCE
from overworld.kernel.clock import FixedClock
from overworld.kernel.money import Transfer, TransferCode, TransferKind, TransferStatus
from tests.domains.ledger.bank import AT, CURRENCIES, A, B, Bank, mint, transfer, wallet

LATER = AT + timedelta(minutes=1)


def promise(amount_minor: int) -> Transfer:
    """From A to B, for a minute."""
    given = transfer(wallet(A), wallet(B), amount_minor)
    return replace(given, kind=TransferKind.PENDING, expires_at=LATER)


def settled(made: Transfer, kind: TransferKind) -> Transfer:
    return replace(made, id=uuid4(), kind=kind, pending_id=made.id, expires_at=None)


def expiry(bank: Bank, clock: FixedClock) -> Expiry:
    """As a server has it, with a ledger of its own."""
    return Expiry(ledger=Ledger(database=bank.database, currencies=CURRENCIES), clock=clock, every_s=1)


async def free(bank: Bank) -> int:
    """What A can spend."""
    [held, _] = await bank.ledger.balances(A)
    return held.posted_minor + held.pending_minor


async def test_nothing_is_let_go_before_its_time(bank: Bank):
    await bank.post(mint(A, 100), promise(60))
    early = expiry(bank, FixedClock(LATER - timedelta(microseconds=1)))
    await early.look()
    assert (early.expired, early.open, await free(bank)) == (0, 1, 40)


async def test_two_servers_free_the_money_exactly_once(bank: Bank):
    promises = [promise(1) for _ in range(2 * EXPIRED_AT_ONCE + 1)]
    await bank.post(mint(A, 1_000), *promises)
    servers = [expiry(bank, FixedClock(LATER)) for _ in range(2)]
    assert await free(bank) == 1_000 - len(promises)
    await asyncio.gather(*(server.look() for server in servers))
    await servers[0].look()
    assert sum(server.expired for server in servers) == len(promises)
    assert (servers[0].open, await free(bank)) == (0, 1_000)


async def test_one_that_is_settled_at_the_last_moment_is_settled_once(bank: Bank):
    """Either it was posted or it was let go; the books hold whichever came first."""
    await bank.post(mint(A, 1_000))
    for _ in range(10):
        made = promise(10)
        await bank.post(made)
        before = await bank.held(B)
        server = expiry(bank, FixedClock(LATER))
        [status], _ = await asyncio.gather(bank.statuses(settled(made, TransferKind.POST_PENDING)), server.look())
        was_posted = status is TransferStatus.CREATED
        assert was_posted or status is TransferStatus.PENDING_ALREADY_VOIDED
        assert (server.expired, await bank.held(B) - before) == ((0, 10) if was_posted else (1, 0))


async def test_a_frozen_wallet_gets_its_promises_back(bank: Bank):
    await bank.post(mint(A, 100), promise(60))
    await bank.ledger.freeze(A)
    server = expiry(bank, FixedClock(LATER))
    await server.look()
    assert (server.expired, await free(bank)) == (1, 100)


async def test_the_loop_looks_again_until_it_is_ended(bank: Bank):
    clock = FixedClock(AT)
    server = Expiry(ledger=bank.ledger, clock=clock, every_s=0.001)
    await bank.post(mint(A, 100), promise(60))
    running = asyncio.create_task(server.run())
    clock.advance(timedelta(minutes=1))
    async with asyncio.timeout(10):
        while not server.expired:
            await bank.held(A)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def promised_collection(reference: UUID) -> Transfer:
    """Something that can be had once, promised to A."""
    given = replace(mint(A, 5), code=TransferCode.COLLECT, reference=reference)
    return replace(given, kind=TransferKind.PENDING, expires_at=LATER)


def released(made: Transfer, kind: TransferKind) -> Transfer:
    return replace(settled(made, kind), code=TransferCode.RELEASE)


@pytest.mark.parametrize("stripe", [0, 3, 8])
@pytest.mark.parametrize("kind", [None, TransferKind.POST_PENDING, TransferKind.VOID_PENDING])
async def test_what_can_be_had_once_is_taken_by_a_promise_and_stays_taken_whatever_becomes_of_it(bank, kind, stripe):
    reference = uuid4()
    promise = promised_collection(reference)
    assert await bank.statuses(promise, stripe=stripe) == [TransferStatus.CREATED]
    if kind is not None:
        assert await bank.statuses(released(promise, kind), stripe=1) == [TransferStatus.CREATED]
        assert await bank.statuses(released(promise, kind)) != [TransferStatus.CREATED]
    for rival in (promised_collection(reference), replace(mint(B, 5), code=TransferCode.COLLECT, reference=reference)):
        assert await bank.statuses(rival) == [TransferStatus.REFERENCE_TAKEN]
    assert await bank.held(A) == (5 if kind is TransferKind.POST_PENDING else 0)
    assert await bank.broken() == []


async def test_a_promise_that_can_be_made_once_is_settled_under_another_code(bank):
    promise = promised_collection(uuid4())
    await bank.post(promise)
    assert await bank.statuses(settled(promise, TransferKind.POST_PENDING)) == [TransferStatus.MALFORMED]


async def test_a_promise_that_can_be_made_once_is_let_go_when_its_time_is_over(bank):
    await bank.post(promised_collection(uuid4()))
    server = expiry(bank, FixedClock(LATER))
    await server.look()
    assert (server.expired, server.open, await bank.broken()) == (1, 0, [])
