"""Accounts that one program plays, and people who share an address and a way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from uuid import UUID

from overworld.domains.trust.core import Core
from overworld.domains.trust.types import Fact, Kind, SignedIn
from overworld.kernel.standing import Gate
from tests.domains.trust.court import MINUTE_US, NOON_US, window
from tests.domains.trust.test_rules import core

PLACE = b"one address, one client"
SECOND_US = 1_000_000


def accounts(count: int) -> list[UUID]:
    return [UUID(int=50 + number) for number in range(count)]


def signed_in(players: Sequence[UUID], *, apart_s: float) -> Iterator[Fact]:
    """One after the other, the last a minute before noon."""
    for number, player_id in enumerate(players):
        before_us = MINUTE_US + round((len(players) - 1 - number) * apart_s * SECOND_US)
        yield SignedIn(player_id=player_id, at_us=NOON_US - before_us, place=PLACE)


def walked(players: Sequence[UUID], *, apart_s: float = 3.0, seed: int = 1, together: bool = True) -> Iterator[Fact]:
    """Ten minutes on one way, each some seconds behind the one before; or each on its own."""
    chance = Random(seed)
    for minute in range(10):
        straight_m = chance.uniform(30, 90)
        for number, player_id in enumerate(players):
            own_m = straight_m if together else chance.uniform(0, 300)
            yield window(
                player_id, minute + number * apart_s / 60, straight_m=own_m + chance.gauss(0, 3), moved_m=own_m + 30,
                accuracy_mean_m=chance.gauss(6, 1), speed_mean_m_s=chance.gauss(1.4, 0.2),
            )  # fmt: skip


def judged(*facts: Iterator[Fact]) -> Core:
    court = core()
    for one in facts:
        for fact in one:
            court.take(fact)
    return court


def gates(court: Core, players: Sequence[UUID]) -> set[Gate]:
    return {court.standing(one, at_us=NOON_US + 11 * MINUTE_US).gate for one in players}


def test_accounts_that_sign_in_within_seconds_and_walk_one_way_are_all_found():
    players = accounts(6)
    court = judged(signed_in(players, apart_s=2), walked(players))
    assert Gate.NORMAL not in gates(court, players)
    assert {kind for one in players for kind in court.states[one].marks} == {Kind.MOVED_TOGETHER}


def test_a_family_that_walks_together_is_none():
    players = accounts(4)
    assert gates(judged(signed_in(players, apart_s=20), walked(players)), players) == {Gate.NORMAL}


def test_two_who_sign_in_at_once_are_a_couple():
    players = accounts(2)
    assert gates(judged(signed_in(players, apart_s=0.5), walked(players)), players) == {Gate.NORMAL}


def test_a_class_that_signs_in_at_once_by_hand_takes_its_time():
    """Twenty-five pupils within a few minutes, some of them within seconds of each other."""
    players = accounts(25)
    chance = Random(4)
    times_us = sorted(NOON_US - MINUTE_US - round(chance.uniform(0, 200) * SECOND_US) for _ in players)
    came = (SignedIn(player_id=one, at_us=at_us, place=PLACE) for one, at_us in zip(players, times_us, strict=True))
    court = judged(came, walked(players, apart_s=0.4))
    assert gates(court, players) == {Gate.NORMAL}
    assert all(Kind.MOVED_TOGETHER not in court.states[one].marks for one in players)


def test_an_office_whose_people_go_their_own_ways_is_none():
    players = accounts(6)
    assert gates(judged(signed_in(players, apart_s=2), walked(players, together=False)), players) == {Gate.NORMAL}


def test_hearing_the_same_again_finds_nothing_more():
    """A transaction that was lost is taken again: what memory alone holds has heard it already."""
    players = accounts(6)
    once = judged(signed_in(players, apart_s=2), walked(players))
    counts = {one: once.states[one].marks[Kind.MOVED_TOGETHER].count for one in players}
    for fact in (*signed_in(players, apart_s=2), *walked(players)):
        once.take(fact)
    assert {one: once.states[one].marks[Kind.MOVED_TOGETHER].count for one in players} == counts
