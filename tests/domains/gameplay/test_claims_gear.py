"""What players carry multiplies what their claims pay, exactly: whoever knows old gear pays nothing by it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from overworld.domains.gameplay.amounts import multiplied
from overworld.domains.gameplay.types import Worn
from overworld.kernel.money import AMOUNT_MINOR_MAX
from tests.domains.gameplay.field import RULES

ANN, BEN = UUID(int=1), UUID(int=2)


class Hands:
    """Tools and boosts of a test; implements gameplay's `Gear` by the counters in the database."""

    def __init__(self) -> None:
        self.tools: dict[UUID, tuple[int, int | None]] = {}
        self.boosts: dict[UUID, tuple[int, int]] = {}

    async def of(self, tx, player_ids, *, now_us):
        rows = await tx.fetch("SELECT id, gear, collected FROM gameplay.player WHERE id = ANY($1)", list(player_ids))
        return {row["id"]: self._worn(row, now_us) for row in rows}

    def _worn(self, row, now_us):
        tool_bp, worn_at = self.tools.get(row["id"], (10_000, None))
        boost_bp, until_us = self.boosts.get(row["id"], (10_000, 0))
        if worn_at is not None and row["collected"] >= worn_at:
            tool_bp, worn_at = 10_000, None
        runs = until_us > now_us
        return Worn(row["gear"], tool_bp, worn_at, boost_bp if runs else 10_000, until_us if runs else None)


async def changed(field, player_id):
    """What every command does that changes gear."""
    async with field.database.transaction() as tx:
        await tx.execute("UPDATE gameplay.player SET gear = gear + 1 WHERE id = $1", player_id)


async def paid(claims, *commands):
    return [outcome.value.amount for outcome in await claims.run(commands)]


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
async def known(field, hands):
    """Claims of a server that has seen Ann and Ben before, with bare hands."""
    claims = field.claims(replace(RULES, reach_m=1000.0), gear=hands)
    first, second = field.shared()[-2:]
    assert await paid(claims, field.claim(ANN, first), field.claim(BEN, second)) == ["3", "3"]
    return claims


async def test_a_tool_pays_its_part_on_top_and_costs_no_round_trip(field, known, hands):
    hands.tools[ANN] = (25_000, None)
    await changed(field, ANN)
    a, b, c = field.shared()[:3]
    assert await paid(known, field.claim(ANN, a), field.claim(BEN, b)) == ["7", "3"]
    exact = known.exact_batches
    assert await paid(known, field.claim(ANN, c)) == ["7"]
    assert known.exact_batches == exact
    assert not await field.broken()


async def test_a_tool_put_away_on_another_server_pays_no_more(field, known, hands):
    hands.tools[ANN] = (90_000, None)
    await changed(field, ANN)
    a, b = field.shared()[:2]
    assert await paid(known, field.claim(ANN, a)) == ["27"]
    del hands.tools[ANN]
    await changed(field, ANN)
    assert await paid(known, field.claim(ANN, b)) == ["3"]
    assert not await field.broken()


async def test_a_tool_wears_out_in_the_middle_of_a_batch(field, known, hands):
    hands.tools[ANN] = (20_000, 3)  # one claim is won already
    await changed(field, ANN)
    a, b, c, d, e, f = field.shared()[:6]
    assert await paid(known, field.claim(ANN, a)) == ["6"]
    assert await paid(known, *(field.claim(ANN, spawn) for spawn in (b, c, d))) == ["6", "3", "3"]
    exact = known.exact_batches
    assert await paid(known, field.claim(ANN, e), field.claim(ANN, f)) == ["3", "3"]
    assert known.exact_batches == exact
    assert not await field.broken()


async def test_what_was_not_won_wears_nothing(field, known, hands):
    hands.tools[ANN] = (20_000, 3)
    await changed(field, ANN)
    a, b, c, d = field.shared()[:4]
    assert await paid(known, field.claim(BEN, a)) == ["3"]
    lost, won = await known.run([field.claim(ANN, a), field.claim(ANN, b)])
    assert (lost.code, won.value.amount) == ("gameplay.already_collected", "6")
    assert await paid(known, field.claim(ANN, c), field.claim(ANN, d)) == ["6", "3"]
    assert not await field.broken()


async def test_a_boost_ends_by_the_clock_and_without_a_command(field, known, hands):
    a, b = field.shared()[:2]
    hands.boosts[ANN] = (20_000, field.clock.now_us() + 5_000_000)
    await changed(field, ANN)
    assert await paid(known, field.claim(ANN, a)) == ["6"]
    field.clock.advance(timedelta(seconds=5))
    assert await paid(known, field.claim(ANN, b)) == ["3"]


async def test_an_answer_is_repeated_as_it_was_given_whatever_is_carried_since(field, known, hands):
    hands.tools[ANN] = (20_000, None)
    await changed(field, ANN)
    command = field.claim(ANN, field.shared()[0])
    assert await paid(known, command) == ["6"]
    hands.tools[ANN] = (90_000, None)
    await changed(field, ANN)
    assert await paid(known, command) == ["6"]


parts = st.integers(0, 100_000)


@given(bare=st.integers(1, AMOUNT_MINOR_MAX), tool_bp=parts, boost_bp=parts)
def test_a_claim_pays_at_least_one_and_at_most_what_can_move(bare, tool_bp, boost_bp):
    amount = multiplied(bare, Worn(0, tool_bp, None, boost_bp, None))
    exact = bare * tool_bp * boost_bp / 10**8
    assert 1 <= amount <= AMOUNT_MINOR_MAX
    assert amount in (1, AMOUNT_MINOR_MAX) or amount <= exact * (1 + 1e-9) < amount + 1 + exact * 2e-9
