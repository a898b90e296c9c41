"""Who plays and when: seeded, so that the same seed gives the same people with the same days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from msgspec import Struct

from overworld.app.demo.city import City, Place

DAY_S = 86_400
_PLAYERS_PER_KM2 = 25.0
_RADIUS_MIN_M = 1_500.0
_DOWNTOWN = 0.5  # the spread of homes around the middle, as a share of the city's radius
_FROM_HOME = 0.6
_HOURS = ((7.5, 1.0, 2), (12.5, 1.0, 3), (18.0, 1.5, 5), (21.0, 1.0, 2))
"""When sessions begin: hours (UTC) they gather around, how tightly, and how many."""


class Profile(Struct, frozen=True, kw_only=True):
    """How one kind of people plays.

    `share` of all players are so; a day is played with the chance `plays`, in `sessions` on average, each about
    `minutes` long. They see collectibles `sight_m` around and stay within `roam_m` of where a session began;
    `greed` says how much a high value draws them beside a short way, 0 not at all. `upkeep` is the chance that they
    look after their things when a session ends, and `spends` what part of a wallet they then part with at most.
    `joins` is the chance that they look at a club as they set out.
    """

    name: str
    share: float
    plays: float
    sessions: float
    minutes: float
    speed_m_s: float
    sight_m: float
    roam_m: float
    greed: float
    upkeep: float
    spends: float
    joins: float


PROFILES = (
    Profile(
        name="casual", share=0.6, plays=0.35, sessions=1.1, minutes=12, speed_m_s=1.2, sight_m=120, roam_m=400,
        greed=0.0, upkeep=0.3, spends=0.3, joins=0.02,
    ),
    Profile(
        name="regular", share=0.3, plays=0.7, sessions=1.6, minutes=22, speed_m_s=1.3, sight_m=200, roam_m=600,
        greed=0.2, upkeep=0.6, spends=0.5, joins=0.1,
    ),
    Profile(
        name="eager", share=0.1, plays=0.95, sessions=2.6, minutes=40, speed_m_s=1.4, sight_m=300, roam_m=900,
        greed=0.4, upkeep=0.95, spends=0.8, joins=0.3,
    ),
)  # fmt: skip


class Person:
    """A player: who they are, and where their walk has brought them. The simulation alone changes one."""

    def __init__(self, number: int, id: UUID, *, profile: Profile, city: City, random: Random) -> None:
        self.number = number
        self.id = id
        self.profile = profile
        self.random = random
        self.home = self.place = self.anchor = _somewhere(city, random)
        self.heading_rad = random.uniform(0, math.tau)
        self.walked_m = 0.0
        self.joined: dict[str, datetime | None] = {}
        """The clubs that they are in, and until when."""
        self.full_day = -1
        """The day on which the game gave them no more."""
        self._city = city

    def memberships(self, at: datetime) -> tuple[str, ...]:
        """The clubs that they are in at an instant."""
        return tuple(name for name, ends_at in sorted(self.joined.items()) if ends_at is None or ends_at > at)

    def set_out(self) -> None:
        """Begins a session at home, or somewhere else in the city."""
        at_home = self.random.random() < _FROM_HOME
        self.anchor = self.place = self.home if at_home else _somewhere(self._city, self.random)


class Session(Struct, frozen=True, order=True):
    """A walk: from when until when, seconds of its day; it may run past midnight."""

    begins_s: float
    ends_s: float


def city_for(players: int, *, lat_deg: float, lng_deg: float) -> City:
    """A city with room for so many players."""
    return City(lat_deg, lng_deg, max(_RADIUS_MIN_M, 1_000 * math.sqrt(players / _PLAYERS_PER_KM2 / math.pi)))


def people_of(city: City, *, players: int, seed: int) -> list[Person]:
    """The people of a seed: as many of each profile as its share says, whatever the order in which they are asked."""
    return [_person(number, profile, city, seed) for number, profile in enumerate(_profiles(players))]


def _profiles(players: int) -> Sequence[Profile]:
    """As many of each as their shares say, the rest casual."""
    some = [profile for profile in PROFILES[1:] for _ in range(round(players * profile.share))]
    return [PROFILES[0]] * max(0, players - len(some)) + some[:players]


def _person(number: int, profile: Profile, city: City, seed: int) -> Person:
    random = Random(f"{seed}-{number}")  # noqa: S311 - who plays is no secret
    return Person(number, UUID(bytes=random.randbytes(16), version=4), profile=profile, city=city, random=random)


def _somewhere(city: City, random: Random) -> Place:
    """A place that people are at: more of them near the middle."""
    spread_m = city.radius_m * _DOWNTOWN
    place = (random.gauss(0, spread_m), random.gauss(0, spread_m))
    return place if city.holds(place) else city.somewhere(random)


def sessions_of(person: Person) -> list[Session]:
    """The sessions of a new day, in order, none into another; drawn from the person's own chance."""
    profile, random = person.profile, person.random
    if random.random() >= profile.plays:
        return []
    count = 1 + sum(random.random() < (profile.sessions - 1) / 4 for _ in range(4))
    wanted = sorted(_session(profile, random) for _ in range(count))
    apart: list[Session] = []
    for session in wanted:
        if not apart or session.begins_s > apart[-1].ends_s:
            apart.append(session)
    return apart


def _session(profile: Profile, random: Random) -> Session:
    [(hour, spread, _)] = random.choices(_HOURS, [weight for *_, weight in _HOURS])
    begins_s = random.gauss(hour, spread) * 3_600 % DAY_S
    return Session(begins_s, begins_s + 60 * profile.minutes * random.lognormvariate(-0.08, 0.4))
