"""Drives the core of trust with what a world tells, and keeps what it thought of whom and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import cast

import numpy as np
from msgspec import Struct, field

from bench.prove.fairplay.crowd import Crowd
from bench.prove.fairplay.features import Features
from bench.prove.fairplay.logged import Found, in_short
from bench.prove.fairplay.world import Occasion, World, number_of, player_id
from bench.stage import START_US
from overworld.domains.trust.core import Core
from overworld.domains.trust.types import Evidence, Fact
from overworld.domains.world.messages import MovementObserved
from overworld.flows.facts_to_trust import FactsToTrust
from overworld.geo.columns import I64
from overworld.kernel.clock import from_us
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.kernel.standing import Gate, Standing

_NO_TX = cast(Tx, None)  # the core needs none


class Judged(Struct):
    """What came of each player, by number: when the gate first left normal (microseconds), by which evidence.

    `digest` is that of every verdict, `standings` where each stood in the end; `facts` counts what the core was told.
    """

    world: World
    began_us: I64
    suspected_us: dict[int, int] = field(default_factory=dict)
    evidence: dict[int, list[Found]] = field(default_factory=dict)
    features: Features = field(default_factory=Features)
    facts: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    standings: list[Standing] = field(default_factory=list)

    @property
    def crowd(self) -> Crowd:
        """Who was judged."""
        return self.world.crowd

    def after_s(self, player: int) -> float | None:
        """How long a player had played when the gate left normal, seconds; None when it never did."""
        at_us = self.suspected_us.get(player)
        return None if at_us is None else (at_us - int(self.began_us[player])) / 1e6


class _Core:
    """Trust's door for facts, with the core behind it: no database."""

    def __init__(self, made: Judged) -> None:
        self._made = made
        self._core = Core()
        self._digest = sha256()

    async def apply(self, tx: Tx, facts: Sequence[Fact]) -> None:
        """Takes facts in their order."""
        for fact in facts:
            self._made.facts[type(fact).__name__] += 1
            for evidence in self._core.take(fact):
                self._found(evidence, at_us=fact.at_us)

    def digest(self) -> str:
        """The digest of all evidence so far and of where it led, with its order."""
        return self._digest.hexdigest()

    def standings(self, count: int, *, at_us: int) -> list[Standing]:
        """Where each player stands, by number."""
        return [self._core.standing(player_id(number), at_us=at_us) for number in range(count)]

    def _found(self, evidence: Evidence, *, at_us: int) -> None:
        made, player = self._made, number_of(evidence.player_id)
        standing = self._core.standing(evidence.player_id, at_us=at_us)
        self._digest.update(f"{player} {evidence.kind} {at_us} {standing.score!r} {standing.gate}\n".encode())
        made.evidence.setdefault(player, []).append(in_short(evidence))
        if standing.gate is not Gate.NORMAL:
            made.suspected_us.setdefault(player, at_us)


async def judge(crowd: Crowd, *, keep: Callable[[Occasion], None] | None = None) -> Judged:
    """The whole crowd through the engine and the core, on virtual time. The same crowd gives the same.

    `keep` is given all that the server told, in order.
    """
    made = Judged(World(crowd), _began_us(crowd))
    core, ids = _Core(made), IdSource(lambda: START_US, Random(1).randbytes)
    door = FactsToTrust(core)
    async for occasion in made.world.live():
        if keep is not None:
            keep(occasion)
        if isinstance(occasion.event, MovementObserved):
            made.features.add(crowd.kinds[number_of(occasion.event.player_id)], occasion.event)
        await door.apply(_NO_TX, [enclose(occasion.event, id=ids(), at=from_us(occasion.at_us))])
    made.digest = core.digest()
    made.standings = core.standings(len(crowd.kinds), at_us=made.world.stage.now_us)
    return made


def _began_us(crowd: Crowd) -> I64:
    """When the first fix of each player arrived, microseconds, (players,)."""
    began: I64 = np.full(len(crowd.kinds), np.iinfo(np.int64).max)
    np.minimum.at(began, crowd.fixes["player"].astype(np.int64), crowd.fixes["arrives_us"])
    return began
