"""The named cases: what must happen to a player, minute by minute, and so to their rewards.

What happens to each fix is for the world's own table. Windows here are as the engine tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.trust.core import Core
from overworld.domains.trust.types import Claimed, Fact, SignedIn, Window
from overworld.kernel.standing import Gate
from tests.domains.trust.court import ANN, BEN, LJUBLJANA, MINUTE_US, NOON_US, SEOUL, away, mocked, smooth, window

Play = Callable[[], Iterable[Fact]]
NORMAL, REDUCED, REVIEW, REFUSED = Gate


def minutes(make: Callable[[int], Window], count: int = 60) -> Play:
    return lambda: [make(minute) for minute in range(count)]


def walk(minute: int) -> Window:
    return window(ANN, minute)


def rest(minute: int) -> Window:
    """A phone on a table: the same place again and again."""
    return window(
        ANN, minute, moved_m=0, straight_m=0, moving_s=0, speed_mean_m_s=0, speed_cv=0, noise_m=0, repeated=59
    )


def train(minute: int) -> Window:
    """At 300 km/h nearly every fix is too fast; through a station it is not."""
    stops = minute % 15 == 0
    return window(
        ANN, minute, accepted=55 if stops else 2, refused={"too_fast": 5 if stops else 58}, moving_s=50 if stops else 0
    )


def canyon(minute: int) -> Window:
    """Between high houses one fix in seven is thrown off, and no two the same way."""
    return window(ANN, minute, accepted=50, refused={"too_fast": 6, "too_accelerated": 2, "inaccurate": 2})


def tunnel(minute: int) -> Window:
    """What waited comes late, all at once."""
    if minute % 10 < 4:
        return window(ANN, minute, fixes=20, accepted=8, refused={"time_stale": 10, "inaccurate": 2})
    return walk(minute)


def flight() -> Iterable[Fact]:
    """An hour at home, two in the air, ten minutes until the world believes it, and an hour there."""
    yield from (window(ANN, minute) for minute in range(60))
    for minute in range(180, 191):
        yield window(ANN, minute, accepted=0, refused={"too_fast": 60}, refused_streak=60, moving_s=0)
    yield from (window(ANN, minute, cell=SEOUL) for minute in range(191, 250))


def cold_start() -> Iterable[Fact]:
    """The first place is last week's, a thousand kilometres off: what follows is a teleport until it is believed."""
    yield from (away(ANN, minute) for minute in range(11))
    yield from (window(ANN, minute) for minute in range(11, 60))


def flights_every_five_minutes() -> Iterable[Fact]:
    for minute in range(60):
        yield window(ANN, minute) if minute // 5 % 2 == 0 else away(ANN, minute)


def teleports() -> Iterable[Fact]:
    """Somewhere else every other minute: never long enough in one place to be believed."""
    yield window(ANN, 0)
    yield from (replace(away(ANN, minute), leaps=minute % 2) for minute in range(1, 12))


def two_continents() -> Iterable[Fact]:
    """Two phones, one account: each fix of the one is far from the last of the other."""
    for minute in range(12):
        yield window(ANN, minute, fixes=120, accepted=60, refused={"teleport": 60})


def two_continents_on_two_servers() -> Iterable[Fact]:
    """Each server has one of the phones, and finds nothing wrong."""
    for minute in range(12):
        yield window(ANN, minute, cell=LJUBLJANA)
        yield window(ANN, minute + 0.5, cell=SEOUL)


def replayed() -> Iterable[Fact]:
    """The walk of the morning again, with the times of the evening."""
    for start in (0, 600):
        for minute in range(12):
            yield window(ANN, start + minute, shingles=tuple(range(10 * minute, 10 * minute + 6)))


def same_way_every_day() -> Iterable[Fact]:
    """The same street, and never the same centimetre."""
    chance = Random(3)
    for start in (0, 600, 1_200):
        for minute in range(20):
            yield window(ANN, start + minute, shingles=tuple(chance.getrandbits(53) for _ in range(7)))


def farm(player_id: UUID) -> Play:
    """Three accounts on one track, a second apart."""

    def play() -> Iterable[Fact]:
        for minute in range(10):
            for account in (ANN, BEN, UUID(int=9)):
                shift = 0.01 * account.int
                ages_s = tuple(5.0 * k - 0.6 * account.int for k in range(6))
                yield window(
                    account, minute + shift, shingles=tuple(range(10 * minute, 10 * minute + 6)), shingle_ages_s=ages_s
                )

    assert player_id in (ANN, BEN)
    return play


def rhythm(spread: float) -> Play:
    """A claim every half minute, more or less."""

    def play() -> Iterable[Fact]:
        chance = Random(7)
        at_us = NOON_US
        for _ in range(60):
            at_us += int(max(1.0, chance.gauss(30, 30 * spread)) * 1e6)
            yield Claimed(player_id=ANN, at_us=at_us)

    return play


def crowded_house() -> Iterable[Fact]:
    """Thirty accounts behind one address, one of which walks about."""
    for number in range(30):
        yield SignedIn(player_id=UUID(int=100 + number), at_us=NOON_US, place=b"dormitory")
    for hour in range(10):
        yield SignedIn(player_id=ANN, at_us=NOON_US + hour * 60 * MINUTE_US, place=b"dormitory")
    yield from (window(ANN, 600 + minute) for minute in range(30))


def at(minute: float) -> int:
    return NOON_US + int(minute * MINUTE_US)


HONEST: dict[str, Play] = {
    "walk": minutes(walk),
    "run": minutes(lambda minute: window(ANN, minute, speed_mean_m_s=3.2, speed_cv=0.12, moved_m=185, straight_m=150)),
    "bike": minutes(lambda minute: window(ANN, minute, speed_mean_m_s=5.6, speed_cv=0.2, moved_m=330, straight_m=300)),
    "car on a motorway": minutes(
        lambda minute: window(
            ANN,
            minute,
            speed_mean_m_s=33,
            speed_cv=0.02,
            moved_m=1_980,
            straight_m=1_979.5,
            turn_rms_deg=0.4,
            noise_m=0.6,
        )
    ),
    "train": minutes(train),
    "tunnel": minutes(tunnel),
    "cold start": cold_start,
    "urban canyon": minutes(canyon),
    "lift": minutes(lambda minute: window(ANN, minute, accepted=52, refused={"altitude": 2, "inaccurate": 6})),
    "flight": flight,
    "resting phone": minutes(rest),
    "one glitch": lambda: [window(ANN, 0, accepted=57, refused={"teleport": 3}), *minutes(walk)()],
    "clock ahead": minutes(lambda minute: window(ANN, minute, accepted=0, refused={"time_future": 60}, moving_s=0)),
    "clock back": minutes(
        lambda minute: window(ANN, minute, accepted=30, refused={"time_order": 30}, clock_jumps=minute == 5)
    ),
    "wrong clock": minutes(lambda minute: window(ANN, minute, clock_offset_s=-75.0)),
    "duplicate": minutes(lambda minute: window(ANN, minute, fixes=120, accepted=60, refused={"time_order": 60})),
    "exactly one fix a second": minutes(lambda minute: window(ANN, minute, interval_cv=0.0)),
    "one straight street": minutes(
        lambda minute: window(ANN, minute, straight_m=79.9, turn_rms_deg=3.0, noise_m=1.2, speed_cv=0.05)
    ),
    "one mock fix of a developer": lambda: [window(ANN, 0, accepted=59, refused={"mock": 1}), *minutes(walk)()],
    "the same way every day": same_way_every_day,
    "a crowded house": crowded_house,
    "claims in passing": rhythm(0.8),
}

CHEATS: dict[str, tuple[Play, int, Gate]] = {
    "joystick spoof": (minutes(lambda minute: smooth(ANN, minute), 10), 10, REVIEW),
    "straight-line bot": (
        minutes(lambda minute: window(ANN, minute, straight_m=79.99, turn_rms_deg=0.3, noise_m=0.05, speed_cv=0.2), 10),
        10,
        REVIEW,
    ),
    "teleport": (teleports, 12, REFUSED),
    "flight every five minutes": (flights_every_five_minutes, 60, REFUSED),
    "mock positions": (minutes(lambda minute: mocked(ANN, minute), 8), 8, REFUSED),
    "replayed track": (replayed, 612, REFUSED),
    "one account on two continents": (two_continents, 12, REFUSED),
    "the same on two servers": (two_continents_on_two_servers, 12, REFUSED),
    "who leads a farm": (farm(ANN), 10, REFUSED),
    "regular-interval bot": (rhythm(0.05), 40, REVIEW),
    "clock games": (minutes(lambda minute: window(ANN, minute, clock_jumps=1), 10), 10, REDUCED),
}


def judged(play: Play) -> Core:
    core = Core()
    for fact in play():
        core.take(fact)
    return core


@pytest.mark.parametrize("name", HONEST)
def test_what_happens_to_honest_people_never_lowers_their_gate(name):
    core = Core()
    for fact in HONEST[name]():
        core.take(fact)
        assert core.standing(ANN, at_us=fact.at_us).gate is NORMAL, core.states[ANN].marks


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_ends_at_the_gate_that_fits_it(name):
    play, minute, gate = CHEATS[name]
    core = judged(play)
    assert core.standing(ANN, at_us=at(minute)).gate is gate, core.states[ANN].marks


def test_every_account_of_a_farm_is_found_also_the_one_that_leads():
    core = judged(farm(BEN))
    assert {core.standing(one, at_us=at(10)).gate for one in (ANN, BEN, UUID(int=9))} == {REFUSED}


def test_who_is_copied_later_has_nothing_to_fear():
    core = Core()
    for minute in range(10):
        core.take(window(ANN, minute, shingles=tuple(range(10 * minute, 10 * minute + 6))))
    for minute in range(10):
        core.take(window(BEN, 60 + minute, shingles=tuple(range(10 * minute, 10 * minute + 6))))
    assert core.standing(ANN, at_us=at(70)).score == 1
    assert core.standing(BEN, at_us=at(70)).gate is REFUSED


def test_a_testers_track_walked_again_on_its_own_time_line_is_the_same_walk():
    core = Core()
    for run, player_id in enumerate((ANN, BEN)):
        for minute in range(10):
            stretches = tuple(range(10 * minute, 10 * minute + 6))
            core.take(window(player_id, run + minute / 60, shingles=stretches, own_timeline=True))
    assert core.standing(BEN, at_us=at(3)).score == 1
