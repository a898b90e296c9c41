"""Two servers on one database and one Kafka: one of them relays, and the other goes on when it dies."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import httpx
import pytest

from bench.servers import ServerProcess
from tests.platform.eventlog.contract.conftest import kafka_settings
from tests.platform.kafka.conftest import Lying
from tests.system.player import Player

pytestmark = pytest.mark.slow


@pytest.fixture
async def dsn(postgres_dsn):
    name = f"kafka_{uuid4().hex}"
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    yield postgres_dsn.replace("/postgres?", f"/{name}?")
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def relaying(server):
    async with httpx.AsyncClient() as client:
        figures = (await client.get(f"{server.operations}/metrics")).text
    return "overworld_kafka_relaying 1.0" in figures


async def until_signed_in(kafka, count):
    """Waits until so many sign-ins lie in Kafka."""
    for _ in range(200):
        found = Lying(kafka, "events.auth.login", timeout_s=0.1)
        if len(found.messages) >= count:
            return len(found.messages)
    raise AssertionError(f"{len(found.messages)} of {count} sign-ins came to Kafka")


async def test_what_happens_on_either_server_comes_to_kafka_and_outlives_the_one_that_relays(broker, dsn, tmp_path):
    kafka = kafka_settings(broker)
    environment = {
        "OVERWORLD_EVENTS__LOG": "kafka",
        "OVERWORLD_KAFKA__SERVERS": kafka.servers,
        "OVERWORLD_KAFKA__PREFIX": kafka.prefix,
        "OVERWORLD_EVENTS__TAKEOVER_MS": "100",
    }
    first = ServerProcess(tmp_path / "1", dsn=dsn, environment=environment)
    second = ServerProcess(tmp_path / "2", dsn=dsn, migrate=False, environment=environment)
    async with first, second:
        async with Player(first), Player(second):
            assert await until_signed_in(kafka, 2) == 2
        told = [await relaying(server) for server in (first, second)]
        assert sorted(told) == [False, True]
        dying, living = (first, second) if told[0] else (second, first)
        await dying.kill()
        async with Player(living):
            assert await until_signed_in(kafka, 3) >= 3
        assert await relaying(living)
