"""Accounts that one program plays: they sign in within seconds at one place, and then move alike, each by itself.

A family and a class share an address too, and may walk side by side. But they sign in one by one, by hand, and each
goes its own way within the group. In memory alone, as the rhythm of claims is: a restart puts off what it would show.
"""

from __future__ import annotations

from collections import deque
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust.types import SignedIn, Window

ACCOUNTS_MIN = 3
APART_MAX_S = 6.0
"""Between two sign-ins of one burst on average; a hand needs longer for as many devices."""

_LINK_US = 15_000_000
_BURST_US = 60_000_000
_MEMBERS_MAX = 64
_PLACES_MAX = 50_000
_WINDOWS_KEPT = 4
_ALIKE_MIN = 3
_PEERS_MIN = 2
_MOVED_MIN_M = 30.0
_OVERLAP = 0.7
_SPEED_ALIKE = 0.08
_STRAIGHT_ALIKE_M = 6.0
_STRAIGHT_ALIKE = 0.08


class Alike(Struct, frozen=True):
    """An account that moved like others of its burst: in how many windows, and like how many."""

    player_id: UUID
    at_us: int
    figures: dict[str, float]


class _Brief(Struct, frozen=True):
    began_us: int
    ended_us: int
    cell: str
    speed_m_s: float
    straight_m: float


class _Member(Struct):
    windows: deque[_Brief]
    alike: dict[UUID, int]


class _Burst(Struct):
    """Sign-ins at one place of which each came shortly after the one before."""

    began_us: int
    ended_us: int
    members: dict[UUID, _Member]

    @property
    def is_one_hand(self) -> bool:
        span_us = self.ended_us - self.began_us
        count = len(self.members)
        return count >= ACCOUNTS_MIN and span_us <= min(_BURST_US, (count - 1) * APART_MAX_S * 1_000_000)


class Together:
    """The bursts of sign-ins, and how their accounts move. Hearing a fact twice changes nothing."""

    def __init__(self) -> None:
        self._latest: dict[bytes, _Burst] = {}
        self._of: dict[UUID, _Burst] = {}

    def signed_in(self, fact: SignedIn) -> None:
        """Adds a sign-in to the burst at its place, or begins one."""
        if fact.place is None:
            return
        burst = self._latest.get(fact.place)
        if burst is None or not burst.began_us <= fact.at_us <= burst.ended_us + _LINK_US:
            if burst is None and len(self._latest) >= _PLACES_MAX:
                self._drop(next(iter(self._latest)))
            elif burst is not None:
                self._leave(burst)
            burst = self._latest[fact.place] = _Burst(fact.at_us, fact.at_us, {})
        burst.ended_us = max(burst.ended_us, fact.at_us)
        if len(burst.members) < _MEMBERS_MAX and fact.player_id not in burst.members:
            burst.members[fact.player_id] = _Member(deque(maxlen=_WINDOWS_KEPT), {})
            self._of[fact.player_id] = burst

    def _drop(self, place: bytes) -> None:
        self._leave(self._latest.pop(place))

    def _leave(self, burst: _Burst) -> None:
        """A burst that is over is kept only where it may be one hand's."""
        if burst.is_one_hand and len(self._of) < _PLACES_MAX * ACCOUNTS_MIN:
            return
        for player_id in burst.members:
            if self._of.get(player_id) is burst:
                del self._of[player_id]

    def moved(self, window: Window) -> Alike | None:
        """What it says of a player that others of the burst moved like this window, in this minute and in those before."""
        burst = self._of.get(window.player_id)
        if burst is None or not burst.is_one_hand or window.moved_m < _MOVED_MIN_M or not window.cell:
            return None
        mine = burst.members[window.player_id]
        brief = _Brief(
            window.began_us, window.ended_us, window.cell, window.moved_m / max(1.0, window.moving_s), window.straight_m
        )
        if mine.windows and brief.began_us <= mine.windows[-1].began_us:
            return None
        mine.windows.append(brief)
        seen = 0
        for player_id, other in burst.members.items():
            if other is mine or not any(_alike(brief, one) for one in other.windows):
                continue
            mine.alike[player_id] = mine.alike.get(player_id, 0) + 1
            other.alike[window.player_id] = other.alike.get(window.player_id, 0) + 1
            seen += 1
        peers = sum(count >= _ALIKE_MIN for count in mine.alike.values())
        if not seen or peers < _PEERS_MIN:
            return None
        figures = {
            "accounts": float(len(burst.members)),
            "alike": float(peers),
            "apart_s": (burst.ended_us - burst.began_us) / 1e6 / (len(burst.members) - 1),
        }
        return Alike(window.player_id, window.at_us, figures)


def _alike(one: _Brief, other: _Brief) -> bool:
    """Whether two windows are of the same time, the same place and the same way, but for what chance adds."""
    shared_us = min(one.ended_us, other.ended_us) - max(one.began_us, other.began_us)
    if shared_us < _OVERLAP * max(one.ended_us - one.began_us, other.ended_us - other.began_us):
        return False
    if one.cell[:5] != other.cell[:5]:
        return False
    fast = max(one.speed_m_s, other.speed_m_s)
    if abs(one.speed_m_s - other.speed_m_s) > _SPEED_ALIKE * fast:
        return False
    far_m = max(one.straight_m, other.straight_m)
    return abs(one.straight_m - other.straight_m) <= _STRAIGHT_ALIKE_M + _STRAIGHT_ALIKE * far_m
