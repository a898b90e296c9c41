"""The producing half: messages in order, each acknowledged before the next are sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct

from overworld.platform.kafka.client import KafkaUnavailable, producing
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.thread import Thread

_SLICE_S = 0.25
_BY_KEY = -1  # instead of a partition's number
_NOW = 0  # instead of a time in ms

Headers = dict[str, str | bytes | None]
"""What stands beside a message, by name, as the client takes it."""


class Outgoing(Struct, frozen=True):
    """Messages as they go out, a column for each of their parts, (n,).

    `topics` are Kafka's names; `headers`, by name, are what stands beside each.
    """

    topics: Sequence[str]
    keys: Sequence[bytes]
    values: Sequence[bytes]
    headers: Sequence[Headers]

    def __len__(self) -> int:
        return len(self.values)


NOTHING = Outgoing((), (), (), ())


class Sender:
    """Sends messages to the end of their partitions, each once as long as the producer lives.

    One that is not acknowledged stays in the producer, which sends it until it is; asked again for the same messages,
    `send` waits on. When Kafka refuses one for good, the producer with all it holds is replaced and they are sent anew:
    what came through before is repeated, and nothing comes before what it follows.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._thread = Thread("kafka-sender")
        self._producer: Producer | None = None
        self._under_way = NOTHING
        self._handed_over = 0  # of those under way
        self._pending = 0  # of those under way, how many are not acknowledged yet
        self._refused: KafkaError | None = None

    async def send(self, messages: Outgoing) -> None:
        """Returns when all replicas have all of them.

        Raises: KafkaUnavailable when that takes longer than `acknowledge_s`, or Kafka refuses them.
        """
        if self._producer is None or self._under_way != messages:
            await self._thread.call(self._begin, messages)
        waited_s = 0.0
        while await self._thread.call(self._settle):
            waited_s += _SLICE_S
            if waited_s >= self._settings.acknowledge_s:
                raise KafkaUnavailable(f"{self._pending} of {len(messages)} messages are not acknowledged")
        self._under_way = NOTHING

    async def renew(self) -> None:
        """Drops the producer with whatever it still holds."""
        await self._thread.call(self._drop)

    async def close(self) -> None:
        """Drops the producer, and ends."""
        await self.renew()
        self._thread.close()

    def _begin(self, messages: Outgoing) -> None:
        if self._producer is None or self._pending:
            self._drop()
            self._producer = Producer(producing(self._settings) | {"error_cb": self._hear})
        self._under_way, self._pending, self._refused = messages, len(messages), None
        self._handed_over = 0

    def _fill(self, producer: Producer) -> None:
        """Hands over what the producer has room for, by position: the client takes longer to read names."""
        out, produce, refuse = self._under_way, producer.produce, self._refuse
        handed_over = self._handed_over
        rest = islice(zip(out.topics, out.values, out.keys, out.headers, strict=True), handed_over, None)
        try:
            for topic, value, key, headers in rest:
                produce(topic, value, key, _BY_KEY, refuse, None, _NOW, headers)
                handed_over += 1
        except BufferError:
            return
        except KafkaException as error:
            self._refused = error.args[0]
        finally:
            self._handed_over = handed_over

    def _settle(self) -> int:
        """How many are not acknowledged after a short wait."""
        if self._producer is None:
            raise KafkaUnavailable("the producer was dropped with messages under way, as by who relays now")
        self._fill(self._producer)
        self._pending = self._producer.flush(_SLICE_S) + len(self._under_way) - self._handed_over
        if self._refused is not None:
            refused = self._refused
            self._drop()
            raise KafkaUnavailable(f"Kafka refuses a message: {refused}")
        return self._pending

    def _refuse(self, error: KafkaError | None, _message: Message) -> None:
        """Hears of what is not delivered alone: of what is, the producer only holds less."""
        self._refused = self._refused or error

    def _hear(self, error: KafkaError) -> None:
        """Of what may pass nothing is to be done. Left to itself, the client raises what is fatal from any call."""
        if error.fatal():
            self._refused = self._refused or error

    def _drop(self) -> None:
        """What the producer holds is thrown away; the errors that tells of are none."""
        producer, self._producer = self._producer, None
        self._under_way, self._handed_over, self._pending = NOTHING, 0, 0
        if producer is not None:
            producer.purge()
            producer.flush(_SLICE_S)
