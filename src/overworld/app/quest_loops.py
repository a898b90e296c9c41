"""The loops of quests: the consumer that makes progress of the log, and the look for quests to end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from overworld.app.loops import Loops
from overworld.domains.gameplay.quests.folding import CONSUMER
from overworld.domains.gameplay.quests.jobs import EndingLoop
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.platform.eventlog import Consumer, EventLog, Handle


def run(loops: Loops, *, quests: QuestParts, log: EventLog, clock: Clock) -> None:
    """Starts both."""
    loops.run("quests", consumer_of(quests, log).run)
    ending = EndingLoop(
        quests.ending, clock=clock, folded_until=lambda: _folded_until(log, clock), settings=quests.settings
    )
    loops.run("quests-ending", ending.run)


def consumer_of(quests: QuestParts, log: EventLog, *, fold: Handle | None = None) -> Consumer:
    """The one durable consumer. It reads the topics of all quests, those of a quest from when it heard of it on.

    `fold` stands in for the quests' own, for who measures it.
    """
    chosen = fold or quests.folding.fold

    async def handle(envelopes: Sequence[Envelope]) -> None:
        await chosen(envelopes)
        consumer.topics = quests.catalogue.topics

    consumer = log.consumer(CONSUMER, topics=sorted(quests.catalogue.topics), handle=handle)
    return consumer


async def _folded_until(log: EventLog, clock: Clock) -> datetime:
    behind_s = max((lag.behind_s for lag in await log.lag() if lag.consumer == CONSUMER), default=0.0)
    return clock.now() - timedelta(seconds=behind_s)
