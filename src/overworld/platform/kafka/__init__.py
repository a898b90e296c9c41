"""Kafka: the relay that carries the event log there, and the log's readers on its topics."""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.kafka.codec import AvroCodec, Codec, JsonCodec
    from overworld.platform.kafka.desk import KafkaDesk
    from overworld.platform.kafka.log import KafkaLog
    from overworld.platform.kafka.settings import KafkaSettings
    from overworld.platform.kafka.topics import Declared, Plan, Plans, Topics
else:
    __getattr__ = door(
        __name__,
        codec=["AvroCodec", "Codec", "JsonCodec"],
        desk=["KafkaDesk"],
        log=["KafkaLog"],
        settings=["KafkaSettings"],
        topics=["Declared", "Plan", "Plans", "Topics"],
    )

__all__ = [
    "AvroCodec",
    "Codec",
    "Declared",
    "JsonCodec",
    "KafkaDesk",
    "KafkaLog",
    "KafkaSettings",
    "Plan",
    "Plans",
    "Topics",
]
