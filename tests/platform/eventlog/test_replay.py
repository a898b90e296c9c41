"""Dead letters that are handled again: by who gave up on them, by nobody else, and with an effect that counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from overworld.platform.eventlog.desk import first
from overworld.platform.eventlog.store import open_cursor
from overworld.platform.eventlog.types import START, Which

from .conftest import Dropped, Noted, Sink, eventually

NOTES = [Noted.topic]
BOTH = [Noted.topic, Dropped.topic]


class Ill:
    """Fails its consumer until it is healed."""

    def __init__(self) -> None:
        self.healed = False

    def __call__(self, n: int) -> Exception | None:
        return None if self.healed else ValueError("ill")


@pytest.fixture
def ill() -> Ill:
    return Ill()


async def failed(rig, count: int, consumer: str = "c") -> None:
    async def are_there() -> bool:
        return len(await rig.log.dead_letters(consumer)) == count

    await eventually(are_there)


async def replay(rig, **which):
    async with rig.database.transaction() as tx:
        return await rig.log.desk.replay(tx, Which(**which), at=rig.clock.now())


async def test_a_dead_letter_that_is_taken_later_is_gone(rig, ill):
    sink = Sink(fails=ill)
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    await rig.publish(Noted(n=1), Noted(n=2))
    await failed(rig, 2)
    ill.healed = True
    [asked] = await replay(rig, consumer="c")
    assert (asked.consumer, asked.letters, asked.reads) == ("c", 2, True)
    assert await sink.until(2) == [1, 2]
    await failed(rig, 0)


async def test_it_is_handled_though_nothing_else_happens_and_before_what_happens_later(rig, ill):
    sink = Sink(fails=ill)
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    await rig.publish(Noted(n=1))
    await failed(rig, 1)
    ill.healed = True
    await replay(rig)
    await failed(rig, 0)
    await rig.publish(Noted(n=2))
    assert await sink.until(2) == [1, 2]


async def test_only_who_gave_up_gets_it(rig, ill):
    sink, well = Sink(fails=ill), Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    rig.run(rig.log.consumer("well", topics=NOTES, handle=well))
    await rig.publish(Noted(n=1))
    await well.until(1)
    await failed(rig, 1)
    ill.healed = True
    await replay(rig)
    await sink.until(1)
    await rig.publish(Noted(n=2))
    assert await well.until(2) == [1, 2]


async def test_what_fails_again_stays_with_more_attempts_and_waits_to_be_asked_for_again(rig, ill):
    rig.run(rig.log.consumer("c", topics=NOTES, handle=Sink(fails=ill)))
    await rig.publish(Noted(n=1))
    await failed(rig, 1)
    await replay(rig)

    async def tried_again() -> bool:
        [letter] = await rig.log.dead_letters("c")
        return bool(letter.attempts == 6 and letter.replay_wanted_at is None)

    await eventually(tried_again)


async def test_what_is_asked_for_while_no_process_runs_is_handled_by_the_next(rig, ill):
    dying = rig.log.consumer("c", topics=NOTES, handle=Sink(fails=ill))
    task = rig.run(dying)
    await rig.publish(Noted(n=1))
    await failed(rig, 1)
    dying.stop()
    await task
    ill.healed = True
    await replay(rig)
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(1) == [1]
    await failed(rig, 0)


async def test_letters_are_chosen_by_topic_consumer_and_event(rig, ill):
    sink = Sink(fails=ill)
    rig.run(rig.log.consumer("c", topics=BOTH, handle=sink))
    await rig.publish(Noted(n=1), Dropped(n=2), Noted(n=3))
    await failed(rig, 3)
    ill.healed = True
    oldest = (await rig.log.dead_letters("c"))[-1]
    assert await replay(rig, consumer="nobody") == []
    assert await replay(rig, event_ids=(UUID(int=5),)) == []
    await replay(rig, event_ids=(oldest.event_id,))
    assert await sink.until(1) == [1]
    await replay(rig, topic=Dropped.topic)
    assert await sink.until(2) == [1, 2]
    await failed(rig, 1)


async def test_a_consumer_that_is_gone_is_told(rig, ill):
    gone = rig.log.consumer("c", topics=NOTES, handle=Sink(fails=ill))
    task = rig.run(gone)
    await rig.publish(Noted(n=1))
    await failed(rig, 1)
    gone.stop()
    await task
    await rig.log.forget("c")
    [asked] = await replay(rig)
    assert not asked.reads


async def test_what_is_taken_back_was_never_asked_for(rig, ill):
    rig.run(rig.log.consumer("c", topics=NOTES, handle=Sink(fails=ill)))
    await rig.publish(Noted(n=1))
    await failed(rig, 1)
    with pytest.raises(ZeroDivisionError):
        async with rig.database.transaction() as tx:
            await rig.log.desk.replay(tx, Which(), at=rig.clock.now())
            raise ZeroDivisionError
    [letter] = await rig.log.dead_letters("c")
    assert letter.replay_wanted_at is None


async def test_a_fold_counts_what_it_handles_again_once(rig):
    """In one transaction with the end of the dead letter, even when the first try is lost after it wrote."""
    fails = iter([ValueError("ill")] * 4)

    async def add(tx, events: Sequence[Any]) -> None:
        await tx.execute("UPDATE public.total SET n = n + $1", sum(event.decode().n for event in events))
        if error := next(fails, None):
            raise error

    async with rig.database.transaction() as tx:
        await tx.execute("CREATE TABLE public.total AS SELECT 0::bigint AS n")
    fold = rig.log.fold("f", topics=NOTES, apply=add)
    rig.run(fold)
    await rig.publish(Noted(n=7))
    await failed(rig, 1, "f")
    for _ in range(2):
        await replay(rig)
        await eventually(lambda: not_wanted(rig))
    async with rig.database.read() as tx:
        assert await tx.fetchval("SELECT n FROM public.total") == 7
    assert (await rig.log.dead_letters("f"), fold.handled) == ([], 1)


async def not_wanted(rig) -> bool:
    return all(letter.replay_wanted_at is None for letter in await rig.log.dead_letters("f"))


async def test_letters_are_shown_in_pages_the_newest_first(rig, ill):
    for name in ("a", "b"):
        rig.run(rig.log.consumer(name, topics=NOTES, handle=Sink(fails=ill)))
    await rig.publish(*[Noted(n=n) for n in range(3)])
    await failed(rig, 3, "a")
    await failed(rig, 3, "b")
    seen, before = [], None
    while page := await rig.log.desk.dead_letters(Which(), before=before, limit=2):
        seen += [(letter.envelope.decode().n, letter.consumer) for letter in page]
        before = (page[-1].event_id, page[-1].consumer)
    assert seen == [(2, "b"), (2, "a"), (1, "b"), (1, "a"), (0, "b"), (0, "a")]
    assert await rig.log.desk.dead_letters_by_topic() == {Noted.topic: 6}


async def test_letters_are_dropped_after_a_month_unless_they_are_wanted(rig, ill):
    for name in ("kept", "gone"):
        consumer = rig.log.consumer(name, topics=NOTES, handle=Sink(fails=ill))
        task = rig.run(consumer)
        await rig.publish(Noted(n=1))
        await failed(rig, 1 if name == "kept" else 2, name)
        consumer.stop()
        await task
    await replay(rig, consumer="kept")
    rig.clock.advance(timedelta(days=29))
    await rig.log.maintain()
    assert len(await rig.log.dead_letters("gone")) == 2
    rig.clock.advance(timedelta(days=2))
    await rig.log.maintain()
    assert await rig.log.dead_letters("gone") == []
    assert len(await rig.log.dead_letters("kept")) == 1


async def test_who_follows_gets_what_happens_from_then_on_and_no_cursor_is_kept(rig):
    await rig.publish(Noted(n=1))
    seen: list[int] = []

    async def follow() -> None:
        seen.extend([event.decode().n async for event in first(rig.log.desk.follow(NOTES), 2)])  # type: ignore[attr-defined]

    following = asyncio.create_task(follow())
    while not following.done():
        await rig.publish(Dropped(n=2), Noted(n=3))
        await asyncio.sleep(0)
    assert seen == [3, 3]
    assert await rig.log.lag() == []


async def test_a_cursor_does_not_move_while_nothing_is_read(rig):
    """Asking for letters wakes every consumer; their cursors are left alone."""
    rig.run(rig.log.consumer("c", topics=NOTES, handle=Sink()))

    async def there() -> bool:
        return len(await rig.log.lag()) == 1

    await eventually(there)
    [before] = await rig.log.lag()
    rig.clock.advance(timedelta(minutes=1))
    async with rig.database.read() as tx:
        await tx.execute("SELECT pg_notify('eventlog', 'replay')")
        await open_cursor(tx, "d", start=START, at=rig.clock.now())
    [after, _] = await rig.log.lag()
    assert after.moved_at == before.moved_at
