"""Kafka and the log in PostgreSQL together, as an operator works with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from overworld.kernel.clock import Clock
from overworld.platform.eventlog.desk import PostgresDesk
from overworld.platform.eventlog.types import Lag
from overworld.platform.kafka import places
from overworld.platform.kafka.places import Kept, Part
from overworld.platform.kafka.topics import Topics
from overworld.platform.postgres import Database


class KafkaDesk(PostgresDesk):
    """Dead letters and all events are in PostgreSQL; how far consumers of Kafka are, only its brokers know."""

    def __init__(self, database: Database, *, clock: Clock, topics: Topics) -> None:
        super().__init__(database, clock=clock)
        self._topics = topics

    async def lag(self) -> list[Lag]:
        """How far each durable consumer is behind, on either log, by name. Raises: KafkaUnavailable."""
        return sorted([*await super().lag(), *await self.lag_on_kafka()], key=lambda lag: lag.consumer)

    async def lag_on_kafka(self) -> list[Lag]:
        """How far each consumer of Kafka is behind, by name: a batch is one event here.

        `behind_s` is the time since it last moved, while it is behind. Raises: KafkaUnavailable.
        """
        async with self._database.read() as tx:
            kept, letters = await places.kept(tx), await places.dead_letters(tx)
        ends = await self._topics.ends_of({one.part[0] for one in kept})
        by_consumer: defaultdict[str, list[Kept]] = defaultdict(list)
        for one in kept:
            by_consumer[one.consumer].append(one)
        now = self._clock.now()
        return [_lag(name, rows, ends, letters.get(name, 0), now=now) for name, rows in sorted(by_consumer.items())]


def _lag(
    name: str, rows: Sequence[Kept], ends: dict[Part, tuple[int, int]], dead_letters: int, *, now: datetime
) -> Lag:
    behind = sum(max(0, ends[row.part][1] - row.offset) for row in rows if row.part in ends)
    moved_at = max(row.moved_at for row in rows)
    return Lag(
        consumer=name,
        batches_behind=behind,
        behind_s=max(0.0, (now - moved_at).total_seconds()) if behind else 0.0,
        dead_letters=dead_letters,
        moved_at=moved_at,
    )
