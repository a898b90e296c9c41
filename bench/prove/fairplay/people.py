"""The honest: one function for each kind of them, which gives what they send."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from bench.prove.fairplay import life
from bench.prove.fairplay.group import Group, Place, with_usual_life
from bench.prove.fairplay.phone import Phones, report
from bench.prove.fairplay.receiver import CANYON, INDOORS, METRO, OPEN, STREET, Sensed, Sky, mix, sense
from bench.prove.fairplay.travel import (
    CITY_CAR,
    CYCLE,
    EXPRESS,
    MOTORWAY,
    RUN,
    TRAIN,
    WALK,
    Habits,
    Path,
    beside,
    rest,
    travel,
)


def walkers(place: Place) -> Group:
    """On foot in streets."""
    return _on_the_way(place, WALK, STREET)


def recorded(place: Place) -> Group:
    """Runners and cyclists who show their tracks to everybody, who may copy them."""
    half = place.count // 2
    first = Place(chance=place.chance, first=place.first, count=place.count - half, seconds=place.seconds)
    second = Place(chance=place.chance, first=place.first + first.count, count=half, seconds=place.seconds)
    groups = [_on_the_way(first, RUN, OPEN)] + [_on_the_way(second, CYCLE, OPEN)] * (half > 0)
    return Group(*(np.concatenate(rows) for rows in zip(*((g.fixes, g.claims, g.logins) for g in groups), strict=True)))


def between_towers(place: Place) -> Group:
    """On foot where hardly any satellite is seen directly, and in and out of lifts."""
    return _on_the_way(place, WALK, CANYON)


def runners(place: Place) -> Group:
    """In parks and along rivers."""
    return _on_the_way(place, RUN, OPEN)


def cyclists(place: Place) -> Group:
    """On bicycles in streets."""
    return _on_the_way(place, CYCLE, STREET)


def in_cars(place: Place) -> Group:
    """Passengers in a city's traffic."""
    return _on_the_way(place, CITY_CAR, STREET)


def on_motorways(place: Place) -> Group:
    """Passengers at up to 130 km/h."""
    return _on_the_way(place, MOTORWAY, OPEN)


def on_trains(place: Place) -> Group:
    """Commuters in the open."""
    return _on_the_way(place, TRAIN, STREET)


def on_the_metro(place: Place) -> Group:
    """Commuters who see the sky now and then."""
    return _on_the_way(place, TRAIN, METRO)


def on_express_trains(place: Place) -> Group:
    """Faster than the game lets anybody move: their fixes are refused, and they are no cheaters."""
    return _on_the_way(place, EXPRESS, OPEN)


def resting(place: Place) -> Group:
    """At home and in cafés."""
    phone = place.phones()
    path = rest(place.chance, place.count, place.seconds)
    return _sent(place, phone, path, sense(place.chance, path, INDOORS))


def on_treadmills(place: Place) -> Group:
    """They run, and the phone says so, but they stay where they are."""
    phone = place.phones()
    path = rest(place.chance, place.count, place.seconds)
    sensed = sense(place.chance, path, INDOORS)
    runs = replace(path, speed_m_s=np.full_like(path.speed_m_s, 2.8))
    return _sent(place, phone, runs, sensed)


def frozen(place: Place) -> Group:
    """At a desk, with phones that tell one place again and again."""
    phone = place.phones()
    path = rest(place.chance, place.count, place.seconds)
    sensed = sense(place.chance, path, replace(INDOORS, cold_share=0.0, bursts_hour=0.0, tunnels_hour=0.0))
    stuck = [np.repeat(column[:, :1], place.seconds, axis=1) for column in (sensed.east_m, sensed.north_m)]
    told = np.repeat(sensed.accuracy_m[:, :1], place.seconds, axis=1)
    return _sent(place, phone, path, Sensed(stuck[0], stuck[1], told, sensed.seen))


def families(place: Place) -> Group:
    """Couples and families of up to four, each with a phone, on one way side by side; they share an address."""
    chance = place.chance
    rows = np.sort(np.repeat(np.arange(place.count), chance.integers(2, 5, place.count))[: place.count])
    leader = travel(chance, place.count, place.seconds, WALK)
    path = beside(chance, leader, rows)
    under = sense(chance, leader, STREET)
    sensed = mix(chance, rows, first=under, leader=leader, path=path, own=sense(chance, path, STREET))
    phone = place.phones()
    together = [column[rows] for column in (phone.lat_deg, phone.lng_deg)]
    starts_s = phone.starts_s[rows] + chance.uniform(0, 8, place.count)
    phone = replace(phone, lat_deg=together[0], lng_deg=together[1], starts_s=starts_s)
    group = _sent(place, phone, path, sensed)
    life.in_one_home(group.logins, place.first + rows)
    return group


def sharing_a_device(place: Place) -> Group:
    """Two or three on one device, one after the other, each on a way of their own."""
    chance = place.chance
    device = np.arange(place.count) // chance.choice([2, 3])
    phone = place.phones()
    turn = np.arange(place.count) - np.searchsorted(device, device)
    starts_s = phone.starts_s[np.searchsorted(device, device)] + turn * (place.seconds + 60.0)
    path = travel(chance, place.count, place.seconds, WALK)
    group = _sent(place, replace(phone, starts_s=starts_s), path, sense(chance, path, STREET))
    life.on_one_phone(group.logins, np.searchsorted(device, device))
    return group


def with_a_wrong_clock(place: Place) -> Group:
    """Their phones are minutes off: they cannot play so, and do not know why."""
    phone = place.phones()
    off_s = place.chance.choice([-1.0, 1.0], place.count) * place.chance.uniform(10, 900, place.count)
    path = travel(place.chance, place.count, place.seconds, WALK)
    wrong = replace(phone, clock_s=off_s, step_at_s=np.full(place.count, np.inf))
    return _sent(place, wrong, path, sense(place.chance, path, STREET))


def _on_the_way(place: Place, habits: Habits, sky: Sky) -> Group:
    phone = place.phones()
    path = travel(place.chance, place.count, place.seconds, habits)
    return _sent(place, phone, path, sense(place.chance, path, sky))


def _sent(place: Place, phone: Phones, path: Path, sensed: Sensed) -> Group:
    return with_usual_life(place, report(place.chance, phone, path, sensed), phone.starts_s)
