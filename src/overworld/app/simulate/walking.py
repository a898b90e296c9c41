"""How people walk and what they go for, worked out for one turn. Pure: nothing here knows what a claim comes to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush

from msgspec import Struct

from overworld.app.demo.city import City, Place
from overworld.app.simulate.profiles import Person
from overworld.domains.gameplay.types import Mode, Spawn

_BUCKET_M = 100.0
_STOP_SHARE = 0.8  # of the reach: people stop when they are well within it
_TAP_S = 4.0
_LAG_S = 1.5  # what somebody took so shortly ago is still on the maps of others
_TURN_RAD = 0.6
_EVERYBODY, _NOTHING = -1, -1


class Lying(Struct, frozen=True):
    """A collectible on the map of the city."""

    spawn: Spawn
    place: Place
    worth: float


class Outing(Struct, frozen=True):
    """Somebody who walks in a turn, seconds of the run."""

    person: Person
    begins_s: float
    ends_s: float


class Wish(Struct, frozen=True):
    """Somebody wants a collectible, at a moment (seconds of the run) and from a place."""

    at_s: float
    person: Person
    spawn: Spawn
    place: Place


class Ground:
    """What lies around in a turn, and who took what of it as far as walkers can see.

    `had` are the personal ones that people took before: (collectible, person).
    """

    def __init__(self, city: City, spawns: Iterable[Spawn], *, had: AbstractSet[tuple[str, int]] = frozenset()) -> None:
        self.lying = [_lying(city, spawn) for spawn in spawns]
        self._had = had
        self._taken_s: dict[tuple[int, int], float] = {}
        self._personal = {i for i, one in enumerate(self.lying) if one.spawn.kind.mode is Mode.PERSONAL}
        self._drawing: dict[float, list[float]] = {}
        self._buckets: dict[tuple[int, int], list[int]] = {}
        for i, one in enumerate(self.lying):
            self._buckets.setdefault(_bucket(one.place), []).append(i)

    def take(self, i: int, person: Person, *, at_s: float) -> None:
        """Takes one off the maps: its person's, or everybody's when it is shared."""
        if i in self._personal:
            self._taken_s.setdefault((i, person.number), at_s)
        elif (i, _EVERYBODY) not in self._taken_s:
            self._taken_s[i, _EVERYBODY] = at_s
            self._buckets[_bucket(self.lying[i].place)].remove(i)

    def taken_s(self, i: int, person: Person) -> float:
        """When it was taken; infinity while it lies there for the person."""
        return self._taken_s.get((i, person.number if i in self._personal else _EVERYBODY), math.inf)

    def best(self, person: Person, *, reach_m: float) -> int | None:
        """What the person would go for: the most worth for the way there, as they weigh it; None if nothing is seen."""
        profile, (east, north), (from_east, from_north) = person.profile, person.place, person.anchor
        near_m, sight_m, roam_m, speed_m_s = _STOP_SHARE * reach_m, profile.sight_m, profile.roam_m, profile.speed_m_s
        drawing, hypot = self._drawing_by(profile.greed), math.hypot
        chosen, best = None, 0.0
        for i in self._around(person.place, sight_m):
            x, y = self.lying[i].place
            way_m = hypot(x - east, y - north)
            if way_m > sight_m or hypot(x - from_east, y - from_north) > roam_m:
                continue
            score = drawing[i] / (max(0.0, way_m - near_m) / speed_m_s + _TAP_S)
            if score > best and not (i in self._personal and self._has(i, person)):
                chosen, best = i, score
        return chosen

    def _has(self, i: int, person: Person) -> bool:
        return (i, person.number) in self._taken_s or (self.lying[i].spawn.id, person.number) in self._had

    def _drawing_by(self, greed: float) -> list[float]:
        """How much each one draws people of so much greed, if all were as far away."""
        if greed not in self._drawing:
            self._drawing[greed] = [one.worth**greed for one in self.lying]
        return self._drawing[greed]

    def _around(self, place: Place, radius_m: float) -> Iterator[int]:
        column, row = _bucket(place)
        wide = math.ceil(radius_m / _BUCKET_M)
        for x in range(column - wide, column + wide + 1):
            for y in range(row - wide, row + wide + 1):
                yield from self._buckets.get((x, y), ())


def walk(ground: Ground, outings: Sequence[Outing], *, city: City, reach_m: float) -> list[Wish]:
    """What everybody wants in a turn, in the order of time; people are left where they end.

    Who comes too late sees it, unless it was in the very moment before: then both ask.
    """
    turns = [(outing.begins_s, n, _NOTHING) for n, outing in enumerate(outings)]
    heapify(turns)
    wishes: list[Wish] = []
    while turns:
        at_s, n, target = heappop(turns)
        outing = outings[n]
        person = outing.person
        if target != _NOTHING:
            taken_s = ground.taken_s(target, person)
            if at_s <= taken_s + _LAG_S or taken_s == math.inf:
                wishes.append(Wish(at_s, person, ground.lying[target].spawn, person.place))
                ground.take(target, person, at_s=at_s)
                at_s += _TAP_S
        heading_for = ground.best(person, reach_m=reach_m)
        if heading_for is None:
            arrives_s = at_s + _stroll(person, city)
        else:
            arrives_s = at_s + _approach(person, ground.lying[heading_for].place, reach_m=reach_m)
        if arrives_s < outing.ends_s:
            heappush(turns, (arrives_s, n, _NOTHING if heading_for is None else heading_for))
    return wishes


def _approach(person: Person, goal: Place, *, reach_m: float) -> float:
    """Walks until a goal is well within reach; gives the seconds that it takes."""
    east, north = goal[0] - person.place[0], goal[1] - person.place[1]
    way_m = math.hypot(east, north)
    walked_m = max(0.0, way_m - _STOP_SHARE * reach_m)
    if walked_m > 0:
        share = walked_m / way_m
        person.place = (person.place[0] + share * east, person.place[1] + share * north)
        person.heading_rad = math.atan2(east, north)
        person.walked_m += walked_m
    return walked_m / person.profile.speed_m_s


def _stroll(person: Person, city: City) -> float:
    """Walks on for as far as half the sight, and back towards where it began where that is too far; the seconds."""
    way_m = person.profile.sight_m / 2
    person.heading_rad += person.random.uniform(-_TURN_RAD, _TURN_RAD)
    ahead = _ahead(person, way_m)
    from_anchor_m = math.hypot(ahead[0] - person.anchor[0], ahead[1] - person.anchor[1])
    if from_anchor_m > person.profile.roam_m or not city.holds(ahead):
        person.heading_rad = math.atan2(person.anchor[0] - person.place[0], person.anchor[1] - person.place[1])
        ahead = _ahead(person, way_m)
    person.place = ahead
    person.walked_m += way_m
    return way_m / person.profile.speed_m_s


def _ahead(person: Person, way_m: float) -> Place:
    east, north = person.place
    return east + way_m * math.sin(person.heading_rad), north + way_m * math.cos(person.heading_rad)


def _lying(city: City, spawn: Spawn) -> Lying:
    kind = spawn.kind
    return Lying(spawn, city.place(spawn.lat_deg, spawn.lng_deg), kind.value_minor / 10**kind.currency.scale)


def _bucket(place: Place) -> tuple[int, int]:
    return math.floor(place[0] / _BUCKET_M), math.floor(place[1] / _BUCKET_M)
