"""What follows from a definition, and the level curve."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.rules import decide, level_of, spawn_table
from overworld.domains.gameplay.types import Kind, Mode, Player
from overworld.kernel.money import Currency
from tests.domains.gameplay.field import CURRENCIES, LEVELS, RULES

BY_CODE = {currency.code: currency for currency in CURRENCIES}


@pytest.mark.parametrize(
    ("experience", "level"), [(0, 1), (49, 1), (50, 2), (99, 2), (100, 3), (999, 3), (1000, 4), (10**12, 4)]
)
def test_a_level_begins_at_its_total(experience, level):
    assert level_of(experience, LEVELS.levels) == level


def test_without_a_curve_everyone_stays_at_level_one():
    assert level_of(10**9, ()) == 1


def test_a_kind_carries_what_its_type_is_worth():
    """1.50 of a currency with two places: 150 minor units, and 15 experience at 10 a unit."""
    table = spawn_table(RULES, LEVELS, BY_CODE)
    assert dict(zip(table.kinds, table.weights, strict=True)) == {
        Kind(type="copper", value_minor=3, currency=Currency("coin"), experience=30, mode=Mode.SHARED): 5,
        Kind(type="opal", value_minor=150, currency=Currency("gem", 2), experience=15, mode=Mode.SHARED): 2,
        Kind(type="relic", value_minor=10, currency=Currency("coin"), experience=100, mode=Mode.PERSONAL): 2,
    }


def test_the_order_of_types_in_the_file_changes_nothing():
    turned = replace(RULES, types=dict(reversed(RULES.types.items())))
    assert spawn_table(turned, LEVELS, BY_CODE) == spawn_table(RULES, LEVELS, BY_CODE)


def test_players_that_nothing_happened_to_are_not_written(clock):
    player = Player(id=UUID(int=1))
    decision = decide([], players={player.id: player}, taken=set(), today=clock.now().date(), daily_cap=1, levels=())
    assert (decision.outcomes, decision.players) == ([], {})
