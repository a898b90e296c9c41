"""The named cases of movement: what becomes of the fixes, and that the docs say the same."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.domains.world.movement_cases import CASES, MARKED, NORMAL, play

IN_TWO_PLACES = {"teleport", "one account on two continents"}
SET_ITS_CLOCK = {"clock back"}
DOCS = Path(__file__).parents[3] / "docs" / "concepts" / "movement.md"


@cache
def played(name, seed=1):
    return play(CASES[name], seed=seed)


def shingles(one):
    return [shingle for event in one.observed for shingle in event.shingles]


@pytest.mark.parametrize("name", CASES)
def test_what_becomes_of_the_fixes_of_a_case(name):
    case = CASES[name]
    least, most = case.accepted
    for one in played(name):
        told = set(one.reasons) - {"none"}
        assert told <= case.refused
        assert bool(told) == bool(case.refused)
        assert least <= one.reasons.count("none") / len(one.reasons) <= most
        assert one.earns == case.earns


@pytest.mark.parametrize("name", CASES)
def test_what_the_engine_tells_of_a_case_counts_every_fix_once(name):
    """All but those of the last window, which is still open."""
    for one in played(name):
        told, fixes = one.observed, sum(event.fixes for event in one.observed)
        assert fixes >= 0.8 * len(one.reasons)
        assert sum(event.accepted for event in told) == one.reasons[:fixes].count("none")
        for reason in set(one.reasons) - {"none"}:
            assert sum(event.refused.get(reason, 0) for event in told) == one.reasons[:fixes].count(reason)
        assert any(event.leaps for event in told) == (name in IN_TWO_PLACES)
        assert any(event.clock_jumps for event in told) == (name in SET_ITS_CLOCK)


def test_the_same_seed_makes_the_same_fixes_and_another_one_others():
    assert play(CASES["lift"]) == played("lift")
    assert played("lift", seed=2) != played("lift")


def test_the_docs_have_exactly_the_cases_that_are_tested():
    rows = [line.strip("| ").split(" | ") for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    said = {name.strip(): tuple(cell.strip() for cell in cells) for name, *cells in rows if len(cells) == 3}
    del said["case"]
    assert said == {name: (case.fix, case.player, case.rewards) for name, case in CASES.items()}
    assert list(said) == list(CASES)


def test_the_words_of_a_case_begin_with_what_must_become_of_its_player():
    for case in CASES.values():
        assert (MARKED in case.player) == (case.standing == MARKED)
        assert case.player.startswith(NORMAL) == (case.standing == NORMAL)


@pytest.mark.parametrize("name", ["joystick spoof", "straight-line bot"])
def test_who_moves_without_a_receiver_is_smooth(name):
    [faked] = played(name)
    assert min(event.smooth_share for event in faked.observed) > 0.8


@pytest.mark.parametrize("name", ["walk", "run", "bike", "car", "tunnel", "urban canyon"])
def test_who_has_a_receiver_is_not_smooth(name):
    [real] = played(name)
    assert max(event.smooth_share for event in real.observed) < 0.1


def test_exact_copies_share_their_shingles():
    one, other = map(shingles, played("two accounts on one track"))
    assert len(one) > 50
    assert set(one) == set(other)


def test_a_replayed_track_has_its_shingles_again():
    [replayed] = played("replayed track")
    assert len(set(shingles(replayed))) < 0.5 * len(shingles(replayed))


def test_two_walks_have_no_shingle_in_common():
    assert not set(shingles(played("walk")[0])) & set(shingles(played("run")[0]))
