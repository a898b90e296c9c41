"""Drives the core of trust with what a world tells, and keeps what it thought of whom and when."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from uuid import UUID

import numpy as np
from msgspec import Struct, field

from bench.prove.fairplay.crowd import Crowd
from bench.prove.fairplay.features import Features
from bench.prove.fairplay.world import World
from overworld.domains.trust.core import Core
from overworld.domains.world.messages import MovementObserved
from overworld.flows.facts_to_trust import fact_of
from overworld.kernel.standing import Gate


class Judged(Struct):
    """What came of each player, by number: when the gate first left normal (microseconds), by which evidence.

    `digest` is that of every verdict; `facts` counts what the core was told.
    """

    world: World
    suspected_us: dict[int, int] = field(default_factory=dict)
    evidence: dict[int, Counter[str]] = field(default_factory=dict)
    gates: dict[int, Gate] = field(default_factory=dict)
    features: Features = field(default_factory=Features)
    facts: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    @property
    def crowd(self) -> Crowd:
        """Who was judged."""
        return self.world.crowd

    def after_s(self, player: int) -> float | None:
        """How long a player had played when the gate left normal, seconds; None when it never did."""
        at_us = self.suspected_us.get(player)
        return None if at_us is None else (at_us - int(self._began_us[player])) / 1e6

    @property
    def _began_us(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        began = np.full(len(self.crowd.kinds), np.iinfo(np.int64).max)
        np.minimum.at(began, self.crowd.fixes["player"].astype(np.int64), self.crowd.fixes["arrives_us"])
        return began


async def judge(crowd: Crowd) -> Judged:
    """The whole crowd through the engine and the core, on virtual time. The same crowd gives the same."""
    made = Judged(World(crowd))
    core, digest = Core(), sha256()
    async for occasion in made.world.live():
        if isinstance(occasion.event, MovementObserved):
            made.features.add(crowd.kinds[_number(occasion.event.player_id)], occasion.event)
        fact = fact_of(occasion.event, at_us=occasion.at_us)
        if fact is None:
            continue
        made.facts[type(fact).__name__] += 1
        for evidence in core.take(fact):
            player = _number(evidence.player_id)
            standing = core.standing(evidence.player_id, at_us=occasion.at_us)
            digest.update(f"{player} {evidence.kind} {evidence.at_us} {standing.score!r} {standing.gate}\n".encode())
            made.evidence.setdefault(player, Counter())[evidence.kind] += 1
            made.gates[player] = standing.gate
            if standing.gate is not Gate.NORMAL:
                made.suspected_us.setdefault(player, occasion.at_us)
    made.digest = digest.hexdigest()
    return made


def _number(player_id: UUID) -> int:
    return player_id.int - 1
