"""What the event log tells of a run: when players rose, and what became of quests."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from msgspec import Struct

from overworld.app.simulate.figures import QuestFigures
from overworld.domains.gameplay.messages import LevelReached
from overworld.kernel.events import Envelope, Event
from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import START, Position
from overworld.platform.postgres import Database

_BATCHES_MAX = 1_000
_UNCOUNTED = frozenset({"events.collectible.collected", "events.location.updated"})
"""One for each claim, which the ledger counts as well, and one for each walk."""
_QUEST_ENDS = ("started", "completed", "failed")


class _Quest(Struct, frozen=True):
    """As much of a quest's event as is counted."""

    quest: str = ""


class Reader:
    """Reads on in the log, of some topics, whenever it is asked to; `topics` may change in between."""

    def __init__(self, database: Database, *, topics: frozenset[str]) -> None:
        self.topics = topics
        self._database = database
        self._read_to: Position = START

    async def read_on(self) -> AsyncIterator[list[Envelope]]:
        """Everything that was committed since the last time, in its order and in slices."""
        while True:
            async with self._database.read() as tx:
                batches = await store.read(tx, after=self._read_to, topics=self.topics, batches_max=_BATCHES_MAX)
            if not batches:
                return
            self._read_to = batches[-1].position
            yield [envelope for batch in batches for envelope in batch.events]


class Chronicle:
    """What there was in the log so far, counted."""

    def __init__(self, database: Database) -> None:
        self._reader = Reader(database, topics=frozenset(Event.registry) - _UNCOUNTED)
        self.rose: dict[tuple[str, int], datetime] = {}
        """When a player (their id) first stood at or above a level."""
        self.counts: Counter[str] = Counter()
        """How many events of each topic there were."""
        self.quests: Counter[tuple[str, str]] = Counter()
        """How often a quest was in a topic: (topic, quest)."""

    async def read_on(self) -> None:
        """Counts everything that was committed since the last time."""
        async for envelopes in self._reader.read_on():
            for envelope in envelopes:
                self._note(envelope)

    def quest_figures(self) -> list[QuestFigures]:
        """What became of each quest that there were events of, by name."""
        names = sorted({quest for _, quest in self.quests})
        return [
            QuestFigures(quest=name, **{end: self.quests[f"events.quest.{end}", name] for end in _QUEST_ENDS})
            for name in names
        ]

    def _note(self, envelope: Envelope) -> None:
        self.counts[envelope.topic] += 1
        if envelope.topic == LevelReached.topic:
            event = msgspec.json.decode(envelope.data, type=LevelReached)
            for level in range(event.level_before + 1, event.level + 1):
                self.rose.setdefault((str(event.player_id), level), envelope.at)
        elif envelope.topic.startswith("events.quest."):
            self.quests[envelope.topic, msgspec.json.decode(envelope.data, type=_Quest).quest] += 1
