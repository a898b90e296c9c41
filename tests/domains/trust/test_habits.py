"""What only several windows show: clocks that keep changing, paces of programs; and what looks like them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import pytest

from overworld.domains.trust.core import Core
from overworld.domains.trust.types import Kind, Window
from overworld.kernel.standing import Gate
from tests.domains.trust.court import ANN, MINUTE_US, NOON_US, window
from tests.domains.trust.test_rules import core

OFF = {"time_order": 30}


def judged(windows: Iterable[Window]) -> Core:
    """A core that took windows, with a model that finds everything usual."""
    court = core()
    for one in windows:
        court.take(one)
    return court


def gate(court: Core, *, minute: int = 10) -> Gate:
    return court.standing(ANN, at_us=NOON_US + minute * MINUTE_US).gate


def clocks(*minutes: tuple[float, int]) -> Sequence[Window]:
    """A window a minute with the clock ahead by so much and set so many times."""
    return [
        window(ANN, i, clock_offset_s=ahead_s, clock_jumps=jumps, accepted=30 if jumps else 60, refused=OFF)
        for i, (ahead_s, jumps) in enumerate(minutes)
    ]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([(-0.2, 0), (-0.2, 1), (-60, 0), (-0.2, 0), (-0.2, 1), (-45, 0), (-0.2, 0)], "set back and right again"),
        ([(60, 1), (60, 1), (-0.2, 0), (40, 1), (40, 1)], "set forth and right again"),
        ([(-0.2, 0), (8, 0), (17, 0), (26, 0), (26, 1), (-0.2, 0)], "faster by 15 %, then right again"),
    ],
)
def test_a_clock_that_keeps_changing_lowers_the_gate(told, why):
    assert gate(judged(clocks(*told))) is Gate.REDUCED, why


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([(-40, 0), (-40, 0), (-0.1, 1), (-0.1, 0), (-0.1, 0), (-0.1, 0)], "set right by the network, once"),
        ([(3, 0), (-55, 0), (3, 0), (-30, 0), (3, 0), (-80, 0), (3, 0)], "minutes of fixes that come late"),
        ([(12, 0)] * 8, "ahead by always the same"),
        ([(0.02 * minute, 0) for minute in range(10)], "fast by a third of a second in a quarter of an hour"),
    ],
)
def test_a_clock_that_is_wrong_or_set_right_says_nothing(told, why):
    assert judged(clocks(*told)).standing(ANN, at_us=NOON_US).score == 1, why


def test_fixes_that_are_sent_twice_are_no_clock():
    """After a break of the line a phone sends again what it has sent: more fixes than there was time for."""
    again = [window(ANN, minute, clock_jumps=2, fixes=90, accepted=60, refused=OFF) for minute in range(1, 9)]
    assert judged([window(ANN, 0), *again]).standing(ANN, at_us=NOON_US).score == 1


def paces(seed: int, *, minutes: int = 10, **more: Any) -> list[Window]:
    """Somebody who goes on without a stop on a way that bends; what is a function is asked in each minute."""
    chance = Random(seed)
    made = []
    for minute in range(minutes):
        figures: dict[str, Any] = {
            "moved_m": chance.gauss(180, 3), "moving_s": 58.0, "straight_m": 110.0, "noise_m": chance.gauss(7, 0.5),
            "accuracy_mean_m": 6.0, "accuracy_sd_m": 0.0,
        }  # fmt: skip
        figures |= {name: value(chance) if callable(value) else value for name, value in more.items()}
        made.append(window(ANN, minute, **figures))
    return made


@pytest.mark.parametrize(
    "told",
    [{}, {"accuracy_sd_m": 2.0, "accuracy_mean_m": lambda chance: chance.gauss(6, 2 / 60**0.5), "noise_m": 5.0}],
    ids=["always one accuracy", "an accuracy drawn anew for each fix"],
)
def test_one_speed_with_an_even_shake_and_an_accuracy_of_no_receiver_is_a_program(told):
    for seed in range(5):
        court = judged(paces(seed, **told))
        assert gate(court) is not Gate.NORMAL
        assert set(court.states[ANN].marks) == {Kind.MACHINE_PACE}


@pytest.mark.parametrize(
    "told",
    [
        {"accuracy_sd_m": 1.0, "accuracy_mean_m": lambda chance: chance.gauss(6, 1.2)},
        {"noise_m": lambda chance: chance.gauss(2.0, 0.2)},
        {"noise_m": lambda chance: chance.uniform(3, 12)},
        {"moved_m": lambda chance: chance.uniform(120, 240)},
        {"moving_s": 40.0},
        {"straight_m": 178.0},
        {"moved_m": lambda chance: chance.gauss(1_800, 3), "straight_m": 1_200.0},
    ],
    ids=[
        "a living accuracy",
        "little noise",
        "noise that changes",
        "a pace that changes",
        "stops",
        "straight on",
        "a car",
    ],
)
def test_who_lacks_one_sign_of_a_program_is_none(told):
    for seed in range(5):
        assert gate(judged(paces(seed, **told))) is Gate.NORMAL


def test_a_walk_that_begins_with_a_leap_at_the_end_of_a_minute_breaks_off_all_the_same():
    """Two hops of some kilometres, each just before a window closes: the refusals come in the next one."""
    hop = [
        {"accepted": 57, "refused": {"teleport": 3}, "leaps": 1},
        {"accepted": 10, "refused": {"too_fast": 40, "teleport": 3}},
        {},
        {},
    ]
    court = judged(window(ANN, minute, **hop[minute % 4]) for minute in range(8))
    assert gate(court) is Gate.REDUCED
    assert gate(judged(window(ANN, minute, **hop[minute]) for minute in range(4))) is Gate.NORMAL
