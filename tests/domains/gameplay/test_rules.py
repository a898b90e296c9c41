"""What follows from a definition, and the level curve."""

from __future__ import annotations

import math
from datetime import date, timedelta
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from overworld.domains.gameplay.amounts import paid_minor
from overworld.domains.gameplay.errors import Expired, LowTrust, NotFound, OutOfReach, StalePosition
from overworld.domains.gameplay.rules import (
    Attempt,
    Claimants,
    attempted,
    day_of,
    days_of,
    decide,
    level_of,
    spawn_table,
    terms_of,
)
from overworld.domains.gameplay.types import BARE, EXPERIENCE_MAX, GameplaySettings, Kind, Mode, Player
from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.money import AMOUNT_MINOR_MAX, Currency
from overworld.kernel.ports import FixColumns
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate, Standing
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


def attempts(
    wanted, *, now_us, rules=RULES, trust=1.0, gate=Gate.NORMAL, memberships=(), known=True, place=None, age_us=0
):
    """What one player's claims come to, who stands at the first of what it wants."""
    n = len(wanted)
    lat_deg, lng_deg = place or (wanted[0].lat_deg, wanted[0].lng_deg)
    claimants = Claimants(
        player_ids=[UUID(int=1)] * n,
        memberships=[tuple(memberships)] * n,
        fixes=FixColumns([known] * n, [lat_deg] * n, [lng_deg] * n, [now_us - age_us] * n),
        standings=[Standing(trust, gate)] * n,
        worn=[BARE] * n,
    )
    return attempted(wanted, claimants, now_us=now_us, terms=terms_of(rules, age_max_s=60))


some_faults = st.fixed_dictionaries(
    {
        "when": st.sampled_from(["early", "open", "late"]),
        "known": st.booleans(),
        "age_us": st.sampled_from([-1, 0, 60_000_000, 60_000_001]),
        "trust": st.sampled_from([0.0, 0.3, 1.0]),
        "metres": st.sampled_from([0.0, 49.9, 50.1, 1e6]),
    }
)


@given(faults=st.lists(some_faults, min_size=1, max_size=5))
def test_every_claim_of_a_batch_is_judged_as_if_it_were_alone(faults):
    """And the first thing that speaks against it, in the documented order, is its refusal."""
    spawn = spawns_of(RULES).in_cells([HOME], window=7)[0]
    columns = [expected(spawn, **fault) for fault in faults]
    now_us = spawn.opens_us
    claimants = Claimants(
        player_ids=[UUID(int=n) for n in range(len(faults))],
        memberships=[()] * len(faults),
        fixes=FixColumns(*([column[i] for column in columns] for i in range(4))),
        standings=[Standing(fault["trust"], Gate.NORMAL) for fault in faults],
        worn=[BARE] * len(faults),
    )
    wanted = [column[4] for column in columns]
    outcomes = attempted(wanted, claimants, now_us=now_us, terms=terms_of(RULES, age_max_s=60))
    assert [type(outcome) for outcome in outcomes] == [column[5] for column in columns]
    won = [outcome.player_id.int for outcome in outcomes if isinstance(outcome, Attempt)]
    assert won == [n for n, column in enumerate(columns) if column[5] is Attempt]


def expected(spawn, *, when, known, age_us, trust, metres):
    """A claim's columns (known, lat, lng, at), the spawn moved in time, and what it comes to."""
    now_us = spawn.opens_us
    shift_us = {"early": 1, "open": 0, "late": spawn.opens_us - spawn.closes_us}[when]
    moved = replace(spawn, opens_us=spawn.opens_us + shift_us, closes_us=spawn.closes_us + shift_us)
    kind: type[Attempt | Refusal]
    if when != "open":
        kind = NotFound if when == "early" else Expired
    elif not known or age_us > 60_000_000:
        kind = StalePosition
    elif trust < 0.3:
        kind = LowTrust
    else:
        kind = OutOfReach if metres > 50 else Attempt
    lat_deg, lng_deg = destination_deg(spawn.lat_deg, spawn.lng_deg, 60.0, metres)
    return known, lat_deg, lng_deg, now_us - age_us, moved, kind


def test_a_place_that_is_no_number_is_in_reach_of_nothing():
    spawn = spawns_of(RULES).in_cells([HOME], window=7)[0]
    [outcome] = attempts([spawn], now_us=spawn.opens_us, place=(math.nan, math.nan))
    assert isinstance(outcome, OutOfReach)


def test_refusals_given_stay_where_they_are():
    spawn, given = spawns_of(RULES).in_cells([HOME], window=7)[0], NotFound()
    kept, judged = attempts([given, spawn], now_us=spawn.opens_us, place=(spawn.lat_deg, spawn.lng_deg))
    assert kept is given and isinstance(judged, Attempt)


@given(
    value=st.integers(1, AMOUNT_MINOR_MAX),
    shares=st.dictionaries(st.sampled_from("abc"), st.decimals(0, 9, places=9), max_size=3),
    names=st.lists(st.sampled_from("abcd"), max_size=4),
)
def test_a_bonus_is_the_largest_share_rounded_down_and_never_less_than_the_value(value, shares, names):
    bonuses = {name: share.as_integer_ratio() for name, share in shares.items()}
    best = max((Fraction(shares[name]) for name in names if name in shares), default=Fraction(0))
    assert paid_minor(value, names, bonuses) == min(math.floor(value * (1 + best)), AMOUNT_MINOR_MAX)


def test_a_share_is_exact():
    """0.1 of 10 is 1, not the 0 that the nearest binary number below a tenth would give."""
    terms = terms_of(replace(RULES, member_bonus={"m": "0.1", "n": "0.000000001"}), age_max_s=60)
    assert [paid_minor(10, ["m"], terms.bonuses), paid_minor(10**9, ["n"], terms.bonuses)] == [11, 10**9 + 1]


NOON_US = 1_780_315_200_000_000  # 2026-06-01T12:00:00Z
DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("lng_deg", "after_s", "day"),
    [
        (0, 0, 1),
        (0, 43_199, 1),
        (0, 43_200, 2),
        (15, 39_599, 1),
        (15, 39_600, 2),
        (-15, 46_799, 1),
        (-15, 46_800, 2),
        (180, 0, 2),
        (180, -1, 1),
        (-180, -1, 31),
        (-180, 0, 1),
    ],
)
def test_the_sun_passes_fifteen_degrees_an_hour(lng_deg, after_s, day):
    assert day_of(NOON_US + after_s * 1_000_000, lng_deg).day == day


@given(st.lists(st.tuples(st.integers(0, DAY_US // 2), st.floats(-180, 180)), min_size=1, max_size=40))
def test_no_journey_gives_more_than_one_day_extra(steps):
    """However a player jumps around the globe, it begins no more days than passed, but two: one for being late."""
    spawn = spawns_of(RULES).in_cells([HOME], window=7)[0]
    player, now_us, days = Player(id=UUID(int=1)), NOON_US, set()
    for wait_us, lng_deg in steps:
        now_us += wait_us
        [outcome] = decide(
            [Attempt(player.id, spawn, 1, day_of(now_us, lng_deg))],
            players={player.id: player},
            taken=set(),
            waits={},
            now_us=now_us,
            daily_cap=1000,
            levels=(),
        ).players.values()
        assert outcome.day >= player.day
        assert outcome.collected_on_day == (1 if outcome.day > player.day else player.collected_on_day + 1)
        player = outcome
        days.add(player.day)
    assert len(days) <= (now_us - NOON_US) // DAY_US + 3


def test_all_of_a_small_region_share_one_noon():
    """Two places 20 km apart in one level-5 cell, and one far in the west."""
    terms = terms_of(replace(RULES, day="local"), age_max_s=60)
    fixes = FixColumns([True, True, True, False], [45.80, 45.80, 45.80, 0.0], [14.36, 14.62, -120.0, 0.0], [0] * 4)
    for minute in range(0, 1440, 10):
        first, second, west, unknown = days_of(fixes, now_us=NOON_US + minute * 60_000_000, terms=terms)
        assert first == second and first - west in {timedelta(0), timedelta(1)} and unknown == date.min


def test_a_type_of_weight_nothing_never_spawns():
    types = {**RULES.types, "token": replace(RULES.types["copper"], weight=0)}
    everything = spawns_of(replace(RULES, types=types)).in_cells(cells.neighbours(HOME), window=7)
    assert everything and "token" not in {spawn.kind.type for spawn in everything}
    nothing = {name: replace(declared, weight=0) for name, declared in RULES.types.items()}
    assert spawns_of(replace(RULES, types=nothing)).in_cells(cells.neighbours(HOME), window=7) == []
