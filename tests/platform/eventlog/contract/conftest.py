"""The same rig on either log: what is published commits to PostgreSQL, and with Kafka a relay carries it there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from overworld.platform.eventlog import SCHEMA, EventLog, PostgresOutbox
from overworld.platform.kafka import KafkaLog, KafkaSettings

from ..conftest import FAST, Rig


def kafka_settings(broker, **more) -> KafkaSettings:
    """That broker, with a prefix that nobody else has."""
    return KafkaSettings(
        servers=broker.servers, prefix=f"{uuid4().hex[:12]}.", session_s=2, hand_over_s=2, **more
    )


@asynccontextmanager
async def opened(kind, request, database, clock, ids) -> AsyncIterator[Rig]:
    """A rig on the log of that kind."""
    log = EventLog(database, clock=clock, settings=FAST)
    await log.start()
    rig = Rig(database, log, PostgresOutbox(ids=ids, game=lambda: "g1"), clock)
    kafka = None
    if kind == "kafka":
        settings = kafka_settings(request.getfixturevalue("broker"))
        rig.log = kafka = KafkaLog(log, database=database, clock=clock, kafka=settings, settings=FAST)
        rig.run(kafka.relay())
    try:
        yield rig
    finally:
        await rig.close()
        if kafka is not None:
            await kafka.close()
        await log.close()


@pytest.fixture(params=["postgres", "kafka"])
async def rig(request, open_database, clock, ids):
    async with open_database(SCHEMA) as database, opened(request.param, request, database, clock, ids) as rig:
        yield rig
