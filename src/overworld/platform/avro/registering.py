"""What is released, made known to a registry; and what it knows, made known here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from overworld.kernel.events import Envelope
from overworld.platform.avro.codec import Codec
from overworld.platform.avro.errors import BadFrame, UnknownSchema
from overworld.platform.avro.framing import Confluent
from overworld.platform.avro.registry import SchemaRegistry
from overworld.platform.avro.released import Released, Version

COMPATIBILITY = "BACKWARD_TRANSITIVE"
_AT_ONCE = 4
_NAMESPACE = "overworld."


def subject_of(topic: str) -> str:
    """What a registry calls the schema of a topic's values."""
    return f"{topic}-value"


async def register_all(registry: SchemaRegistry, released: Released) -> dict[int, Version]:
    """Registers every released version of every topic, the oldest first; the number that each has there.

    From then on the registry, too, refuses what a reader of all versions would not understand.
    Raises: RegistryRefused, RegistryUnavailable; what was registered by then stays.
    """
    turns, ids = asyncio.Semaphore(_AT_ONCE), dict[int, Version]()

    async def register(topic: str) -> None:
        async with turns:
            await registry.require(subject_of(topic), COMPATIBILITY)
            for version in released.versions(topic):
                ids[await registry.register(subject_of(topic), version.text)] = version

    tasks = [asyncio.ensure_future(register(topic)) for topic in sorted(released.topics)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return ids


async def decoded(
    frames: Sequence[bytes], *, codec: Codec, framing: Confluent, registry: SchemaRegistry
) -> list[Envelope]:
    """The events of frames, (n,); schemas of builds that are newer than this are looked up.

    Raises: UnknownSchema, BadFrame; RegistryRefused, RegistryUnavailable.
    """
    events = []
    for frame in frames:
        try:
            events.append(codec.decode(frame))
        except UnknownSchema as unknown:
            if unknown.schema_id is None:
                raise
            framing.know(unknown.schema_id, await version_of(unknown.schema_id, registry))
            events.append(codec.decode(frame))
    return events


async def version_of(schema_id: int, registry: SchemaRegistry) -> Version:
    """A version that is none of ours: its number is the registry's, below zero.

    Raises: BadFrame; RegistryRefused, RegistryUnavailable.
    """
    schema = await registry.schema(schema_id)
    namespace = schema.get("namespace", "") if isinstance(schema, dict) else ""
    if not namespace.startswith(_NAMESPACE):
        raise BadFrame(f"the schema {schema_id} of the registry is of no event")
    return Version(namespace.removeprefix(_NAMESPACE), -schema_id, schema)
