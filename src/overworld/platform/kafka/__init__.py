"""Kafka: the relay that carries the event log there, and the log's readers on its topics."""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.kafka.codec import Codec, JsonCodec
    from overworld.platform.kafka.log import KafkaLog
    from overworld.platform.kafka.settings import KafkaSettings
    from overworld.platform.kafka.topics import Plan, Plans
else:
    __getattr__ = door(
        __name__,
        codec=["Codec", "JsonCodec"],
        log=["KafkaLog"],
        settings=["KafkaSettings"],
        topics=["Plan", "Plans"],
    )

__all__ = ["Codec", "JsonCodec", "KafkaLog", "KafkaSettings", "Plan", "Plans"]
