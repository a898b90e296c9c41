"""What counts, decided without a database: by a naive model of single events, and at the edges of windows."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from overworld.domains.gameplay.quests.rules import (
    Hand,
    Happened,
    begun,
    counting_from,
    defined,
    fold,
    hits_of,
    window_at,
)
from overworld.domains.gameplay.quests.types import QuestRules, Total
from tests.domains.gameplay.quests.hall import BY_CODE, rules

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PLAYERS = [UUID(int=n) for n in (1, 2, 3)]
COLLECTED, MOVED, ROSE = "events.collectible.collected", "events.location.updated", "events.level.reached"
QUESTS = {
    1: rules({"kind": "collect", "count": 4}, {"kind": "walk", "metres": 50}, type="daily"),
    2: rules({"kind": "collect", "count": 9, "type": "opal"}, type="community"),
    3: rules({"kind": "collect", "value": "12", "currency": "coin"}, {"kind": "reach", "level": 4}),
}
DEFINED = {number: defined(f"q{number}", quest, number=number, currencies=BY_CODE) for number, quest in QUESTS.items()}

events = st.lists(
    st.tuples(
        st.sampled_from(PLAYERS),
        st.integers(-90_000, 90_000),
        st.one_of(
            st.tuples(st.just(COLLECTED), st.sampled_from(["opal", "copper"]), st.integers(1, 5)),
            st.tuples(st.just(MOVED), st.just(""), st.integers(0, 40)),
            st.tuples(st.just(ROSE), st.just(""), st.integers(2, 6)),
        ),
    ),
    max_size=60,
)


def happened(number: int, player_id: UUID, after_s: int, what: tuple[str, str, int]) -> Happened:
    topic, kind, amount = what
    fields: dict[str, dict[str, Any]] = {
        COLLECTED: {"type": kind, "currency": "coin", "amount_minor": amount},
        MOVED: {"metres": amount + 0.25, "lat_deg": 1.0, "lng_deg": 1.0},
        ROSE: {"level": amount},
    }
    at = NOON + timedelta(seconds=after_s)
    return Happened(id=UUID(int=number), topic=topic, at=at, data=fields[topic], player_ids={"player_id": player_id})


def in_hand() -> dict[UUID, list[Hand]]:
    """Every quest in every hand, begun at noon; the daily one counts its whole day."""
    hands = defaultdict(list)
    for player_id in PLAYERS:
        for definition in DEFINED.values():
            window = window_at(definition.rules, NOON)
            assert window is not None
            since = counting_from(definition.rules, window, NOON)
            one = begun(definition, window, player_id=player_id, counts_from=since, level=1, at=NOON)
            hands[player_id].append(Hand(one, definition))
    return hands


def folded(delivered: list[Happened], sizes: list[int]) -> tuple[dict[tuple[UUID, int], list[int]], Total]:
    """The counts after slices of these sizes, each event counted at its first delivery."""
    hands, marked = in_hand(), set[UUID]()
    total = Total(number=2, run=0, counts=(0,))
    left, cuts = delivered, iter(sizes)
    while left:
        size = next(cuts, len(left))
        part, left = left[:size], left[size:]
        hits = hits_of({event.id: event for event in part}.values(), hands)
        fresh = {hit.event_id for hit in hits} - marked
        changed = fold(hits, fresh=fresh, totals={(2, 0): total}, at=NOON)
        marked |= fresh
        total = changed[0] if changed else total
    counts = {(player_id, hand.one.number): hand.counts for player_id, held in hands.items() for hand in held}
    return counts, total


def expected(done: list[Happened]) -> dict[tuple[UUID, int], list[int]]:
    """The same by looking at everything at once, of the quests that one player does alone."""
    day = (NOON - timedelta(hours=12), NOON + timedelta(hours=12))
    counts = {}
    for player in PLAYERS:
        mine = [event for event in done if event.player_ids["player_id"] == player]
        today = [event for event in mine if day[0] <= event.at < day[1]]
        since = [event for event in mine if event.at >= NOON]
        walked = sum(round(event.data["metres"] * 100) for event in today if event.topic == MOVED)
        worth = sum(event.data["amount_minor"] for event in since if event.topic == COLLECTED)
        level = max([1, *(event.data["level"] for event in since if event.topic == ROSE)])
        counts[player, 1] = [min(4, sum(event.topic == COLLECTED for event in today)), min(5_000, walked)]
        counts[player, 3] = [min(12, worth), min(4, level)]
    return counts


@seed(6)
@settings(max_examples=150, deadline=None, database=None)
@given(events, st.lists(st.integers(1, 9), max_size=20), st.randoms(use_true_random=False))
def test_counts_are_those_of_all_events_at_once_however_they_are_delivered(done, sizes, chance):
    """In any order, in any slices, some of them again: each alone is exact, and all together add up."""
    made = [happened(number, *one) for number, one in enumerate(done)]
    delivered = chance.sample(made, len(made)) + [event for event in made if chance.random() < 0.3]
    counts, total = folded(delivered, sizes)
    wanted = expected(made)
    assert {key: count for key, count in counts.items() if key[1] != 2} == wanted
    together = sum(count[0] for (_, number), count in counts.items() if number == 2)
    opals = sum(event.topic == COLLECTED and event.data["type"] == "opal" for event in made)
    assert total.counts == (together,) == (min(9, opals),)
    assert (total.met_at is not None) == (opals >= 9)


@pytest.mark.parametrize(
    ("said", "at", "run", "opens", "closes"),
    [
        ({"type": "daily"}, "2026-06-01T00:00:00Z", 20605, "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"),
        ({"type": "daily"}, "2026-06-01T23:59:59.999999Z", 20605, "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"),
        ({"repeats": "weekly"}, "2026-06-07T23:59:59Z", 2944, "2026-06-01T00:00:00Z", "2026-06-08T00:00:00Z"),
        ({"repeats": "weekly"}, "2026-06-08T00:00:00Z", 2945, "2026-06-08T00:00:00Z", "2026-06-15T00:00:00Z"),
        (
            {"type": "daily", "opens_at": "2026-06-01T08:00:00Z", "closes_at": "2026-06-01T20:00:00Z"},
            "2026-06-01T12:00:00Z",
            20605,
            "2026-06-01T08:00:00Z",
            "2026-06-01T20:00:00Z",
        ),
        ({}, "2026-06-01T12:00:00Z", 0, "1970-01-01T00:00:00Z", None),
    ],
)
def test_a_run_is_a_day_or_a_week_of_utc_within_the_quests_dates(said, at, run, opens, closes):
    window = window_at(rules({"kind": "walk", "metres": 1}, **said), datetime.fromisoformat(at))
    assert window is not None
    assert (window.run, window.opens_at) == (run, datetime.fromisoformat(opens))
    assert window.closes_at == (datetime.fromisoformat(closes) if closes else None)


@pytest.mark.parametrize(
    "said",
    [
        {"opens_at": "2026-06-02T00:00:00Z", "closes_at": "2026-06-01T00:00:00Z"},
        {"starts": "auto", "requires": {"membership": "founder"}},
        {"type": "community", "repeats": "always"},
        {"type": "daily", "within_s": 60},
        {"type": "community", "objectives": [{"kind": "reach", "level": 2}]},
        {"objectives": [{"kind": "visit", "place": {"cell": "477b0c9"}, "count": 2}]},
        {"objectives": [{"kind": "visit", "place": {"cell": "477b0c9", "lat": 1.0}}]},
        {"objectives": [{"kind": "visit", "place": {"lat": 1.0, "lng": 2.0}}]},
        {"objectives": [{"kind": "visit", "place": {"cell": "nowhere"}}]},
        {"objectives": [{"kind": "collect"}]},
        {"objectives": [{"kind": "collect", "value": "5"}]},
        {"objectives": []},
    ],
)
def test_a_quest_that_makes_no_sense_is_not_read(said):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"title": "Q", "objectives": [{"kind": "walk", "metres": 1}]} | said, QuestRules)
