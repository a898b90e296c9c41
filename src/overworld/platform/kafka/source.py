"""Kafka as the log that a durable consumer reads: the same consumers and folds as on the log in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
from confluent_kafka import Message
from msgspec import Raw, Struct

from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import derived_id
from overworld.kernel.ports import Tx
from overworld.platform.avro import UnknownSchema
from overworld.platform.eventlog import failing
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.stopping import Stop
from overworld.platform.eventlog.types import Batch, Wanted
from overworld.platform.kafka import places
from overworld.platform.kafka.arriving import UNREAD, Arrived, Beside, Run, news, part_of
from overworld.platform.kafka.client import KafkaLost, consuming
from overworld.platform.kafka.codec import Codec
from overworld.platform.kafka.membership import Lost, Membership
from overworld.platform.kafka.places import Part, Read, Step
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.topics import Topics
from overworld.platform.postgres import Database

_UNREADABLE = (UnknownSchema, ValueError, LookupError, msgspec.MsgspecError)
_YEAR_9999_MS = 253_370_764_800_000


class Spot(Struct, frozen=True):
    """Where messages of a partition lie: how far was read before them, how far with them, and what arrived in each."""

    part: Part
    before: Read
    after: Read
    messages: Sequence[Message]
    found: Sequence[Arrived]


class KafkaSource:
    """The partitions of a group that are this process's. Others of the same name have the others, or take over.

    The places are kept in PostgreSQL. Each is moved only from where this process knows it to be: one that has lost a
    partition without knowing it yet, cut off or asleep, commits nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        kafka: KafkaSettings,
        topics: Topics,
        codec: Codec,
        database: Database,
        clock: Clock,
        settings: EventLogSettings,
        lost: Lost,
        leaving: set[asyncio.Task[None]],
    ) -> None:
        self._name = name
        self._kafka = kafka
        self._topics = topics
        self._codec = codec
        self._database = database
        self._clock = clock
        self._settings = settings
        self._lost = lost
        self._leaving = leaving
        self._member: Membership | None = None

    @asynccontextmanager
    async def lease(self, stop: Stop) -> AsyncIterator[asyncpg.Connection]:
        """A membership of the group. A place that is lost with the database only repeats events: it need not sync."""
        session = await self._database.connect(synchronous_commit="off", application_name=f"consumer {self._name}")
        try:
            member = Membership(
                self._name,
                config=consuming(self._kafka, group=f"{self._kafka.prefix}overworld.{self._name}"),
                session=session,
                database=self._database,
                clock=self._clock,
                waiting_max=2 * self._settings.events_max,
                hand_over_s=self._kafka.hand_over_s,
                leave_s=self._kafka.hand_over_s + self._kafka.session_s,
                lost=self._lost,
                leaving=self._leaving,
            )
            async with member.running():
                self._member = member
                yield session
        finally:
            self._member = None
            session.terminate()

    async def next(self, session: asyncpg.Connection, *, topics: Wanted, until: asyncio.Event) -> Sequence[Batch[Spot]]:
        """A batch is up to `RUN_MAX` messages of a partition; what the relay sent twice is left out of it, as is what
        cannot be read.

        One of a newer build is left to who knows its schema: here it ends the lease.
        Raises: ValueError without topics; KafkaUnavailable; KafkaLost.
        """
        names = topics()
        if names is None:
            raise ValueError("a consumer of Kafka names its topics")
        member = self._here()
        await self._topics.ensure(names)
        await member.subscribe(frozenset(map(self._topics.name_of, names)))
        runs = await member.take(self._settings.events_max, until=until)
        messages = [message for run in runs for message in run.messages]
        found = await self._arrived(session, messages)
        return list(_batches(member, runs, found))

    async def move(self, tx: Tx, batches: Sequence[Batch[Spot]]) -> None:
        """Raises: KafkaLost when another process has read one of the partitions."""
        await places.move(tx, self._name, _steps(batches), at=self._clock.now())

    async def passed(self, session: asyncpg.Connection, batches: Sequence[Batch[Spot]]) -> None:
        """Keeps how far was read, where a fold has not done that already."""
        await places.keep(session, self._name, _steps(batches), at=self._clock.now())
        self._here().done()

    def parts(self, batch: Batch[Spot]) -> Sequence[Batch[Spot]]:
        """A batch for each message."""
        spot = batch.position
        if len(spot.messages) == 1:
            return [batch]
        made: list[Batch[Spot]] = []
        before = spot.before
        for message, one in zip(spot.messages, spot.found, strict=True):
            made.append(_batch(spot.part, before, [message], [one]))
            before = made[-1].position.after
        return made

    def _here(self) -> Membership:
        if self._member is None:
            raise KafkaLost("the membership has ended")
        return self._member

    async def _arrived(self, session: asyncpg.Connection, messages: Sequence[Message]) -> list[Arrived]:
        """The events of messages, (n,)."""
        beside = Beside()
        found: list[Arrived] = []
        decoded = self._codec.decode_many([message.value() or b"" for message in messages])
        for message, event in zip(messages, decoded, strict=True):
            try:
                found.append(beside.arrived(_event(event), message))
            except _UNREADABLE as error:
                found.append(await self._learned_or_buried(session, message, error))
        return found

    async def _learned_or_buried(self, session: asyncpg.Connection, message: Message, error: Exception) -> Arrived:
        """A second look at what could not be read, when it names a schema that can be learnt or by now was."""
        try:
            if isinstance(error, UnknownSchema):
                return await self._learned(message)
        except UnknownSchema as unknown:
            where = "/".join(map(str, part_of(message)))
            raise KafkaLost(f"{where}: written by a build that is newer than this: {unknown}") from unknown
        except _UNREADABLE as second:
            error = second
        await self._bury(session, message, error)
        return UNREAD

    async def _learned(self, message: Message) -> Arrived:
        (found,) = self._codec.decode_many([message.value() or b""])
        if isinstance(found, UnknownSchema):
            await self._codec.learn(found)
            (found,) = self._codec.decode_many([message.value() or b""])
        return Beside().arrived(_event(found), message)

    async def _bury(self, session: asyncpg.Connection, message: Message, error: Exception) -> None:
        """Keeps what cannot be read as it came, under an id made of where it lies."""
        at = self._clock.now()
        (topic, number), offset = part_of(message), message.offset()
        sent_ms = min(max(0, message.timestamp()[1]), _YEAR_9999_MS)  # of a stranger's clock, which may be any number
        found = Envelope(
            id=derived_id(UUID(int=sent_ms << 80), topic, str(number), str(offset)),
            topic=topic,
            at=datetime.fromtimestamp(sent_ms / 1000, UTC),
            key="",
            data=Raw(msgspec.json.encode(message.value())),
        )
        await failing.bury(session, found, consumer=self._name, error=error, attempts=1, at=at)


def _event(found: Envelope | Exception) -> Envelope:
    if isinstance(found, Exception):
        raise found
    return found


def _batches(member: Membership, runs: Sequence[Run], found: Sequence[Arrived]) -> Iterator[Batch[Spot]]:
    """The news of each run. Raises: KafkaLost when one of them was taken away meanwhile."""
    start = 0
    for run in runs:
        stop = start + len(run.messages)
        batch = _batch(run.part, member.read_of(run.part), run.messages, found[start:stop])
        member.know(run.part, batch.position.after)
        yield batch
        start = stop


def _batch(part: Part, before: Read, messages: Sequence[Message], found: Sequence[Arrived]) -> Batch[Spot]:
    events, seen = news(found, seen=before.seen)
    after = Read(int(messages[-1].offset() or 0) + 1, seen)
    return Batch(Spot(part, before, after, messages, found), events)


def _steps(batches: Sequence[Batch[Spot]]) -> list[Step]:
    """From where to where each partition is read, over all the batches."""
    found: dict[Part, Step] = {}
    for batch in batches:
        spot = batch.position
        begun = found.get(spot.part)
        found[spot.part] = Step(spot.part, begun.before if begun else spot.before.offset, spot.after)
    return list(found.values())
