"""Keys are remembered with the effect, answered again word for word, and never mixed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from msgspec import Struct

from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres.idempotency import (
    SCHEMA,
    KeyReused,
    KeyTaken,
    forget_before,
    keyed,
    recall,
    remember,
)

ANN = UUID(int=1)
BEN = UUID(int=2)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Bought(Struct, frozen=True):
    price: str
    left: int


class SoldOut(Refusal):
    """Nothing is left."""

    code = "test.sold_out"
    status = 409
    public: ClassVar[tuple[str, ...]] = ("item",)


def use(account_id=ANN, key="k", body="apple"):
    return keyed(account_id, key, operation="test.buy", body=body)


async def test_an_answer_comes_back_as_it_was(open_database):
    async with open_database(SCHEMA) as database:
        async with database.transaction() as tx:
            assert await recall(tx, [use()], answer=Bought) == [None]
            await remember(tx, [(use(), Bought("1.50", 3))], at=NOW)
        async with database.transaction() as tx:
            assert await recall(tx, [use()], answer=Bought) == [Bought("1.50", 3)]


async def test_a_refusal_is_remembered_with_its_detail_and_public_fields(open_database):
    """What only the logs may see is not kept."""
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        await remember(tx, [(use(), SoldOut("Gone since noon.", item="apple", shelf=7))], at=NOW)
        [again] = await recall(tx, [use()], answer=Bought)
        assert isinstance(again, SoldOut)
        assert (again.detail, again.fields, again.replayed) == ("Gone since noon.", {"item": "apple"}, True)


async def test_outcomes_are_aligned_with_the_keys_asked_for(open_database):
    """A key belongs to one account: another account's use of the same text is a new key."""
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        await remember(tx, [(use(key="b"), Bought("2", 0)), (use(key="a"), Bought("1", 1))], at=NOW)
        wanted = [use(key="a"), use(BEN, key="a"), use(key="c"), use(key="b"), use(key="a")]
        found = await recall(tx, wanted, answer=Bought)
        assert found == [Bought("1", 1), None, None, Bought("2", 0), Bought("1", 1)]


@pytest.mark.parametrize(
    ("again", "is_same"),
    [
        (keyed(ANN, "k", operation="test.buy", body={"a": 1, "b": 2}), True),
        (keyed(ANN, "k", operation="test.buy", body={"b": 2, "a": 1}), True),
        (keyed(ANN, "k", operation="test.buy", body={"a": 1, "b": 3}), False),
        (keyed(ANN, "k", operation="test.sell", body={"a": 1, "b": 2}), False),
    ],
)
async def test_the_same_key_for_something_else_is_refused(open_database, again, is_same):
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        first = keyed(ANN, "k", operation="test.buy", body={"a": 1, "b": 2})
        await remember(tx, [(first, Bought("1", 1))], at=NOW)
        [found] = await recall(tx, [again], answer=Bought)
        assert isinstance(found, Bought) if is_same else isinstance(found, KeyReused)


async def test_what_may_succeed_later_is_not_kept(open_database):
    """A 5xx says nothing about the request, and a reused key already has its answer."""
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        await remember(tx, [(use(key="a"), Busy()), (use(key="b"), KeyReused())], at=NOW)
        assert await recall(tx, [use(key="a"), use(key="b")], answer=Bought) == [None, None]


@pytest.mark.parametrize("key", ["", "\x00", "\ud800", "x" * 100_000, "ключ"])
async def test_any_text_is_a_key(open_database, key):
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        await remember(tx, [(use(key=key), Bought("1", 1))], at=NOW)
        assert await recall(tx, [use(key=key)], answer=Bought) == [Bought("1", 1)]


async def test_a_key_taken_meanwhile_asks_for_another_run(open_database):
    async with open_database(SCHEMA) as database:
        async with database.transaction() as tx:
            await remember(tx, [(use(), Bought("1", 1))], at=NOW)
        with pytest.raises(KeyTaken):
            async with database.transaction() as tx:
                await remember(tx, [(use(body="pear"), Bought("2", 1)), (use(key="x"), Bought("3", 1))], at=NOW)
        async with database.transaction() as tx:
            assert await recall(tx, [use(), use(key="x")], answer=Bought) == [Bought("1", 1), None]


async def test_old_answers_are_forgotten_in_bounded_steps(open_database):
    async with open_database(SCHEMA) as database, database.transaction() as tx:
        await remember(tx, [(use(key=f"old {n}"), Bought("1", n)) for n in range(5)], at=NOW - timedelta(hours=25))
        await remember(tx, [(use(key="young"), Bought("1", 9))], at=NOW)
        before = NOW - timedelta(hours=24)
        assert [await forget_before(tx, before, rows_max=3) for _ in range(3)] == [3, 2, 0]
        assert await recall(tx, [use(key="young")], answer=Bought) == [Bought("1", 9)]
