"""Experiments built and run: what the server knows of players, what is counted, and the loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.app.experiments.page import page
from overworld.app.loops import Loops
from overworld.app.platform import Platform
from overworld.domains.experiments import wiring
from overworld.domains.experiments.facts import NAME
from overworld.domains.experiments.wiring import ExperimentParts
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.wiring import GameplayParts
from overworld.flows.facts_to_experiments import METRICS, TOPICS, FactsToExperiments, topics_of
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import EventLog
from overworld.platform.eventlog.store import read_until


class PlayerTraits:
    """What the server knows of players: how far they have come."""

    def __init__(self, gameplay: Gameplay) -> None:
        self._gameplay = gameplay

    @property
    def names(self) -> frozenset[str]:
        """The attributes that it knows."""
        return frozenset({"level", "experience"})

    async def of(self, player_ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
        """All of them, of each player, (n,). One round trip."""
        found = await self._gameplay.progress(player_ids)
        return [{"level": one.level, "experience": one.experience} for one in found]


class ExperimentsProgress:
    """How far the fold of the log into facts has come."""

    async def counted_until(self, tx: Tx, now: datetime) -> datetime | None:
        """Until when everything is counted that happened."""
        return await read_until(tx, NAME, topics=frozenset(TOPICS), now=now)


def build(platform: Platform, *, gameplay: GameplayParts) -> ExperimentParts:
    """Experiments of a server."""
    return wiring.build(
        database=platform.database,
        clock=platform.clock,
        ids=platform.ids,
        outbox=platform.outbox,
        audit=platform.audit.trail,
        traits=PlayerTraits(gameplay.service),
        counting=ExperimentsProgress(),
        metrics=METRICS,
        page=page,
        settings=platform.settings.experiments,
    )


async def run(loops: Loops, *, experiments: ExperimentParts, log: EventLog) -> None:
    """Reads the flags, and starts the fold that counts what they measure: its topics are those of their metrics.

    The flags are read first: a fold that knew of none would pass over what waits for it.
    """
    translating = FactsToExperiments(experiments.facts)
    fold = log.fold(NAME, topics=(), apply=translating.apply)

    def measure(metrics: frozenset[str]) -> None:
        translating.wanted = metrics
        fold.topics = topics_of(metrics)

    experiments.book.on_metrics = measure
    await experiments.book.follow()
    loops.run("experiments", fold.run)
