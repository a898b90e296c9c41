"""What players do becomes facts that experiments count: the metrics that every installation has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.accounts.messages import SignedIn
from overworld.domains.experiments.types import Fact
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.domains.gameplay.quests.messages import QuestCompleted
from overworld.domains.world.messages import MovementObserved
from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx

METRICS: Mapping[str, str] = {
    "collections": "collectibles taken",
    "experience": "experience earned by collectibles",
    "metres": "metres moved, as fixes tell",
    "quests": "quests completed",
    "sign_ins": "times signed in",
}
"""The metrics, and what each counts."""


class Counts(Protocol):
    """Experiments' door for facts."""

    async def apply(self, tx: Tx, facts: Sequence[Fact]) -> None:
        """Counts facts, in the transaction that moves the cursor of the log."""
        ...


class _Collected(Struct):
    """All that is read of a collection: there are very many of them."""

    player_id: UUID
    experience: int = 0


class _Moved(Struct):
    player_id: UUID
    moved_m: float = 0.0


class _Done(Struct):
    player_id: UUID


class _CameIn(Struct):
    account_id: UUID


_collected = msgspec.json.Decoder(_Collected).decode
_moved = msgspec.json.Decoder(_Moved).decode
_done = msgspec.json.Decoder(_Done).decode
_came_in = msgspec.json.Decoder(_CameIn).decode


class FactsToExperiments:
    """Translates a slice of the log and hands it on, in the transaction of the fold: what is `wanted` alone."""

    def __init__(self, counting: Counts) -> None:
        self._counting = counting
        self.wanted: frozenset[str] = frozenset()

    async def apply(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        """Takes events in any order."""
        facts: list[Fact] = []
        for envelope in envelopes:
            if (read := _READ.get(envelope.topic)) is not None:
                facts += (fact for fact in read(envelope) if fact.metric in self.wanted)
        await self._counting.apply(tx, facts)


def topics_of(metrics: frozenset[str]) -> frozenset[str]:
    """The topics that metrics are counted from; what nobody measures is not read at all."""
    return frozenset(topic for metric, topic in _TOPIC_OF.items() if metric in metrics)


def _of_collection(envelope: Envelope) -> list[Fact]:
    event = _collected(envelope.data)
    return [
        Fact("collections", event.player_id, envelope.at, 1.0),
        Fact("experience", event.player_id, envelope.at, float(event.experience)),
    ]


def _of_movement(envelope: Envelope) -> list[Fact]:
    event = _moved(envelope.data)
    return [Fact("metres", event.player_id, envelope.at, event.moved_m)]


def _of_quest(envelope: Envelope) -> list[Fact]:
    return [Fact("quests", _done(envelope.data).player_id, envelope.at, 1.0)]


def _of_sign_in(envelope: Envelope) -> list[Fact]:
    return [Fact("sign_ins", _came_in(envelope.data).account_id, envelope.at, 1.0)]


_READ: Mapping[str, Callable[[Envelope], list[Fact]]] = {
    CollectibleCollected.topic: _of_collection,
    MovementObserved.topic: _of_movement,
    QuestCompleted.topic: _of_quest,
    SignedIn.topic: _of_sign_in,
}
_TOPIC_OF: Mapping[str, str] = {
    "collections": CollectibleCollected.topic,
    "experience": CollectibleCollected.topic,
    "metres": MovementObserved.topic,
    "quests": QuestCompleted.topic,
    "sign_ins": SignedIn.topic,
}
TOPICS = tuple(sorted(_READ))
