"""People begin the quests that they are offered, the log becomes progress, and who is done takes the rewards."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import msgspec

from overworld.app.simulate.chronicle import Reader
from overworld.app.simulate.profiles import Person
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Tally, Turn
from overworld.domains.gameplay.quests.messages import CompleteQuest, QuestProgressed, QuestSeen, StartQuest
from overworld.domains.gameplay.quests.types import State
from overworld.kernel.events import Envelope


class Beginning:
    """Once a day, as they set out, people look at their quests and begin all that they may."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally
        self._looked_day: dict[int, int] = {}

    async def play(self, turn: Turn) -> None:
        """Begins what those who arrive are offered."""
        looking = [person for person in turn.arriving if self._looked_day.get(person.number) != turn.day]
        self._looked_day.update((person.number, turn.day) for person in looking)
        if not looking or not self._stage.quests.catalogue.in_force:
            return
        self._stage.move_to(turn.begins_us)
        now, showing = self._stage.clock.now(), self._stage.quests.showing
        shown = await asyncio.gather(*(showing.of(one.id, memberships=one.memberships(now)) for one in looking))
        wanted = [
            (person, quest)
            for person, quests in zip(looking, shown, strict=True)
            for quest in quests
            if _offered(quest)
        ]
        await self._tally.told(self._start(*each) for each in wanted)

    async def _start(self, person: Person, quest: QuestSeen) -> None:
        self._tally.key("start")
        memberships = person.memberships(self._stage.clock.now())
        command = StartQuest(player_id=person.id, quest=quest.id, memberships=memberships)
        await self._stage.quests.starting.start(command)


def _offered(quest: QuestSeen) -> bool:
    return quest.state == State.AVAILABLE.wire


class Progressing:
    """After each turn the log is counted; who is out and has met a quest completes it, the others when they are."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally
        self._met: dict[UUID, dict[str, None]] = {}
        self._log = Reader(stage.database, topics=frozenset())

    async def play(self, turn: Turn) -> None:
        """Counts what happened, ends what is over, and completes what is met."""
        quests = self._stage.quests
        if not quests.catalogue.in_force:
            return
        await self._count()
        await quests.ending.tell_met()
        await quests.ending.fail_due(closed_by=self._stage.clock.now() - timedelta(seconds=quests.settings.settle_s))
        await self._complete(outing.person for outing in turn.outings)

    async def _count(self) -> None:
        self._log.topics = self._stage.quests.catalogue.topics | {QuestProgressed.topic}
        async for envelopes in self._log.read_on():
            for envelope in envelopes:
                self._note(envelope)
            await self._stage.quests.folding.fold(envelopes)

    def _note(self, envelope: Envelope) -> None:
        if envelope.topic == QuestProgressed.topic:
            event = msgspec.json.decode(envelope.data, type=QuestProgressed)
            if event.met:
                self._met.setdefault(event.player_id, {})[event.quest] = None

    async def _complete(self, people: Iterable[Person]) -> None:
        ready = {person.id: self._met.pop(person.id) for person in people if person.id in self._met}
        await self._tally.told(
            self._stage.quests.completing.complete(
                CompleteQuest(player_id=player_id, quest=quest, key=self._tally.key("complete"))
            )
            for player_id, met in ready.items()
            for quest in met
        )
