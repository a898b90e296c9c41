"""What follows from a definition, and the level curve."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.rules import Attempt, decide, level_of, spawn_table
from overworld.domains.gameplay.types import EXPERIENCE_MAX, GameplaySettings, Kind, Mode, Player
from overworld.kernel.money import Currency
from tests.domains.gameplay.field import CURRENCIES, HOME, LEVELS, RULES, spawns_of

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
    decision = decide(
        [], players={player.id: player}, taken=set(), waits={}, now_us=clock.now_us(), daily_cap=1, levels=()
    )
    assert (decision.outcomes, decision.players) == ([], {})


def test_a_player_who_is_a_day_ahead_stays_there(clock):
    """Another server's clock has passed midnight already; the cap of that day must not start again."""
    today = clock.now().date()
    ahead = Player(id=UUID(int=1), day=today + timedelta(days=1), collected_on_day=1)
    spawn = spawns_of(RULES).in_cells([HOME], window=7)[0]
    for daily_cap, won in ((1, 0), (2, 1)):
        decision = decide(
            [Attempt(ahead.id, spawn, 1, today)],
            players={ahead.id: ahead},
            taken=set(),
            waits={},
            now_us=clock.now_us(),
            daily_cap=daily_cap,
            levels=(),
        )
        assert len(decision.wins) == won
        assert [player.day for player in decision.players.values()] == [ahead.day] * won


def test_experience_never_grows_beyond_what_clients_can_read(clock):
    spawn = spawns_of(RULES).in_cells([HOME], window=7)[0]
    rich = Player(id=UUID(int=1), experience=EXPERIENCE_MAX - 1)
    decision = decide(
        [Attempt(rich.id, spawn, 1, clock.now().date())],
        players={rich.id: rich},
        taken=set(),
        waits={},
        now_us=clock.now_us(),
        daily_cap=9,
        levels=(),
    )
    assert [win.experience for win in decision.wins] == [EXPERIENCE_MAX]


def test_settings_do_not_tell_the_secret_of_the_spawns():
    assert "hush" not in repr(GameplaySettings(spawn_key="hush"))
