"""What players do becomes facts, of what is measured alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from overworld.domains.accounts.messages import SignedIn
from overworld.domains.accounts.types import Way
from overworld.domains.experiments.types import Fact
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.flows.facts_to_experiments import METRICS, TOPICS, FactsToExperiments, topics_of
from overworld.kernel.events import Event, enclose
from overworld.kernel.ids import IdSource

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
ADA = UUID(int=1)


class Kept:
    def __init__(self) -> None:
        self.facts: list[Fact] = []

    async def apply(self, tx, facts) -> None:
        self.facts += facts


def collected(experience: int) -> Event:
    return CollectibleCollected(
        player_id=ADA,
        collectible_id="x",
        type="gold",
        currency="coin",
        amount_minor=5,
        experience=experience,
        cell="477b0c9",
        lat_deg=46.0,
        lng_deg=14.5,
    )


def came() -> Event:
    return SignedIn(account_id=ADA, session_id=UUID(int=2), way=Way.PASSWORD, address="192.0.2.1", user_agent="")


async def facts_of(*events: Event, wanted: set[str]) -> list[Fact]:
    ids = IdSource(lambda: 1_780_000_000_000_000, random.Random(7).randbytes)
    kept = Kept()
    flow = FactsToExperiments(kept)
    flow.wanted = frozenset(wanted)
    await flow.apply(None, [enclose(event, id=ids(), at=AT) for event in events])  # type: ignore[arg-type]
    return kept.facts


async def test_a_collection_counts_and_so_does_what_it_was_worth():
    facts = await facts_of(collected(7), collected(3), wanted={"collections", "experience"})
    assert facts == [
        Fact("collections", ADA, AT, 1.0),
        Fact("experience", ADA, AT, 7.0),
        Fact("collections", ADA, AT, 1.0),
        Fact("experience", ADA, AT, 3.0),
    ]


async def test_what_nobody_measures_becomes_no_fact():
    assert await facts_of(collected(7), came(), wanted={"sign_ins"}) == [Fact("sign_ins", ADA, AT, 1.0)]
    assert await facts_of(collected(7), came(), wanted=set()) == []


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_metric_has_a_topic_that_this_build_knows(metric):
    [topic] = topics_of(frozenset({metric}))
    assert topic in TOPICS
    assert topic in Event.registry


def test_topics_are_read_for_what_is_measured_alone():
    assert topics_of(frozenset()) == frozenset()
    assert topics_of(frozenset({"collections", "experience"})) == {CollectibleCollected.topic}
