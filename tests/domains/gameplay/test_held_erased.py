"""Rewards that are held of players who are erased meanwhile: let go, and in nobody's way."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.standing import Gate
from tests.domains.gameplay.field import RULES, SCHEMAS, Field, code_of

ANN, BEN = (UUID(int=n) for n in (1, 2))
HOLD = timedelta(days=RULES.hold_days)


@pytest.fixture
async def field(open_database, clock, ids):
    """Something is held of two players. The first is erased, so payments and events do not name the same any more."""
    async with open_database(*SCHEMAS) as database:
        opened = Field(database, clock, ids)
        opened.trust.gates = {ANN: Gate.REVIEW, BEN: Gate.REVIEW}
        for player, spawn in zip((ANN, BEN), opened.shared(), strict=False):
            assert [code_of(one) for one in await opened.claims().run([opened.claim(player, spawn)])] == ["ok"]
        await Sealer(database=database, clock=clock, settings=LedgerSettings()).forget(ANN)
        yield opened
        async with database.read() as tx:
            assert await opened.ledger.invariants(tx) == []


async def states(field):
    return [[one.state for one in await field.held().shown(player, limit=10)] for player in (ANN, BEN)]


async def test_their_promises_are_let_go_and_the_others_are_paid_when_it_is_time(field):
    """Nothing can be paid to a stranger, and whoever waits for longer must not be waited for."""
    assert await field.ledger.expire(at=field.clock.now()) == 1
    field.clock.advance(HOLD)
    await field.held().release_due()
    assert await states(field) == [["denied"], ["released"]]
    assert [await field.balance(player) for player in (ANN, BEN)] == [0, 3]


async def test_the_others_are_paid_once_they_are_trusted_again(field):
    field.trust.gates = {}
    field.clock.advance(timedelta(minutes=2))
    await field.held().release_trusted()
    assert await states(field) == [["denied"], ["released"]]
    assert await field.ledger.expire(at=field.clock.now()) == 1
