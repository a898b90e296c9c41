"""A member of a group whose client is played: what it polls, and what becomes of what came."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from confluent_kafka import Message, TopicPartition

from overworld.platform.eventlog import SCHEMA
from overworld.platform.kafka import membership
from overworld.platform.kafka.membership import Membership
from overworld.platform.kafka.places import Read

TOPIC = "steps"
PART = TopicPartition(TOPIC, 0)


def messages(*offsets: int) -> list[Message]:
    return [Message(topic=TOPIC, partition=0, offset=offset) for offset in offsets]


class Played:
    """A client whose polls give what was put on for them, one after another; a poll may call back first."""

    def __init__(self, _config: Any) -> None:
        self.polls: list[Callable[[], list[Message]]] = []
        self.callers: set[str] = set()
        self.told: dict[int, int] = {}
        self.paused = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._idle = threading.Event()

    def consume(self, _count: int, timeout_s: float) -> list[Message]:
        self._called()
        if self.polls:
            return self.polls.pop(0)()
        self._idle.wait(timeout_s / 10)
        return []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self._called()
        self.told.update({one.partition: one.offset for one in offsets})

    def pause(self, _parts: list[TopicPartition]) -> None:
        self._called()
        self._loop.call_soon_threadsafe(self.paused.set)

    def assignment(self) -> list[TopicPartition]:
        self._called()
        return [PART]

    def get_watermark_offsets(self, _part: TopicPartition, *, timeout: float) -> tuple[int, int]:
        self._called()
        return 0, 100_000

    def nothing(self, *_args: Any, **_options: Any) -> None:
        self._called()

    subscribe = resume = incremental_assign = incremental_unassign = close = nothing

    def _called(self) -> None:
        self.callers.add(threading.current_thread().name)


@pytest.fixture
def member(open_database, clock, monkeypatch):
    """Opens a member that was given the partition, with what its client is to poll after that."""
    monkeypatch.setattr(membership, "Consumer", Played)

    @asynccontextmanager
    async def opened(*polls: Callable[[Membership], list[Message]], waiting_max: int = 10):
        async with open_database(SCHEMA) as database:
            session: Any = None
            made = Membership(
                "c",
                config={},
                session=session,
                database=database,
                clock=clock,
                waiting_max=waiting_max,
                hand_over_s=5,
                leave_s=5,
                lost=lambda *_: None,
                leaving=set(),
            )
            client: Any = made._consumer
            client.polls += [lambda: given(made), *(lambda poll=poll: poll(made) for poll in polls)]
            async with made.running():
                yield made

    return opened


def given(member: Membership) -> list[Message]:
    member._on_assign(member._consumer, [PART])
    return []


async def take(member: Membership, count: int, *, at_once: int = 1000) -> list[int]:
    """The offsets of that many messages, each handled."""
    offsets: list[int] = []
    async with asyncio.timeout(10):
        while len(offsets) < count:
            for run in await member.take(at_once, until=asyncio.Event()):
                offsets += [int(message.offset() or 0) for message in run.messages]
                member.know(run.part, Read(offsets[-1] + 1, member.read_of(run.part).seen))
            member.done()
    return offsets


async def test_the_client_is_called_in_one_thread_alone_and_told_how_far_we_are(member, monkeypatch):
    """It takes one call at a time: one from the loop would hold the loop up until the poll under way ends."""
    monkeypatch.setattr(membership, "_TOLD_EVERY_S", 0.01)
    async with member(lambda _: messages(0, 1, 2)) as made:
        assert await take(made, 3) == [0, 1, 2]
        async with asyncio.timeout(10):
            while made._consumer.told != {0: 3}:  # noqa: ASYNC110 - a client has no event for this
                await asyncio.sleep(0.01)  # pace: polls go on in their thread
    assert made._consumer.callers == {"kafka-c_0"}


async def test_what_waits_of_a_partition_that_went_and_came_back_is_read_anew(member):
    """A poll may give it away and still return what it had of it; somebody else may have read on since."""

    def taken_away(made: Membership) -> list[Message]:
        made._on_revoke(made._consumer, [PART])
        return messages(2, 3)

    def given_back(made: Membership) -> list[Message]:
        given(made)
        return messages(0, 1, 2, 3)

    async with member(taken_away, given_back) as made:
        assert await take(made, 4) == [0, 1, 2, 3]


async def test_who_takes_little_but_often_pauses_too(member, monkeypatch):
    """Else it would not poll for as long as that goes on, and the group would put it out."""
    monkeypatch.setattr(membership, "_WAIT_BEFORE_PAUSE_S", 0.2)
    async with member(lambda _: messages(*range(50_000))) as made:
        taken = 0
        while not made._consumer.paused.is_set():
            taken += len(await take(made, 1, at_once=1))
            await asyncio.sleep(0)
            assert taken < 49_000
