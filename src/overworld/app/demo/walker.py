"""One walker: how it moves, when it wants a collectible, and which. Pure: chance and time are handed in.

**Pace.** A city must not run empty, and should never stand still. The shipped game spawns about 50 coins per km2 and
half hour, so the default city of 64 km2 has about 3,200 in each window of 1,800 s. Each walker spends what it sees
lying over what is left of the window and 1,000 s more: N coins with t seconds left are taken at N / (t + 1,000 s),
which is the same all through the window, 3,200 / 2,800 s = 1.14 a second, and leaves a third of them for other players.
Shared by 200 walkers that is a coin each 175 s, 493 a day and walker: below the 500 that the game allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from random import Random

from msgspec import Struct

from overworld.app.demo.city import City, Place

LOOK_M = 600.0
"""How far a walker looks around."""

# Metres a second, and how many of a hundred walkers go so.
_GAITS = ((1.2, 38), (1.5, 40), (3.0, 10), (5.0, 12))
_TURN_RAD_S = math.radians(40)
_EASE_M_S2 = 1.5
_WEAVE_RAD = math.radians(12)
_NOISE_M = 2.5
_NOISE_KEPT_S = 15.0
_RIM_M = 15.0
_STEP_MAX_S = 3.0
_REST_STEP_S = 10.0
_LEG_M = (200.0, 900.0)
_REST_SHARE = 0.35
_REST_S = (20.0, 80.0)
_PICK_UP_S = (2.0, 6.0)

_TAIL_S = 1_000.0
_EVERY_S = (15.0, 1_800.0)
_EVERY_FIRST_S = 120.0
_NEAREST = 3
_SIGHT_KEPT_S = 60.0
_CHASE_MAX_S = 240.0
_NOTHING_HERE_S = 45.0
_CAP_S = 900.0


class Wish(Enum):
    """What a walker wants done after a step."""

    NOTHING = "nothing"
    LOOK = "look"
    CLAIM = "claim"


class Lying(Struct, frozen=True):
    """A collectible that can be taken until `closes_s`, in seconds since 1970."""

    id: str
    place: Place
    closes_s: float


class Walker:
    """Walks about a city and now and then to a collectible. Call `step` at each time, then do what it wishes.

    `place` is where it truly is, `shown` where its GPS says it is, `target` what it is walking to. All times are
    seconds since 1970.
    """

    def __init__(
        self, city: City, *, random: Random, among: int, reach_m: float, now_s: float, place: Place | None = None
    ) -> None:
        self.target: Lying | None = None
        self._city = city
        self._inner = City(city.lat_deg, city.lng_deg, city.radius_m - _RIM_M)
        self._random = random
        self._among = among
        self._claim_m = reach_m / 2
        speed_m_s = random.choices([speed for speed, _ in _GAITS], [share for _, share in _GAITS])[0]
        self._speed_max_m_s = speed_m_s * random.uniform(0.85, 1.15)
        self._step_s = random.uniform(1.1, 1.9)
        begins = self._inner.somewhere(random)
        self.place = begins if place is None or not self._inner.holds(place) else place
        self._noise = (random.gauss(0, _NOISE_M), random.gauss(0, _NOISE_M))
        self._heading = random.uniform(0, math.tau)
        self._speed_m_s = 0.0
        self._goal = self._next_goal()
        self._at_s = now_s
        self._rests_until_s = now_s
        self._known: dict[str, Lying] = {}
        self._seen_s = -math.inf
        self._look_s = now_s
        self._chases_since_s = now_s
        self._every_s = _EVERY_FIRST_S
        self._due_s = now_s + random.uniform(-_EVERY_FIRST_S / 4, _EVERY_FIRST_S)

    @property
    def shown(self) -> Place:
        """The place with the GPS's error, which drifts by a few metres."""
        return self.place[0] + self._noise[0], self.place[1] + self._noise[1]

    def pause_s(self) -> float:
        """How long to the next step: a second or two on the move, longer at rest."""
        rests_s = self._rests_until_s - self._at_s
        return max(min(rests_s, _REST_STEP_S), self._step_s * self._random.uniform(0.9, 1.1))

    def step(self, now_s: float) -> Wish:
        """Moves to where one is now. Time that was missed, by more than a few seconds, was spent standing."""
        elapsed_s = min(max(now_s - self._at_s, 0.0), _STEP_MAX_S)
        self._at_s = now_s
        self._move(elapsed_s)
        if self.target is not None and now_s - self._chases_since_s > _CHASE_MAX_S:
            self.lost(self.target.id)
        if self.target is not None and now_s >= self.target.closes_s:
            self.forgets()
        if self.target is None and now_s >= self._due_s:
            self._choose()
            if self.target is None:
                return Wish.LOOK if now_s >= self._look_s else Wish.NOTHING
        near = self.target is not None and math.dist(self.place, self.target.place) <= self._claim_m
        return Wish.CLAIM if near else Wish.NOTHING

    def sees(self, lying: Iterable[Lying], *, within_m: float) -> None:
        """Learns everything that lies within a distance, and how often a walker may take one of so many."""
        self._known = {one.id: one for one in lying}
        self._seen_s = self._at_s
        self._look_s = self._at_s + _NOTHING_HERE_S
        closes_s = min((one.closes_s for one in self._known.values()), default=self._at_s)
        self._every_s = every_s(
            found=len(self._known),
            within_m=within_m,
            left_s=closes_s - self._at_s,
            among=self._among,
            area_km2=self._city.area_km2,
        )
        self._choose()

    def learns(self, lying: Iterable[Lying]) -> None:
        """Hears of more that lies about."""
        self._known |= {one.id: one for one in lying}

    def lost(self, id: str) -> None:
        """One is gone, taken by somebody else or out of reach; walks to another."""
        self._known.pop(id, None)
        if self.target is not None and self.target.id == id:
            self.target = None

    def forgets(self) -> None:
        """What lay about lies there no more; looks again in a moment."""
        self._known.clear()
        self.target = None
        self._look_s = self._at_s + self._random.uniform(1, 5)

    def took(self) -> None:
        """Has collected its target, and wants another after a while. A long way to one makes the next come sooner."""
        if self.target is not None:
            self.lost(self.target.id)
        after_s = self._every_s * self._random.uniform(0.5, 1.5)
        self._due_s = max(self._due_s + after_s, self._at_s - self._every_s)
        self._rests_until_s = self._at_s + self._random.uniform(*_PICK_UP_S)

    def has_enough(self) -> None:
        """May take no more today, or for now: strolls on, and tries again in a quarter of an hour."""
        self.target = None
        self._due_s = self._at_s + _CAP_S * self._random.uniform(0.8, 1.2)

    def waits(self, seconds: float) -> None:
        """Stands still for a while and wants nothing."""
        self._rests_until_s = self._look_s = self._at_s + seconds

    def _choose(self) -> None:
        """One of the nearest of what was seen lately; not always the first, or all would run to the same."""
        if self._at_s - self._seen_s > _SIGHT_KEPT_S:
            return
        metres = {one.id: math.dist(self.place, one.place) for one in self._known.values()}
        near = [
            one
            for one in self._known.values()
            if metres[one.id] <= LOOK_M and one.closes_s > self._at_s and self._inner.holds(one.place)
        ]
        near.sort(key=lambda one: (metres[one.id], one.id))
        if near:
            self.target = self._random.choice(near[:_NEAREST])
            self._chases_since_s = self._at_s

    def _move(self, elapsed_s: float) -> None:
        if elapsed_s == 0:
            return
        kept = math.exp(-elapsed_s / _NOISE_KEPT_S)
        spread_m = _NOISE_M * math.sqrt(1 - kept * kept)
        east_m, north_m = self._noise
        self._noise = (
            east_m * kept + self._random.gauss(0, spread_m),
            north_m * kept + self._random.gauss(0, spread_m),
        )
        if self._at_s < self._rests_until_s:
            self._speed_m_s = 0.0
            return
        self._walk(elapsed_s, self._goal if self.target is None else self.target.place)

    def _walk(self, elapsed_s: float, goal: Place) -> None:
        """Turns towards the goal, no faster than people turn, slower on bends and on arrival, and goes on."""
        away_m = math.dist(self.place, goal)
        if self.target is None and away_m < self._speed_max_m_s * 2 + 5:
            self._arrive()
            return
        wanted = math.atan2(goal[0] - self.place[0], goal[1] - self.place[1]) + self._random.gauss(0, _WEAVE_RAD)
        turn = math.remainder(wanted - self._heading, math.tau)
        turn_max = _TURN_RAD_S * elapsed_s
        self._heading += min(max(turn, -turn_max), turn_max)
        speed_m_s = self._speed_max_m_s * max(0.3, math.cos(turn))
        speed_m_s = min(speed_m_s, 0.5 + away_m / (2 * _STEP_MAX_S))
        ease_m_s = _EASE_M_S2 * elapsed_s
        self._speed_m_s = min(max(speed_m_s, self._speed_m_s - 2 * ease_m_s), self._speed_m_s + ease_m_s)
        step_m = self._speed_m_s * elapsed_s
        moved = (
            self.place[0] + step_m * math.sin(self._heading),
            self.place[1] + step_m * math.cos(self._heading),
        )
        out = math.hypot(*moved) / self._inner.radius_m
        self.place = moved if out <= 1 else (moved[0] / out, moved[1] / out)

    def _arrive(self) -> None:
        self._goal = self._next_goal()
        if self._random.random() < _REST_SHARE:
            self._rests_until_s = self._at_s + self._random.uniform(*_REST_S)

    def _next_goal(self) -> Place:
        """Somewhere a few streets on; in a small city, anywhere."""
        for _ in range(20):
            angle, leg_m = self._random.uniform(0, math.tau), self._random.uniform(*_LEG_M)
            goal = self.place[0] + leg_m * math.sin(angle), self.place[1] + leg_m * math.cos(angle)
            if self._inner.holds(goal):
                return goal
        return self._inner.somewhere(self._random)


def every_s(*, found: int, within_m: float, left_s: float, among: int, area_km2: float) -> float:
    """After how many seconds a walker may want the next, so that all of them spend what there is evenly; see above.

    `found` lie within `within_m` of it for `left_s` more, and `among` walkers share the city.
    """
    least_s, most_s = _EVERY_S
    density_per_km2 = found / (math.pi * (within_m / 1_000) ** 2)
    lying = density_per_km2 * area_km2
    return min(max(among * (left_s + _TAIL_S) / lying, least_s), most_s) if lying else most_s
