"""Who signs in by SCRAM over TLS may do what its ACLs allow, and waits loudly for what they do not."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from overworld.platform.eventlog import SCHEMA
from overworld.platform.kafka import KafkaSettings
from tests.platform.eventlog.conftest import Noted, Sink, eventually
from tests.platform.eventlog.contract.conftest import opened

RIGHTS = {
    ResourceType.TOPIC: [AclOperation.CREATE, AclOperation.DESCRIBE, AclOperation.READ, AclOperation.WRITE],
    ResourceType.GROUP: [AclOperation.READ],
}


def allow(broker, prefix):
    """What docs/concepts/kafka.md says that the user needs."""
    bindings = [
        AclBinding(of, prefix, ResourcePatternType.PREFIXED, "User:overworld", "*", operation, AclPermissionType.ALLOW)
        for of, operations in RIGHTS.items()
        for operation in operations
    ]
    admin = AdminClient({"bootstrap.servers": broker.servers})
    for future in admin.create_acls(bindings).values():
        future.result(10)


def through_the_door(broker, **more):
    return KafkaSettings(
        **{
            "servers": broker.guarded, "prefix": f"{uuid4().hex[:12]}.", "security": "scram_tls",
            "username": "overworld", "password": "only for tests",
            "tls_ca": str(broker.door.pem.with_name("server.crt")),
            "acknowledge_s": 1, "session_s": 2, "hand_over_s": 2,
        } | more
    )  # fmt: skip


@pytest.mark.slow
async def test_a_user_gets_in_by_name_and_password_and_does_what_it_is_allowed(open_database, clock, ids, broker):
    kafka = through_the_door(broker)
    sink = Sink()
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker, kafka=kafka) as rig:
        await rig.publish(Noted(n=1))
        await eventually(lambda: has_retried(rig.relay))
        rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
        await asyncio.to_thread(allow, broker, kafka.prefix)
        assert await sink.until(1) == [1]
        assert rig.relay.buried == 0


@pytest.mark.slow
async def test_with_a_wrong_password_nothing_is_sent_and_nothing_given_up(open_database, clock, ids, broker):
    kafka = through_the_door(broker, password="wrong")
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker, kafka=kafka) as rig:
        await rig.publish(Noted(n=1))
        await eventually(lambda: has_retried(rig.relay))
        assert (rig.relay.handled, rig.relay.buried) == (0, 0)


async def has_retried(relay):
    return relay.retried > 0
