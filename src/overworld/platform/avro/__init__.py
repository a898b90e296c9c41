"""Events as Avro: schemas made of the event types, every released version kept, and a registry for whoever else reads.

PostgreSQL's log holds JSON; Avro is what leaves the house. Nothing here decides what an event says: the event types do.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.avro.codec import Codec, warm
    from overworld.platform.avro.errors import (
        BadFrame,
        NotReleased,
        RegistryRefused,
        RegistryUnavailable,
        UnknownSchema,
    )
    from overworld.platform.avro.framing import Confluent, Framing, SingleObject
    from overworld.platform.avro.released import Finding, Released, Version, findings
    from overworld.platform.avro.schema import NotInAvro, schema_of
else:
    __getattr__ = door(
        __name__,
        codec=["Codec", "warm"],
        errors=["BadFrame", "NotReleased", "RegistryRefused", "RegistryUnavailable", "UnknownSchema"],
        framing=["Confluent", "Framing", "SingleObject"],
        released=["Finding", "Released", "Version", "findings"],
        schema=["NotInAvro", "schema_of"],
    )

__all__ = [
    "BadFrame",
    "Codec",
    "Confluent",
    "Finding",
    "Framing",
    "NotInAvro",
    "NotReleased",
    "RegistryRefused",
    "RegistryUnavailable",
    "Released",
    "SingleObject",
    "UnknownSchema",
    "Version",
    "findings",
    "schema_of",
    "warm",
]
