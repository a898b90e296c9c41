"""Accounts that one program plays: they sign in within seconds at one place, and then move alike, each by itself.

A family and a class share an address too, and may walk side by side. But they sign in one by one, by hand, and each
goes its own way within the group. In memory alone, as the rhythm of claims is: a restart puts off what it would show.
"""

from __future__ import annotations

from collections import deque
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust.types import SignedIn, Window
from overworld.geo import cells, sphere

ACCOUNTS_MIN = 3
_ACCOUNTS_MANY = 5
APART_MAX_S = {ACCOUNTS_MIN: 1.0, 4: 3.0, _ACCOUNTS_MANY: 6.0}
"""Between two sign-ins of one burst on average, by how many accounts: the fewer, the more likely by chance."""

OTHERS_MAX = 0.5
"""So many others for each account of a burst may have signed in there within the hour: a class comes in bursts too."""

_LINK_US = 15_000_000
_KEPT_US = 3_600_000_000
_BURST_US = 60_000_000
_MEMBERS_MAX = 64
_PLACES_MAX = 50_000
_WINDOWS_KEPT = 4
_ALIKE_MIN = 4
_PEERS_MIN = 2
_MOVED_MIN_M = 20.0
_OVERLAP = 0.6
_ROOMS_APART_M = 400.0
_STRAIGHT_ALIKE_M = 15.0
_STRAIGHT_ALIKE = 0.1


class Alike(Struct, frozen=True):
    """An account that moved like others of its burst: in how many windows, and like how many."""

    player_id: UUID
    at_us: int
    figures: dict[str, float]


class _Brief(Struct, frozen=True):
    began_us: int
    ended_us: int
    cell: str
    straight_m: float


class _Member(Struct):
    windows: deque[_Brief]
    alike: dict[UUID, int]
    told_us: int = 0

    @property
    def peers(self) -> int:
        """How many others moved alike often enough."""
        return sum(count >= _ALIKE_MIN for count in self.alike.values())

    @property
    def is_due(self) -> bool:
        """Whether something is to be told of its last window."""
        return self.told_us < self.windows[-1].began_us and self.peers >= _PEERS_MIN


class _Burst(Struct):
    """Sign-ins at one place of which each came shortly after the one before."""

    began_us: int
    ended_us: int
    members: dict[UUID, _Member]

    @property
    def is_quick(self) -> bool:
        """Whether no hands are as quick; of few accounts they might be."""
        span_us = self.ended_us - self.began_us
        count = len(self.members)
        apart_s = APART_MAX_S.get(count, APART_MAX_S[_ACCOUNTS_MANY])
        return count >= ACCOUNTS_MIN and span_us <= min(_BURST_US, (count - 1) * apart_s * 1_000_000)


class _Place(Struct):
    """The bursts at a place within an hour, the latest last."""

    bursts: list[_Burst]

    def is_one_hand(self, burst: _Burst) -> bool:
        """Whether a burst is quick, and nearly all that came to the place."""
        others = sum(len(one.members) for one in self.bursts if one is not burst)
        return burst.is_quick and others <= OTHERS_MAX * len(burst.members)


class Together:
    """The bursts of sign-ins, and how their accounts move. Hearing a fact twice changes nothing."""

    def __init__(self) -> None:
        self._places: dict[bytes, _Place] = {}
        self._of: dict[UUID, tuple[_Place, _Burst]] = {}

    def signed_in(self, fact: SignedIn) -> None:
        """Adds a sign-in to the burst at its place, or begins one."""
        if fact.place is None:
            return
        place = self._places.get(fact.place)
        if place is None:
            if len(self._places) >= _PLACES_MAX:
                self._drop(next(iter(self._places)))
            place = self._places[fact.place] = _Place([])
        burst = self._burst(place, fact.at_us)
        burst.ended_us = max(burst.ended_us, fact.at_us)
        if len(burst.members) < _MEMBERS_MAX and fact.player_id not in burst.members:
            burst.members[fact.player_id] = _Member(deque(maxlen=_WINDOWS_KEPT), {})
            self._of[fact.player_id] = place, burst

    def _burst(self, place: _Place, at_us: int) -> _Burst:
        """The burst at a place that a sign-in belongs to: the latest, or a new one."""
        for old in [one for one in place.bursts if at_us - one.ended_us > _KEPT_US]:
            self._leave(old)
            place.bursts.remove(old)
        latest = place.bursts[-1] if place.bursts else None
        if latest is None or at_us > latest.ended_us + _LINK_US:
            latest = _Burst(at_us, at_us, {})
            place.bursts.append(latest)
        return latest

    def _drop(self, place: bytes) -> None:
        for burst in self._places.pop(place).bursts:
            self._leave(burst)

    def _leave(self, burst: _Burst) -> None:
        for player_id in burst.members:
            if player_id in self._of and self._of[player_id][1] is burst:
                del self._of[player_id]

    def moved(self, window: Window) -> tuple[Alike, ...]:
        """Who moved like others of the burst in this minute and in those before: each is told once for each window."""
        place, burst = self._of.get(window.player_id, (None, None))
        if place is None or burst is None or window.moved_m < _MOVED_MIN_M or not window.cell:
            return ()
        mine = burst.members[window.player_id]
        brief = _Brief(window.began_us, window.ended_us, window.cell, window.straight_m)
        if mine.windows and brief.began_us <= mine.windows[-1].began_us:
            return ()
        mine.windows.append(brief)
        peers = {
            player_id: other
            for player_id, other in burst.members.items()
            if other is not mine and any(_alike(brief, one) for one in other.windows)
        }
        for player_id, other in peers.items():
            mine.alike[player_id] = mine.alike.get(player_id, 0) + 1
            other.alike[window.player_id] = other.alike.get(window.player_id, 0) + 1
        if not peers or not place.is_one_hand(burst):
            return ()
        told = ((window.player_id, mine), *peers.items())
        return tuple(_told(player_id, one, burst, window.at_us) for player_id, one in told if one.is_due)


def _told(player_id: UUID, member: _Member, burst: _Burst, at_us: int) -> Alike:
    member.told_us = member.windows[-1].began_us
    figures = {
        "accounts": float(len(burst.members)),
        "alike": float(member.peers),
        "apart_s": (burst.ended_us - burst.began_us) / 1e6 / (len(burst.members) - 1),
    }
    return Alike(player_id, at_us, figures)


def rooms_apart_m(one: str, other: str) -> float:
    """How far the middles of two room cells lie apart."""
    return sphere.distance_between_m(
        *cells.centre_deg(cells.from_token(one)), *cells.centre_deg(cells.from_token(other))
    )


def _alike(one: _Brief, other: _Brief) -> bool:
    """Whether two windows are of the same time, the same place and the same way, but for what chance adds."""
    shared_us = min(one.ended_us, other.ended_us) - max(one.began_us, other.began_us)
    if shared_us < _OVERLAP * max(one.ended_us - one.began_us, other.ended_us - other.began_us):
        return False
    if one.cell != other.cell and rooms_apart_m(one.cell, other.cell) > _ROOMS_APART_M:
        return False
    far_m = max(one.straight_m, other.straight_m)
    return abs(one.straight_m - other.straight_m) <= _STRAIGHT_ALIKE_M + _STRAIGHT_ALIKE * far_m
