"""The same rig on either log: what is published commits to PostgreSQL, and with Kafka a relay carries it there."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from overworld.kernel.events import Envelope, Event
from overworld.platform.eventlog import SCHEMA, EventLog, PostgresOutbox
from overworld.platform.kafka import KafkaLog, KafkaSettings
from overworld.platform.kafka.relay import NAME as RELAY
from tests.platform.eventlog.conftest import FAST, Rig, eventually


class Moved(Event):
    """Someone's next step."""

    topic = "test.step.made"
    whose: str
    n: int

    @property
    def key(self) -> str:
        """Who moved."""
        return self.whose


class Steps:
    """Keeps the steps of each key in the order in which they came; `fails` may raise for some first."""

    def __init__(self, fails: Any = lambda event: None) -> None:
        self.of: dict[str, list[int]] = defaultdict(list)
        self.fails = fails
        self._count = 0
        self._grown = asyncio.Condition()

    async def __call__(self, envelopes: Sequence[Envelope]) -> None:
        events: list[Any] = [envelope.decode() for envelope in envelopes]
        for event in events:
            if error := self.fails(event):
                raise error
        async with self._grown:
            for event in events:
                self.of[event.whose].append(event.n)
            self._count += len(events)
            self._grown.notify_all()

    async def until(self, count: int) -> None:
        """Waits until that many have come."""
        async with asyncio.timeout(30), self._grown:
            await self._grown.wait_for(lambda: self._count >= count)

    async def until_all(self, wanted: dict[str, set[int]]) -> None:
        """Waits until each key has made all of these steps."""
        async with asyncio.timeout(60), self._grown:
            await self._grown.wait_for(lambda: all(set(self.of[key]) >= steps for key, steps in wanted.items()))


class LogRig(Rig):
    """A rig whose log may be either; `cut_log` breaks what the log's readers are connected to."""

    def __init__(self, database, log, outbox, clock, *, source: EventLog, broker=None) -> None:
        super().__init__(database, log, outbox, clock)
        self.source = source
        self.broker = broker
        self.relay: Any = None
        self.relaying: Any = None
        log.lag_of = self.lag_of

    async def stop_relay(self) -> None:
        """The relay in this process dies."""
        self.relaying.cancel()
        await asyncio.wait([self.relaying])

    async def lag_of(self, name):
        return [lag for lag in await self.log.lag() if lag.consumer == name]

    async def is_caught_up(self, name) -> bool:
        return any(lag.batches_behind == 0 for lag in await self.lag_of(name))

    async def settled(self) -> None:
        """Waits until the relay has carried on what is committed."""
        if self.broker:
            await eventually(self._is_relayed)

    async def _is_relayed(self) -> bool:
        return any(lag.consumer == RELAY and lag.batches_behind == 0 for lag in await self.source.lag())

    async def cut_sessions(self) -> None:
        """Cuts the sessions with which consumers write."""
        async with self.database.read() as tx:
            await tx.execute(_CUT)

    async def cut_log(self) -> None:
        """`kill -9` of the broker, and a new start; in PostgreSQL the sessions that read are cut."""
        if self.broker:
            await asyncio.to_thread(self.broker.kill)
            await asyncio.to_thread(self.broker.start)
        else:
            await self.cut_sessions()

    async def make_totals(self) -> None:
        async with self.database.transaction() as tx:
            await tx.execute("CREATE TABLE public.total (whose text, n bigint)")

    async def add(self, tx: Any, envelopes: Sequence[Envelope]) -> None:
        """The effect of an event is a row: twice the effect are two rows."""
        events: list[Any] = [envelope.decode() for envelope in envelopes]
        await tx.executemany("INSERT INTO public.total VALUES ($1, $2)", [(event.whose, event.n) for event in events])

    async def counts(self) -> Counter[tuple[str, int]]:
        async with self.database.read() as tx:
            return Counter((row["whose"], row["n"]) for row in await tx.fetch("SELECT whose, n FROM public.total"))

    async def totalled(self, *, at_least: int) -> int:
        """Waits until there are so many effects."""

        async def are_there() -> bool:
            return (await self.counts()).total() >= at_least

        async with asyncio.timeout(30):
            while not await are_there():  # noqa: ASYNC110 - the database has no event for this
                await asyncio.sleep(0.01)  # pace: each look opens a connection's turn
        return (await self.counts()).total()


_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'consumer %'"""


def kafka_settings(broker, **more) -> KafkaSettings:
    """That broker, with a prefix that nobody else has."""
    return KafkaSettings(
        **{"servers": broker.servers, "prefix": f"{uuid4().hex[:12]}.", "session_s": 2, "hand_over_s": 2} | more
    )


@asynccontextmanager
async def opened(database, clock, ids, *, broker=None, kafka=None) -> AsyncIterator[LogRig]:
    """A rig on PostgreSQL's log, or on Kafka where there is a broker."""
    source = EventLog(database, clock=clock, settings=FAST)
    await source.start()
    log: Any = source
    if broker:
        log = KafkaLog(source, database=database, clock=clock, kafka=kafka or kafka_settings(broker), settings=FAST)
    rig = LogRig(database, log, PostgresOutbox(ids=ids, game=lambda: "g1"), clock, source=source, broker=broker)
    if broker:
        rig.relay = log.relay()
        rig.relaying = rig.run(rig.relay)
    try:
        yield rig
    finally:
        await rig.close()
        if broker:
            await log.close()
        await source.close()


@pytest.fixture(params=["postgres", "kafka"])
async def rig(request, open_database, clock, ids):
    broker = request.getfixturevalue("broker") if request.param == "kafka" else None
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker) as rig:
        yield rig
