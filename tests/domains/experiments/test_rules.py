"""Who gets what: the draw is a formula that anybody can compute, even, stable and independent between flags."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.experiments.errors import BadFlag
from overworld.domains.experiments.rules import (
    asked,
    checked,
    decide,
    drawn,
    holds,
    is_rolled_out,
    is_same_draw,
    point,
    unit_of,
)
from overworld.domains.experiments.statistics.ratio import chi_square_beyond
from overworld.domains.experiments.types import Condition, Definition, Experiment, Metric, Op, Reason, Rule, Variant

PLAYER = "01890a5d-ac96-774b-bcce-b302099a8057"
HALVES = (Variant(name="off", value=False), Variant(name="on", value=True))


def definition(*rules: Rule, **said) -> Definition:
    return Definition(variants=HALVES, default="off", rules=rules, **said)


def players(n: int, *, seed: int = 7) -> list[str]:
    chance = random.Random(seed)
    return [str(UUID(int=chance.getrandbits(128))) for _ in range(n)]


def evenly_p(counts: Counter[Any], expected: dict[Any, float], n: int) -> float:
    chi = sum((counts[name] - n * share) ** 2 / (n * share) for name, share in expected.items())
    return chi_square_beyond(chi, len(expected) - 1)


def test_the_draw_of_a_known_player_never_changes():
    """These are in the world: whoever changes them moves players from one variant to another."""
    assert point("better-map", "variant", PLAYER) == 15449370073942648122
    assert point("better-map", "rollout", PLAYER) == 5281563589380580275
    three = [Variant(name=name, value=name, weight=weight) for name, weight in (("a", 1), ("b", 2), ("c", 1))]
    assert [drawn(three, salt=salt, unit=PLAYER).name for salt in ("s", "t", "u", "v")] == ["b", "a", "c", "b"]


@given(st.text(max_size=20), st.text(max_size=20), st.lists(st.integers(0, 10_000), min_size=1, max_size=10))
def test_the_draw_is_what_the_formula_says_in_exact_fractions(salt, unit, weights):
    if not any(weights):
        weights[0] = 1
    text = f"{salt}\0variant\0{unit}".encode("utf-8", "surrogatepass")
    share = Fraction(int.from_bytes(sha256(text).digest()[:8], "big"), 2**64) * sum(weights)
    variants = [Variant(name=str(i), value=i, weight=weight) for i, weight in enumerate(weights)]
    found = int(drawn(variants, salt=salt, unit=unit).name)
    assert sum(weights[:found]) <= share < sum(weights[: found + 1])


@pytest.mark.parametrize("weights", [(1, 1), (90, 10), (5, 3, 2)])
def test_variants_are_as_many_as_their_weights_say(weights):
    names = "abc"[: len(weights)]
    variants = [Variant(name=name, value=name, weight=weight) for name, weight in zip(names, weights, strict=True)]
    units = players(30_000)
    counts = Counter(drawn(variants, salt="even", unit=unit).name for unit in units)
    shares = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    assert evenly_p(counts, shares, len(units)) > 0.001


@pytest.mark.slow
def test_two_flags_draw_independently_and_so_do_draw_and_rollout():
    units = players(30_000)
    for pair in (
        lambda unit: (drawn(HALVES, salt="one", unit=unit).name, drawn(HALVES, salt="two", unit=unit).name),
        lambda unit: (drawn(HALVES, salt="one", unit=unit).name, is_rolled_out("one", unit, rollout_pct=50)),
    ):
        counts: Counter[Any] = Counter(pair(unit) for unit in units)
        assert len(counts) == 4
        assert evenly_p(counts, dict.fromkeys(counts, 0.25), len(units)) > 0.001


def test_sequential_ids_are_spread_as_well_as_random_ones():
    """Ids of players begin with the time: those who came in one minute must not be of one variant."""
    units = [str(UUID(int=(0x01890A5DAC96774B << 64) + i)) for i in range(20_000)]
    counts = Counter(drawn(HALVES, salt="s", unit=unit).name for unit in units)
    assert evenly_p(counts, {"off": 0.5, "on": 0.5}, len(units)) > 0.001


@given(st.text(max_size=40), st.floats(0, 100), st.floats(0, 100))
def test_who_is_in_a_rollout_stays_in_it_when_it_grows(unit, one, other):
    small, large = sorted((one, other))
    assert is_rolled_out("s", unit, rollout_pct=large) >= is_rolled_out("s", unit, rollout_pct=small)
    assert is_rolled_out("s", unit, rollout_pct=100)
    assert not is_rolled_out("s", unit, rollout_pct=0)


@pytest.mark.slow
def test_a_rollout_of_a_hundredth_of_a_per_cent_is_about_one_in_ten_thousand():
    count = sum(is_rolled_out("s", str(i), rollout_pct=0.01) for i in range(200_000))
    assert 5 <= count <= 40


def test_a_players_id_is_one_unit_however_it_is_written():
    assert unit_of(PLAYER.upper()) == unit_of(PLAYER.replace("-", "")) == (PLAYER, UUID(PLAYER))
    assert unit_of("device-7") == ("device-7", None)


@pytest.mark.parametrize(
    ("there", "op", "values", "expected"),
    [
        ("SI", Op.IN, ("SI", "HR"), True),
        ("IT", Op.IN, ("SI", "HR"), False),
        (None, Op.IN, ("SI",), False),
        ("SI", Op.NOT_IN, ("SI",), False),
        (None, Op.NOT_IN, ("SI",), True),
        (True, Op.IN, (1,), False),
        (1, Op.IN, (1.0,), True),
        (["genesis", "beta"], Op.IN, ("beta",), True),
        (["genesis"], Op.NOT_IN, ("beta",), True),
        (5, Op.AT_LEAST, (5,), True),
        (4, Op.AT_LEAST, (5,), False),
        ("5", Op.AT_LEAST, (5,), False),
        (True, Op.AT_LEAST, (0,), False),
        (5, Op.AT_MOST, (4.5,), False),
        ("Pixel 8", Op.STARTS_WITH, ("iPhone", "Pixel"), True),
        (8, Op.STARTS_WITH, ("8",), False),
        ("1.10.0", Op.VERSION_AT_LEAST, ("1.9",), True),
        ("1.9", Op.VERSION_AT_LEAST, ("1.10",), False),
        ("1.2", Op.VERSION_AT_MOST, ("1.2.0",), True),
        ("2.0.0-beta", Op.VERSION_AT_LEAST, ("2",), True),
        ("9" * 9000, Op.VERSION_AT_LEAST, ("1",), True),
        ({"nested": 1}, Op.AT_LEAST, (1,), False),
        ({"nested": 1}, Op.IN, ("nested",), False),
    ],
)
def test_conditions_hold_as_they_say(there, op, values, expected):
    attributes = {} if there is None else {"it": there}
    assert holds(Condition(attribute="it", op=op, values=values), attributes) is expected


def test_the_first_rule_that_fits_decides_and_a_rollout_passes_on_who_is_not_in_it():
    flag = definition(
        Rule(when=(Condition(attribute="role", values=("tester",)),), variant="on"),
        Rule(when=(Condition(attribute="level", op=Op.AT_LEAST, values=(5,)),), rollout_pct=0),
        Rule(when=(Condition(attribute="country", values=("SI",)),)),
    )
    tester = decide("map", flag, unit=PLAYER, attributes={"role": "tester", "level": 9})
    assert (tester.variant, tester.reason, tester.value) == ("on", Reason.TARGETING_MATCH, True)
    split = decide("map", flag, unit=PLAYER, attributes={"level": 9, "country": "SI"})
    assert (split.reason, split.variant) == (Reason.SPLIT, drawn(HALVES, salt="map", unit=PLAYER).name)
    assert decide("map", flag, unit=PLAYER, attributes={}).reason is Reason.DEFAULT
    assert decide("map", definition(), unit=PLAYER, attributes={}).reason is Reason.STATIC
    off = decide("map", definition(Rule(variant="on"), enabled=False), unit=PLAYER, attributes={})
    assert (off.reason, off.variant) == (Reason.DISABLED, "off")


def test_only_attributes_that_rules_look_at_are_asked_for():
    flag = definition(Rule(when=(Condition(attribute="level", op=Op.AT_LEAST, values=(5,)),)))
    assert asked([flag, definition()]) == {"level"}
    assert asked([definition(*flag.rules, enabled=False)]) == frozenset()


def test_a_draw_is_another_one_when_variants_weights_values_or_salt_change_and_only_then():
    before = definition(Rule(rollout_pct=10))
    assert is_same_draw(before, definition(Rule(rollout_pct=50), description="more", salt="map"), key="map")
    for after in (
        definition(salt="other"),
        Definition(variants=HALVES[::-1], default="off"),
        Definition(variants=(HALVES[0], Variant(name="on", value=True, weight=2)), default="off"),
        Definition(variants=(HALVES[0], Variant(name="on", value="true")), default="off"),
    ):
        assert not is_same_draw(before, after, key="map")


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (Definition(variants=(HALVES[0], HALVES[0]), default="off"), "variants"),
        (Definition(variants=(Variant(name="a", value=1, weight=0),), default="a"), "variants"),
        (Definition(variants=(Variant(name="a", value=1), Variant(name="b", value="x")), default="a"), "variants"),
        (Definition(variants=(Variant(name="a", value=1), Variant(name="b", value=True)), default="a"), "variants"),
        (Definition(variants=(Variant(name="a", value=None),), default="a"), "variants"),
        (Definition(variants=(Variant(name="a", value="x" * 9_000),), default="a"), "variants"),
        (Definition(variants=HALVES, default="maybe"), "default"),
        (definition(Rule(variant="maybe")), "rules"),
        (definition(experiment=Experiment(control="no", primary=Metric(name="coins"))), "experiment"),
        (definition(experiment=Experiment(control="off", primary=Metric(name="tears"))), "experiment"),
        (
            definition(
                experiment=Experiment(
                    control="off", primary=Metric(name="coins"), guard_rails=(Metric(name="coins", window_h=1),)
                )
            ),
            "experiment",
        ),
    ],
)
def test_a_flag_that_cannot_be_is_refused_with_its_field(bad, field):
    with pytest.raises(BadFlag) as refused:
        checked(bad, metrics={"coins"})
    assert refused.value.fields["field"] == field


def test_a_sound_flag_is_taken_as_it_is():
    good = definition(Rule(), experiment=Experiment(control="off", primary=Metric(name="coins")))
    assert checked(good, metrics={"coins"}) is good
