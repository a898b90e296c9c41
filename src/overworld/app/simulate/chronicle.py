"""What the event log tells of a run: when players rose, and what became of quests."""

from __future__ import annotations

from collections import Counter
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
_UNCOUNTED = frozenset({"events.collectible.collected"})
"""One for each claim, which the ledger counts as well."""
_QUEST_ENDS = ("started", "completed", "failed")


class _Quest(Struct, frozen=True):
    """As much of a quest's event as is counted."""

    quest: str = ""


class Chronicle:
    """Reads on in the log whenever it is asked to; what it has read may be forgotten."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._topics = frozenset(Event.registry) - _UNCOUNTED
        self._read_to: Position = START
        self.rose: dict[tuple[str, int], datetime] = {}
        """When a player (their id) first stood at or above a level."""
        self.counts: Counter[str] = Counter()
        """How many events of each topic there were."""
        self.quests: Counter[tuple[str, str]] = Counter()
        """How often a quest was in a topic: (topic, quest)."""

    async def read_on(self) -> None:
        """Reads everything that was committed since the last time."""
        while True:
            async with self._database.read() as tx:
                batches = await store.read(tx, after=self._read_to, topics=self._topics, batches_max=_BATCHES_MAX)
            if not batches:
                return
            self._read_to = batches[-1].position
            for batch in batches:
                for envelope in batch.events:
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
