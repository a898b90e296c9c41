"""What staff do with the event log; what changes something stands in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from overworld.app.event_desk.messages import TopicSeen, topic_seen
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.ports import AuditTrail
from overworld.platform.avro import Released
from overworld.platform.eventlog.desk import Desk
from overworld.platform.eventlog.topics import FAILED, Topics
from overworld.platform.eventlog.types import DeadLetter, Lag, Replay, Which
from overworld.platform.postgres import Database


class EventDesk:
    """Looks at a log through its desk, and has dead letters handled again."""

    def __init__(
        self, desk: Desk, *, topics: Topics, released: Released, database: Database, clock: Clock, audit: AuditTrail
    ) -> None:
        self._desk = desk
        self._topics = topics
        self._versions = {topic: len(released.versions(topic)) for topic in released.topics}
        self._database = database
        self._clock = clock
        self._audit = audit

    async def topics(self) -> list[TopicSeen]:
        """Every topic, by name."""
        failed = await self._desk.dead_letters_by_topic()
        return [
            topic_seen(
                topic,
                schema_version=self._versions.get(topic.name),
                dead_letters=sum(failed.values()) if topic.name == FAILED else failed.get(topic.name, 0),
            )
            for topic in self._topics
        ]

    async def lag(self) -> list[Lag]:
        """How far each consumer is behind, by name."""
        return await self._desk.lag()

    async def dead_letters(
        self, *, topic: str | None, consumer: str | None, before: tuple[UUID, str] | None, limit: int
    ) -> list[DeadLetter]:
        """What consumers gave up on, the newest event first. Raises: NoSuchTopic."""
        return await self._desk.dead_letters(self._which(topic, consumer, None), before=before, limit=limit)

    async def replay(
        self, *, topic: str, consumer: str | None = None, event_ids: Sequence[UUID] | None = None, staff: Staff
    ) -> list[Replay]:
        """Has the consumers of dead letters handle them again. Raises: NoSuchTopic."""
        which = self._which(topic, consumer, event_ids)
        async with self._database.transaction() as tx:
            replays = await self._desk.replay(tx, which, at=self._clock.now())
            count = sum(one.letters for one in replays)
            note = f"{count} dead letters" + (f" of {consumer}" if consumer else "")
            await self._audit.record(tx, [staff.did("events.replay", topic, after=which, note=note)])
        return replays

    def _which(self, topic: str | None, consumer: str | None, event_ids: Sequence[UUID] | None) -> Which:
        name = None if topic is None else self._topics.find(topic).name
        ids = None if event_ids is None else tuple(event_ids)
        return Which(topic=None if name == FAILED else name, consumer=consumer, event_ids=ids)
