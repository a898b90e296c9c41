"""Ranked sets say what sorting everything says. One suite for every implementation of `Ranks`."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.domains.gameplay.boards.ranks import MemoryRanks
from overworld.domains.gameplay.boards.types import Key, Placed, Score

KEY = Key("global", datetime(1970, 1, 1, tzinfo=UTC))
OTHER = Key("daily", datetime(2026, 6, 1, tzinfo=UTC))
PLAYERS = [UUID(int=n << 100 | n) for n in range(40)]

implementations = pytest.mark.parametrize("make", [MemoryRanks])

puts = st.tuples(st.sampled_from(PLAYERS), st.integers(1, 4), st.integers(0, 3))
steps = st.lists(st.one_of(puts, st.sampled_from(PLAYERS)), max_size=60)


def sorted_places(model: dict[UUID, Score]) -> list[Placed]:
    ordered = sorted(model.items(), key=lambda one: (-one[1].score, one[1].reached_us, one[0].bytes))
    return [Placed(i + 1, player_id, score) for i, (player_id, score) in enumerate(ordered)]


async def agree(ranks: MemoryRanks, model: dict[UUID, Score], players: list[UUID], step: int = 3) -> None:
    places = sorted_places(model)
    assert await ranks.count(KEY) == len(model)
    assert await ranks.page(KEY, 0, len(model) + 1) == places
    for start in range(0, len(places) + 2, step):
        assert await ranks.page(KEY, start, step) == places[start : start + step]
    of = {place.player_id: place for place in places}
    assert await ranks.ranks(KEY, players) == [of[one].rank if one in of else None for one in players]
    assert await ranks.scores(KEY, players) == [model.get(one) for one in players]


@implementations
@settings(max_examples=150, deadline=None)
@given(steps=steps)
async def test_places_are_those_of_a_sorted_list_with_ties_by_time_and_then_by_id(make, steps):
    """Scores and times so few that most tie; a player who is put twice keeps the higher score."""
    ranks, model = make(), dict[UUID, Score]()
    for step in steps:
        if isinstance(step, UUID):
            await ranks.drop(KEY, [step])
            model.pop(step, None)
        else:
            player_id, score, reached_us = step
            await ranks.put(KEY, [player_id], [Score(score, reached_us)])
            had = model.get(player_id, Score(0, 0))
            model[player_id] = max(had, Score(score, reached_us), key=lambda one: (one.score, one.reached_us))
    await agree(ranks, model, PLAYERS)


@implementations
@pytest.mark.slow
@pytest.mark.parametrize("order", ["best first", "worst first", "random"])
async def test_many_players_in_any_order_stand_right_and_still_do_after_half_have_gone(make, order):
    random = Random(5)
    model = {
        UUID(int=random.getrandbits(128)): Score(random.randint(1, 500), random.randint(0, 50)) for _ in range(9_000)
    }
    places = sorted_places(model)
    by_order = {
        "best first": [place.player_id for place in places],
        "worst first": [place.player_id for place in reversed(places)],
        "random": random.sample(list(model), len(model)),
    }
    ranks = make()
    players = by_order[order]
    await ranks.put(KEY, players, [model[player_id] for player_id in players])
    await agree(ranks, model, players[::7], step=997)
    gone = random.sample(players, 8_000)
    await ranks.drop(KEY, gone)
    for player_id in gone:
        del model[player_id]
    for player_id in random.sample(list(model), 500):
        model[player_id] = Score(model[player_id].score + random.randint(1, 300), 60)
        await ranks.put(KEY, [player_id], [model[player_id]])
    await agree(ranks, model, players[::7], step=101)


@implementations
async def test_sets_know_nothing_of_each_other_and_can_be_forgotten(make):
    ranks = make()
    await ranks.put(KEY, PLAYERS[:2], [Score(5, 1), Score(9, 2)])
    await ranks.put(OTHER, PLAYERS[:1], [Score(1, 1)])
    assert (await ranks.count(KEY), await ranks.count(OTHER)) == (2, 1)
    await ranks.drop(KEY)
    assert (await ranks.count(KEY), await ranks.count(OTHER)) == (0, 1)
    assert await ranks.page(KEY, 0, 10) == []
    assert await ranks.ranks(KEY, PLAYERS[:1]) == [None]


@implementations
async def test_what_is_put_again_or_late_changes_nothing(make):
    """The log may tell of a score twice, and the table tells of it once more."""
    ranks = make()
    for score in (Score(5, 10), Score(7, 12), Score(5, 10), Score(7, 12)):
        await ranks.put(KEY, PLAYERS[:1], [score])
    assert await ranks.page(KEY, 0, 5) == [Placed(1, PLAYERS[0], Score(7, 12))]
