"""Walkers who stream fixes over the socket, one a frame: as fast as they are answered, or at a rate."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Protocol, Self

import msgspec
from msgspec import Struct

from bench.load.process import Tally
from bench.players import Seat
from overworld.client.messages import Frame
from overworld.client.raw import SocketLine

FIRST_LAT_DEG = 40.0

_FIRST_LNG_DEG = 10.0
_APART_DEG = 0.003  # some 250 m: each player has a room cell to itself
_LINES_MAX = 50_000  # then from the first one again, before the date line
_STEP_LAT_DEG = 1.4 / 111_195  # 1.4 m, a second of walking
_FIRST_TIME = datetime(2020, 1, 1, tzinfo=UTC)
_ANSWER_S = 15.0
_TURN_S = 0.001
_SENT_AT_ONCE = 64


class Sends(Protocol):
    """As much of a connection as a walker needs."""

    heard: Callable[[bytes], None]
    ended: Callable[[], None]

    def send(self, message: bytes) -> None: ...

    def close(self) -> None: ...


class FixesPlan(Struct, frozen=True, kw_only=True):
    """What a generator of fixes needs. Every `ack_every`th fix of a player asks for its verdict; without `per_s` the
    next ones follow when it comes.
    """

    realtime: str
    key: str
    seats: Sequence[Seat]
    ack_every: int
    per_s: float | None


class _Verdict(Struct, frozen=True):
    """As much of a verdict as is counted."""

    reason: str = ""


class Walker:
    """One player, walking north. `step` counts its fixes; `owed` tells when those were due whose verdicts must come."""

    def __init__(self, line: Sends, *, i: int, ack_every: int, times: Times) -> None:
        self.step = 0
        self.turn = i % ack_every  # so that not all ask at the same time
        self.owed: deque[float] = deque()
        self.latencies_s: list[float] = []
        self.strange: list[bytes] = []
        self._line = line
        self._ack_every = ack_every
        self._until_s = 0.0
        self._times = times
        self._lng = f"{lng_deg(i):.7f}".encode()
        line.heard = self._heard
        line.ended = self._ended

    def send(self, *, due_s: float) -> None:
        """The next fix; `due_s` is when it should have been sent, by `perf_counter`."""
        self.step += 1
        self.turn += 1
        lat_deg = FIRST_LAT_DEG + self.step * _STEP_LAT_DEG
        asks = self.turn % self._ack_every == 0
        if asks:
            self.owed.append(due_s)
        self._line.send(
            b'{"type":"location.update",%b"data":{"lat":%.7f,"lng":%b,"accuracy_m":5,"timestamp":"%b"}}'
            % (b'"ack":true,"cid":"1",' * asks, lat_deg, self._lng, self._times.at(self.step))
        )

    def go_on(self, *, until_s: float) -> None:
        """Fixes up to the one whose verdict is asked for, and again when that comes, until a time."""
        self._until_s = until_s
        while not self.owed and perf_counter() < until_s:
            self.send(due_s=perf_counter())

    def close(self) -> None:
        self._line.close()

    def _heard(self, raw: bytes) -> None:
        if b'"cid"' not in raw:
            self.strange.append(raw)
            return
        self.latencies_s.append(perf_counter() - self.owed.popleft())
        if b'"accepted":true' not in raw:
            self.strange.append(raw)
        self.go_on(until_s=self._until_s)

    def _ended(self) -> None:
        self.strange.append(b'{"type":"cut"}')
        self.owed.clear()


class Times:
    """Times of fixes as text, a second apart; every player has the same."""

    def __init__(self) -> None:
        self._known: list[bytes] = []

    def at(self, step: int) -> bytes:
        """The time of everybody's fix of that number; those before it are written out too."""
        while step >= len(self._known):
            self._known.append(f"{_FIRST_TIME + timedelta(seconds=len(self._known)):%Y-%m-%dT%H:%M:%SZ}".encode())
        return self._known[step]


class FixesLoad:
    """All walkers, connected."""

    def __init__(self, plan: FixesPlan, walkers: Sequence[Walker], times: Times) -> None:
        self._plan = plan
        self._times = times
        self._walkers = walkers
        self._judged_before = 0
        self._lasted_s = 0.0

    @classmethod
    async def make(cls, plan: FixesPlan) -> Self:
        """Connects the walkers."""
        walkers, times = [], Times()
        for i, seat in enumerate(plan.seats):
            line = await SocketLine.connect(plan.realtime, token=seat.token, key=plan.key)
            walkers.append(Walker(line, i=i, ack_every=plan.ack_every, times=times))
        return cls(plan, walkers, times)

    async def prepare(self, units: int) -> None:
        """Writes out the times of a round."""
        most = max(walker.step for walker in self._walkers)
        self._times.at(most + 2 * units // len(self._walkers) + self._plan.ack_every)

    async def round(self, seconds: float) -> None:
        """Walks for so long, and waits for the verdicts that are asked for."""
        self._judged_before = self._judged()
        for walker in self._walkers:
            walker.latencies_s = []
        started_s = perf_counter()
        if self._plan.per_s is None:
            for walker in self._walkers:
                walker.go_on(until_s=started_s + seconds)
            await asyncio.sleep(seconds)
        else:
            await self._paced(started_s, seconds, self._plan.per_s)
        await self._until_all_told()
        self._lasted_s = perf_counter() - started_s

    async def tally(self) -> Tally:
        """What the verdicts of the last round say."""
        tally = Tally(done=self._judged() - self._judged_before, seconds=self._lasted_s)
        for walker in self._walkers:
            tally.latencies_s += walker.latencies_s
            tally.refusals.update(map(_reason, walker.strange))
            walker.strange = []
        silent = sum(bool(walker.owed) for walker in self._walkers)
        tally.faults += [f"{silent} players waited {_ANSWER_S:.0f} s for a verdict"] * (silent > 0)
        tally.faults += [f"{count} fixes were answered {reason}" for reason, count in tally.refusals.items()]
        return tally

    async def close(self) -> None:
        """Ends the connections."""
        for walker in self._walkers:
            walker.close()

    async def _paced(self, started_s: float, seconds: float, per_s: float) -> None:
        """Open loop: fix n is due n / per_s after the start, whatever became of those before it."""
        sent, wanted = 0, int(seconds * per_s)
        while sent < wanted:
            due = min(wanted, int((perf_counter() - started_s) * per_s))
            for _ in range(min(_SENT_AT_ONCE, due - sent)):
                self._walkers[sent % len(self._walkers)].send(due_s=started_s + sent / per_s)
                sent += 1
            await asyncio.sleep(0 if sent < due else _TURN_S)

    async def _until_all_told(self) -> None:
        for _ in range(int(_ANSWER_S / _TURN_S)):
            if not any(walker.owed for walker in self._walkers):
                return
            await asyncio.sleep(_TURN_S)

    def _judged(self) -> int:
        """Fixes up to the last one of each player whose verdict was asked for: those after it nobody tells of."""
        return sum(walker.turn // self._plan.ack_every for walker in self._walkers) * self._plan.ack_every


def lng_deg(i: int) -> float:
    """The meridian that player `i` walks on."""
    return _FIRST_LNG_DEG + i % _LINES_MAX * _APART_DEG


def _reason(raw: bytes) -> str:
    """Why a fix was refused, or what was heard instead of a verdict."""
    frame = msgspec.json.decode(raw, type=Frame)
    if frame.error is not None:
        return str(frame.error["code"])
    return msgspec.json.decode(frame.data, type=_Verdict).reason if frame.type == "location.verdict" else frame.type
