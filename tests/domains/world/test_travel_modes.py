"""Travel modes of a game: which one a player is in, how it is judged by it, and where nothing is earned."""

from __future__ import annotations

from uuid import UUID

import pytest

from overworld.domains.world.rules import KM_H
from overworld.domains.world.types import MovementRules, TravelMode
from tests.domains.world.journeys import OK, Journey

MODES = MovementRules(
    modes={
        "car": TravelMode(speed_max_km_h=140, acceleration_max_m_s2=8, earns=False),
        "walk": TravelMode(speed_max_km_h=10, acceleration_max_m_s2=3),
        "bike": TravelMode(speed_max_km_h=35, acceleration_max_m_s2=3),
    }
)


class Traveller:
    """A journey at given speeds, a fix every second, and the mode after each."""

    def __init__(self, rules=MODES):
        self.journey = Journey(movement=rules)
        self.at_s, self.east_m = 0.0, 0.0
        self.verdicts = [self.journey.fix(0, accuracy_m=3)]

    def go(self, km_h, *, seconds):
        for _ in range(seconds):
            self.at_s += 1
            self.east_m += km_h * KM_H
            self.verdicts.append(self.journey.fix(self.at_s, self.east_m, accuracy_m=3))
        return self.mode

    @property
    def mode(self):
        engine = self.journey.engine
        return engine.mode_names[int(engine.players.tracks["mode"][self.journey.slot])]

    @property
    def earns(self):
        return bool(self.journey.engine.earning([self.journey.slot])[0])


def test_a_player_is_in_the_slowest_mode_that_covers_its_speed():
    one = Traveller()
    assert one.mode == "walk"
    assert [one.go(km_h, seconds=30) for km_h in (5, 25, 80, 25, 5)] == ["walk", "bike", "car", "bike", "walk"]
    assert one.verdicts[-1] == OK


def test_who_is_faster_than_every_mode_is_in_the_fastest():
    one = Traveller()
    assert one.go(145, seconds=60) == "car"
    assert one.verdicts[-1] == OK


def test_one_wild_fix_changes_no_mode():
    """10 m off within a second is 36 km/h, and smoothed over seconds it is a stroll."""
    one = Traveller()
    one.go(4, seconds=30)
    one.east_m += 10
    assert one.go(4, seconds=1) == "walk"
    one.east_m -= 10
    assert one.go(4, seconds=20) == "walk"


def test_at_the_edge_of_a_mode_nobody_wavers():
    one = Traveller()
    one.go(12, seconds=40)
    assert {one.go(km_h, seconds=15) for km_h in (9.5, 11, 9, 10.5)} == {"bike"}
    assert one.go(7, seconds=40) == "walk"


def test_acceleration_is_judged_by_the_mode():
    """From a walk to 14 m/s within a second: more than a walker's 3 m/s2, less than the game's 20."""
    by_mode, by_game = Traveller(), Traveller(MovementRules())
    for one in (by_mode, by_game):
        one.go(5, seconds=20)
        one.east_m += 12
        one.go(5, seconds=1)
    assert (by_mode.verdicts[-1], by_game.verdicts[-1]) == ("too_accelerated", OK)


def test_a_walker_who_takes_a_car_is_believed_after_moments():
    one = Traveller()
    one.go(5, seconds=20)
    one.go(60, seconds=20)
    assert one.mode == "car"
    assert one.verdicts[-10:] == [OK] * 10


def test_nothing_is_earned_in_a_mode_that_does_not_earn():
    one = Traveller()
    one.go(5, seconds=20)
    assert one.earns
    one.go(80, seconds=30)
    assert not one.earns
    one.go(5, seconds=40)
    assert one.earns


def test_a_new_track_begins_in_the_slowest_mode():
    one = Traveller()
    one.go(80, seconds=30)
    assert one.journey.fix(0, own_timeline=True) == OK
    assert one.mode == "walk"


def test_a_game_without_modes_has_one_without_a_name_that_earns():
    one = Traveller(MovementRules())
    assert one.go(100, seconds=30) == ""
    assert one.earns


async def test_no_claim_is_judged_by_a_fix_of_a_mode_that_does_not_earn(open_field):
    """The port answers as for a player of whom nothing is known; the player still looks around from there."""
    field = open_field(rules=MODES)
    player = UUID(int=1)
    for k in range(30):
        await field.stand(1, 20.0 * k, accuracy_m=3)
        field.wait(1)
    assert (await field.world.get([player])).known == [False]
    assert field.world.last_fix(player) is None
    assert (await field.world.places([player]))[0] is not None
    for _ in range(40):
        await field.stand(1, 20.0 * 29, accuracy_m=3)
        field.wait(1)
    assert (await field.world.get([player])).known == [True]


@pytest.mark.parametrize(
    ("modes", "said"),
    [
        ({"car": {"speed_max_km_h": 200.0}}, "no mode's speed_max_km_h may be above"),
        ({"a": {"speed_max_km_h": 20.0}, "b": {"speed_max_km_h": 20.0}}, "two modes have the same"),
    ],
)
def test_modes_that_make_no_sense_are_refused(modes, said):
    with pytest.raises(ValueError, match=said):
        MovementRules(modes={name: TravelMode(**mode) for name, mode in modes.items()})
