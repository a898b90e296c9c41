"""The state of the log as an operator sees it, on the real tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Raw

from overworld.kernel.events import Envelope
from overworld.platform.eventlog import SCHEMA, DeadLetter, state, store
from overworld.platform.eventlog.types import START

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def envelope(number: int, topic: str) -> Envelope:
    return Envelope(id=UUID(int=number), topic=topic, at=NOON, key="", data=Raw(b'{"name":"\\u0000"}'))


async def test_a_database_without_a_log_has_none(open_database):
    async with open_database() as database, database.read() as tx:
        assert not await state.exists(tx)


async def test_an_empty_log_has_no_newest_event(open_database):
    async with open_database(SCHEMA) as database, database.read() as tx:
        assert await state.exists(tx)
        found = await state.state(tx, at=NOON)
    assert (found.newest_at, found.oldest_at, found.stored_batches, found.topics) == (None, None, 0, {})
    assert (found.consumers, found.lost_letters, found.waiting) == ([], {}, False)


async def test_events_are_counted_by_topic_and_for_those_who_have_not_read_them(open_database):
    """A batch holds several events, and one of them a character that PostgreSQL's own JSON cannot hold."""
    async with open_database(SCHEMA) as database:
        batches = [["a", "a", "b"], ["b"], ["a"]]
        for n, topics in enumerate(batches):
            async with database.transaction() as tx:
                events = [envelope(10 * n + i, topic) for i, topic in enumerate(topics)]
                await store.append(tx, events, at=NOON - timedelta(hours=30 - 10 * n))
        async with database.read() as tx:
            first, *_ = await store.read(tx, after=START, topics=frozenset("ab"), batches_max=9)
            await store.open_cursor(tx, "new", start=START, at=NOON)
            await store.open_cursor(tx, "old", start=first.position, at=NOON)
            found = await state.state(tx, at=NOON)
    assert found.topics == {"a": 1, "b": 1}
    assert (found.stored_batches, found.estimated) == (3, False)
    assert (found.oldest_at, found.newest_at) == (NOON - timedelta(hours=30), NOON - timedelta(hours=10))
    behind = {one.lag.consumer: (one.events_behind, one.lag.behind_s, one.at_least) for one in found.consumers}
    assert behind == {"new": (5, 108_000.0, False), "old": (2, 72_000.0, False)}


async def test_a_consumer_that_is_very_far_behind_has_at_least_so_many_events(open_database, monkeypatch):
    monkeypatch.setattr(state, "EVENTS_OPENED_MAX", 2)
    async with open_database(SCHEMA) as database:
        for n in range(3):
            async with database.transaction() as tx:
                await store.append(tx, [envelope(n, "a")], at=NOON)
        async with database.read() as tx:
            await store.open_cursor(tx, "slow", start=START, at=NOON)
            (slow,) = (await state.state(tx, at=NOON)).consumers
    assert (slow.events_behind, slow.at_least, slow.lag.batches_behind) == (2, True, 3)


async def test_a_large_log_is_estimated_and_not_opened(open_database, monkeypatch):
    monkeypatch.setattr(state, "COUNTED_BYTES_MAX", 0)
    async with open_database(SCHEMA) as database, database.read() as tx:
        await store.append(tx, [envelope(1, "a")], at=NOON)
        await tx.execute("ANALYZE eventlog.outbox_other")
        found = await state.state(tx, at=NOON)
    assert (found.stored_batches, found.estimated, found.topics) == (1, True, None)


async def test_dead_letters_of_a_consumer_that_is_gone_are_not_forgotten(open_database):
    letter = DeadLetter(
        consumer="gone", event_id=UUID(int=1), topic="a", envelope=envelope(1, "a"), error="no", attempts=5,
        failed_at=NOON,
    )  # fmt: skip
    async with open_database(SCHEMA) as database, database.read() as tx:
        await store.bury(tx, letter)
        assert (await state.state(tx, at=NOON)).lost_letters == {"gone": 1}
        await store.open_cursor(tx, "gone", start=START, at=NOON)
        found = await state.state(tx, at=NOON)
    assert (found.lost_letters, found.consumers[0].lag.dead_letters) == ({}, 1)
