"""What every client of Kafka is made with, and what its failures are called here."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaException

from overworld.kernel.refusals import Fault, Refusal
from overworld.platform.kafka.settings import KafkaSettings

_PROTOCOLS = {"none": "plaintext", "tls": "ssl", "scram": "sasl_plaintext", "scram_tls": "sasl_ssl"}
_ERRORS = 3
_log = logging.getLogger(__name__)


class KafkaUnavailable(Fault):
    """Kafka does not answer."""

    code = "events.kafka_unavailable"


class EventTooLarge(Refusal):
    """An event is longer than Kafka takes."""

    code = "events.too_large"
    status = 413


class KafkaLost(ConnectionError):
    """This process is no longer what it was in a group: others may have its partitions."""


@contextmanager
def failing_as_lost() -> Iterator[None]:
    """What Kafka's client fails with inside is raised as KafkaLost, by which a consumer asks for a new lease.

    A callback of the client needs it: an error of the client's own that a callback lets pass comes out of the poll as
    what no `except` catches (confluent-kafka 2.16 on Python 3.11), and ends the polling thread without a word.
    """
    try:
        yield
    except KafkaException as error:
        raise KafkaLost(f"Kafka: {error}") from error


def common(settings: KafkaSettings) -> dict[str, Any]:
    """The configuration that producers, consumers and administrators share."""
    found: dict[str, Any] = {
        "bootstrap.servers": settings.servers,
        "client.id": "overworld",
        "security.protocol": _PROTOCOLS[settings.security],
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
        "topic.metadata.refresh.interval.ms": 60_000,
        "logger": _log,
    }
    if settings.security.startswith("scram"):
        found["sasl.mechanism"] = settings.mechanism
        found["sasl.username"] = settings.username
        found["sasl.password"] = settings.password
    files = {
        "ssl.ca.location": settings.tls_ca,
        "ssl.certificate.location": settings.tls_certificate,
        "ssl.key.location": settings.tls_key,
    }
    return found | {key: value for key, value in files.items() if value}


def producing(settings: KafkaSettings) -> dict[str, Any]:
    """The configuration of the relay's producer.

    A message is sent again for as long as it takes: giving one up and sending the next would leave a gap, and who reads
    takes what comes after a gap for seen. Should there be a gap all the same, the producer ends.
    """
    return common(settings) | {
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "message.timeout.ms": 0,
        "delivery.report.only.error": True,
        "log_level": _ERRORS,  # and not, at every start, that the guarantee above is experimental
        "linger.ms": 100,  # a flush does not wait for it, and follows whatever is handed over: so batches are full
        "compression.type": settings.compression,
        "message.max.bytes": settings.message_max_bytes,
        "queue.buffering.max.kbytes": 65_536,
    }


def consuming(settings: KafkaSettings, *, group: str) -> dict[str, Any]:
    """The configuration of a consumer, whose offsets nobody moves but itself.

    It always polls, but while partitions change hands: a member that does not is soon waited for no longer.
    """
    return common(settings) | {
        "max.poll.interval.ms": round((settings.session_s + 2 * settings.hand_over_s) * 1000),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": round(settings.session_s * 1000),
        "heartbeat.interval.ms": round(settings.session_s * 1000 / 4),
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        "fetch.queue.backoff.ms": 20,  # when the queue was full; who is behind empties it long before the usual 1 s
        "queued.max.messages.kbytes": 16_384,
    }
