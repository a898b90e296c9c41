"""Scores and gates: bounded, given back, steady, and the same for the same facts."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.domains.trust import scoring
from overworld.domains.trust.core import Core
from overworld.domains.trust.rules import Sighting, of_accounts, of_claims
from overworld.domains.trust.types import Claimed, Kind, Mark, PlayerState, SignedIn, TrustRules, Window
from overworld.kernel.standing import Gate
from tests.domains.trust.court import ANN, LJUBLJANA, MINUTE_US, NOON_US, SEOUL, window

RULES = TrustRules()
ORDER = list(Gate)
kinds = st.sampled_from(list(Kind))
shares = st.floats(0, 1)
counts = st.integers(0, 60)
marks = st.dictionaries(kinds, st.builds(Mark, shares, st.integers(NOON_US - 10**12, NOON_US), st.just(1)))
states = st.builds(PlayerState, marks=marks, gate=st.sampled_from(ORDER))
later_us = st.integers(NOON_US, NOON_US + 10**13)
figures = st.floats(0, 1e4)
windows = st.builds(
    Window,
    player_id=st.sampled_from([ANN, UUID(int=2)]),
    at_us=st.integers(NOON_US, NOON_US + 10**10),
    began_us=st.integers(NOON_US - 10**9, NOON_US),
    ended_us=st.integers(NOON_US, NOON_US + 10**10),
    fixes=counts,
    accepted=counts,
    refused=st.dictionaries(st.sampled_from(["teleport", "too_fast", "mock", "time_order"]), counts),
    moved_m=figures,
    straight_m=figures,
    moving_s=figures,
    speed_mean_m_s=figures,
    speed_cv=figures,
    turn_rms_deg=figures,
    noise_m=figures,
    accuracy_mean_m=figures,
    clock_jumps=counts,
    leaps=counts,
    smooth_share=shares,
    cell=st.sampled_from(["", LJUBLJANA, SEOUL]),
    shingles=st.lists(st.integers(0, 30), max_size=8, unique=True).map(tuple),
    own_timeline=st.booleans(),
)
facts = st.one_of(
    windows,
    st.builds(Claimed, player_id=st.just(ANN), at_us=st.integers(NOON_US, NOON_US + 10**10)),
    st.builds(
        SignedIn,
        player_id=st.sampled_from([ANN, UUID(int=2)]),
        at_us=st.integers(NOON_US, NOON_US + 10**10),
        place=st.sampled_from([b"x", b"y", None]),
    ),
)


class Untaught:
    """A model that finds everything usual: the trees take too long to build for each example."""

    def take(self, window: Window, *, explain_from: float) -> None:
        return None


def core() -> Core:
    untaught: Any = Untaught()
    return Core(model=untaught)


@settings(max_examples=40)
@given(st.lists(facts, max_size=20))
def test_whatever_happens_scores_stay_between_0_and_1_and_come_out_the_same(happened):
    first, second = core(), core()
    found = [evidence for fact in happened for evidence in first.take(fact)]
    assert [evidence for fact in happened for evidence in second.take(fact)] == found
    assert first.states == second.states
    for player_id in first.states:
        standing = first.standing(player_id, at_us=NOON_US + 10**10)
        assert 0 <= standing.score <= 1
        assert standing == second.standing(player_id, at_us=NOON_US + 10**10)
    assert all(evidence.weight > 0 and evidence.reason and evidence.figures for evidence in found)


@given(windows)
def test_no_single_window_lowers_a_gate(one):
    court = core()
    court.take(one)
    assert court.standing(one.player_id, at_us=one.at_us).gate is Gate.NORMAL


@given(states, later_us, later_us)
def test_without_new_evidence_scores_only_rise_and_gates_only_open(state, one_us, other_us):
    early_us, late_us = sorted((one_us, other_us))
    assert scoring.score_at(state, early_us, RULES) <= scoring.score_at(state, late_us, RULES)
    state.gate = scoring.gate_at(state, early_us, RULES)
    assert ORDER.index(scoring.gate_at(state, late_us, RULES)) <= ORDER.index(state.gate)


@given(states)
def test_every_gate_ends_by_itself_when_it_was_said_and_not_before(state):
    state.gate = scoring.gate_at(state, NOON_US, RULES)
    until_us = scoring.normal_us(state, NOON_US, RULES)
    assert (until_us is None) == (state.gate is Gate.NORMAL)
    at_us = NOON_US
    while (opens_us := scoring.opens_us(state, at_us, RULES)) is not None:
        assert scoring.gate_at(state, opens_us - 2_000_000, RULES) is state.gate or opens_us - 2_000_000 < at_us
        at_us, state.gate = opens_us, scoring.gate_at(state, opens_us, RULES)
    assert state.gate is Gate.NORMAL
    assert until_us is None or until_us == at_us


@given(st.floats(0, 1), st.floats(-0.049, 0.049))
def test_a_score_that_trembles_by_less_than_the_margin_changes_a_gate_once_at_most(score, by):
    state = PlayerState()
    gates = []
    for wobble in (0, by, 0, by, 0, by):
        level = min(1.0, max(0.0, 1 - score - wobble))
        state.marks = {Kind.TELEPORTS: Mark(level, NOON_US, 1)}
        state.gate = scoring.gate_at(state, NOON_US, RULES)
        gates.append(state.gate)
    assert len(set(gates[1:])) == 1


@pytest.mark.parametrize("kind", Kind)
def test_one_kind_alone_leads_no_further_than_it_may(kind):
    state = PlayerState()
    trait = scoring.TRAITS[kind]
    for _ in range(40):
        scoring.marked(state, Sighting(kind, 1.6, "x", {}), player_id=ANN, at_us=NOON_US, rules=RULES)
        state.gate = scoring.gate_at(state, NOON_US, RULES)
    assert scoring.score_at(state, NOON_US, RULES) == pytest.approx(1 - trait.most)
    assert ORDER.index(state.gate) <= ORDER.index(trait.alone)


def test_an_anomaly_alone_never_leads_further_than_reduced_and_a_shared_device_nowhere():
    assert scoring.TRAITS[Kind.ANOMALY].alone is Gate.REDUCED
    assert scoring.TRAITS[Kind.SHARED_DEVICE].alone is Gate.NORMAL


@given(st.lists(kinds, min_size=1, max_size=60))
def test_refused_takes_two_groups_that_agree_or_one_that_may_alone(seen):
    state = PlayerState()
    for kind in seen:
        scoring.marked(state, Sighting(kind, 1.0, "x", {}), player_id=ANN, at_us=NOON_US, rules=RULES)
    if scoring.gate_at(state, NOON_US, RULES) is Gate.REFUSED:
        speaking = {k for k, mark in state.marks.items() if mark.level >= scoring.SPEAKS_FROM}
        groups = {scoring.TRAITS[kind].group for kind in speaking}
        assert len(groups) > 1 or any(scoring.TRAITS[kind].alone is Gate.REFUSED for kind in state.marks)


@pytest.mark.parametrize(("cv", "count"), [(0.02, 9), (0.05, 13), (0.2, 24)])
def test_regular_claims_are_a_machines(cv, count):
    chance = Random(1)
    times_us = [NOON_US]
    for _ in range(count):
        times_us.append(times_us[-1] + int(max(6, chance.gauss(30, 30 * cv)) * 1e6))
    found = of_claims(times_us, rules=RULES)
    assert found is not None
    assert found.figures["variance"] < RULES.rhythm_max


def test_people_who_come_across_things_are_taken_for_machines_less_than_once_in_a_thousand_rows():
    """Ways between things vary as waiting times do: exponentially, also at the rush of a dense square."""
    chance = Random(5)
    taken = 0
    for row in range(3_000):
        times_us = [NOON_US]
        for _ in range(9 + row % 16):
            times_us.append(times_us[-1] + int((2 + chance.expovariate(1 / 25)) * 1e6))
        taken += of_claims(times_us, rules=RULES) is not None
    assert taken <= 3


def test_quick_hands_on_a_dense_square_are_no_machine():
    assert of_claims([NOON_US + second * 1_000_000 for second in range(24)], rules=RULES) is None


@given(st.integers(0, 10_000))
def test_accounts_in_one_place_speak_the_more_the_more_they_are_and_families_not_at_all(count):
    found = of_accounts(count)
    assert (found is None) == (count <= 7)
    if found is not None:
        assert 0 < found.strength <= 1


def test_a_game_may_weigh_otherwise():
    rules = TrustRules(weights={Kind.MOCK_POSITIONS: 0.5}, half_lives_s={Kind.MOCK_POSITIONS: 60})
    state = PlayerState()
    scoring.marked(state, Sighting(Kind.MOCK_POSITIONS, 1, "x", {}), player_id=ANN, at_us=NOON_US, rules=rules)
    assert scoring.score_at(state, NOON_US, rules) == 0.5
    assert scoring.score_at(state, NOON_US + MINUTE_US, rules) == 0.75


def test_thresholds_out_of_order_are_no_rules():
    with pytest.raises(ValueError, match="grow in this order"):
        TrustRules(reduced_below=0.4)


def test_a_state_is_small_however_long_somebody_plays():
    import msgspec

    court = core()
    chance = Random(2)
    for minute in range(2_000):
        court.take(window(ANN, minute, refused={"teleport": chance.choice([0, 30])}, accepted=30, noise_m=0.01))
    assert len(msgspec.msgpack.encode(court.states[ANN])) < 500
