"""Ends runs that players cannot finish any more, in slices, by the clock and not by anybody's asking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from overworld.domains.gameplay.quests import store
from overworld.domains.gameplay.quests.catalogue import Catalogue
from overworld.domains.gameplay.quests.messages import QuestFailed, QuestProgressed
from overworld.domains.gameplay.quests.rules import Definition
from overworld.domains.gameplay.quests.types import Assignment, State, Total
from overworld.kernel.clock import Clock
from overworld.kernel.events import Event
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database

_SLICE = 1_000


class Ending:
    """Fails what is over, and tells contributors that a shared quest is met."""

    def __init__(self, *, database: Database, clock: Clock, outbox: Outbox, catalogue: Catalogue) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._catalogue = catalogue

    async def fail_due(self, *, closed_by: datetime) -> int:
        """Fails the runs that closed by an instant and were not met; gives how many."""
        failed = 0
        while True:
            async with self._database.transaction() as tx:
                at = self._clock.now()
                ended = await store.fail_due(tx, closed_by=closed_by, at=at, limit=_SLICE)
                await self._outbox.append(tx, self._failures(await self._defined(ended)), at=at)
            failed += len(ended)
            if len(ended) < _SLICE:
                return failed

    async def tell_met(self) -> int:
        """Makes what all have met together met for each who had a part in it; gives for how many."""
        told = 0
        while True:
            async with self._database.transaction() as tx:
                at = self._clock.now()
                found = await store.tell_met(tx, at=at, limit=_SLICE)
                if found is None:
                    return told
                total, ones = found
                defined = await self._defined(ones)
                met = [_met(*one, total) for one in defined if one[1].state is State.ACTIVE]
                failed = self._failures([one for one in defined if one[1].state is State.FAILED])
                await self._outbox.append(tx, [*met, *failed], at=at)
            told += len(met)

    async def _defined(self, ones: Sequence[Assignment]) -> list[tuple[Definition, Assignment]]:
        if any(not self._catalogue.has(one.number) for one in ones):
            await self._catalogue.look()
        known = ((self._catalogue.known(one.number), one) for one in ones)
        return [(definition, one) for definition, one in known if definition is not None]

    def _failures(self, ended: Sequence[tuple[Definition, Assignment]]) -> list[Event]:
        return [
            QuestFailed(
                player_id=one.player_id,
                quest=one.quest,
                type=definition.rules.type,
                run=one.run,
                counts=definition.shown(one.counts),
                goals=definition.goals_shown,
            )
            for definition, one in ended
        ]


def _met(definition: Definition, one: Assignment, total: Total) -> Event:
    return QuestProgressed(
        player_id=one.player_id,
        quest=one.quest,
        type=definition.rules.type,
        run=one.run,
        counts=definition.shown(total.counts),
        goals=definition.goals_shown,
        met=True,
    )
