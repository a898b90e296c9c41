"""Players who stand among many collectibles and claim one after another, over the socket or over HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Self

import msgspec
from msgspec import Struct

from bench.load.process import Tally
from bench.players import Seat
from bench.prove.books import Told
from overworld.app.game import check
from overworld.client import Collected
from overworld.client.messages import Frame
from overworld.client.raw import SocketLine
from overworld.client.raw_http import HttpLine, request
from overworld.domains.gameplay.rules import spawn_table
from overworld.domains.gameplay.spawns import Spawns, cells_at
from overworld.geo import cells
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import SystemClock

_STAND_LEVEL = 13
_STAND_FIRST = cells.cell_of(48.0, 11.0, _STAND_LEVEL)
_STAND_STEP = 2 * (_STAND_FIRST & -_STAND_FIRST)
_STAND_REACH_M = 950.0  # a little less than the game's
_SPARE = 2.0
_MORE = 64
_ANSWER_S = 15.0
_CUT = b""
_CID = re.compile(rb'"cid":"(\d+)"')

Answered = Callable[[bytes], None]


class ClaimsPlan(Struct, frozen=True, kw_only=True):
    """What a generator of claims needs. Two players share a stand, and want a part of what lies there both.

    `contested` is the share of the claims that are for such a part; `pipelined` is how many a player has under way.
    """

    http: str
    realtime: str
    key: str
    over: str
    game: Path
    spawn_key: str
    seats: Sequence[Seat]
    contested: float
    pipelined: int
    seed: int


class _Refusal(Struct, frozen=True):
    """As much of a problem object as is counted; a reply has no code."""

    code: str = ""


class _BySocket:
    """Claims with `game.action`, as many at once as one likes; the server's answers come in any order."""

    def __init__(self, line: SocketLine) -> None:
        self._line = line
        self._waiting: dict[bytes, Answered] = {}
        self._count = 0
        line.heard = self._tell
        line.ended = self._cut

    @classmethod
    async def connect(cls, plan: ClaimsPlan, seat: Seat) -> Self:
        return cls(await SocketLine.connect(plan.realtime, token=seat.token, key=plan.key))

    def claim(self, coin: str, answered: Answered) -> None:
        self._count += 1
        self._waiting[b"%d" % self._count] = answered
        data = f'{{"action":"collect","target":"{coin}","request_id":"{coin}"}}'
        self._line.send(f'{{"type":"game.action","cid":"{self._count}","data":{data}}}'.encode())

    def close(self) -> None:
        self._line.close()

    @staticmethod
    def outcome(raw: bytes) -> Collected | str:
        frame = msgspec.json.decode(raw, type=Frame)
        if frame.error is not None:
            return str(frame.error["code"])
        return msgspec.json.decode(frame.data, type=Collected)

    def _tell(self, raw: bytes) -> None:
        said = _CID.search(raw)
        answered = self._waiting.pop(said[1], None) if said else None
        if answered is not None:
            answered(raw)

    def _cut(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered(_CUT)


class _ByHttp:
    """Claims with `POST /v1/game/collectibles/ID/collect`."""

    def __init__(self, line: HttpLine, plan: ClaimsPlan, seat: Seat) -> None:
        self._line = line
        self._head, self._tail = (
            request("POST", "/v1/game/collectibles/@/collect", token=seat.token, idempotency_key="@", body="{}")
            .rsplit("/@/", 1)
        )  # fmt: skip

    @classmethod
    async def connect(cls, plan: ClaimsPlan, seat: Seat) -> Self:
        return cls(await HttpLine.connect(plan.http), plan, seat)

    def claim(self, coin: str, answered: Answered) -> None:
        self._line.send(
            f"{self._head}/{coin}/{self._tail.replace('@', coin, 1)}".encode(), lambda _, body: answered(body)
        )

    def close(self) -> None:
        self._line.close()

    @staticmethod
    def outcome(raw: bytes) -> Collected | str:
        return msgspec.json.decode(raw, type=_Refusal).code or msgspec.json.decode(raw, type=Collected)


class _Claimant:
    """One player: claims what it wants in turn, `pipelined` at once, the next when one is answered."""

    def __init__(self, seat: Seat, voice: _BySocket | _ByHttp, *, pipelined: int) -> None:
        self.seat = seat
        self.voice = voice
        self._pipelined = pipelined
        self.wanted: list[str] = []
        self.answers: list[bytes] = []
        self.latencies_s: list[float] = []
        self.rests: Callable[[], None]
        self._until_s = 0.0
        self._under_way = 0

    def start(self, *, until_s: float, rests: Callable[[], None]) -> None:
        """Claims until a time, then calls `rests`; also when nothing is left to claim."""
        self._until_s, self.rests = until_s, rests
        self.answers, self.latencies_s = [], []
        self._under_way = self._pipelined
        for _ in range(self._pipelined):
            self._next(perf_counter())

    def _next(self, now_s: float) -> None:
        if now_s >= self._until_s or not self.wanted or _CUT in self.answers[-1:]:
            self._under_way -= 1
            if self._under_way == 0:
                self.rests()
            return
        self.voice.claim(self.wanted.pop(), partial(self._answered, now_s))

    def _answered(self, sent_s: float, raw: bytes) -> None:
        now_s = perf_counter()
        self.latencies_s.append(now_s - sent_s)
        self.answers.append(raw)
        self._next(now_s)


class ClaimsLoad:
    """All players, connected. Closed loop: each has the same number of claims under way."""

    def __init__(self, plan: ClaimsPlan, claimants: Sequence[_Claimant], spawns: Spawns) -> None:
        self._plan = plan
        self._claimants = claimants
        self._spawns = spawns
        self._random = Random(plan.seed)
        self._stands = 0
        self._lasted_s = 0.0
        self._silent = 0

    @classmethod
    async def make(cls, plan: ClaimsPlan) -> Self:
        """Connects the players."""
        game = check(plan.game)
        table = spawn_table(game.collectibles, game.progression, {c.code: c for c in game.currencies})
        voice = _BySocket if plan.over == "socket" else _ByHttp
        claimants = [_Claimant(seat, await voice.connect(plan, seat), pipelined=plan.pipelined) for seat in plan.seats]
        return cls(plan, claimants, Spawns(key=plan.spawn_key.encode(), table=table, cells_cached_max=1))

    async def prepare(self, units: int) -> None:
        """Takes each pair of players to a stand of its own, among twice as much as they are likely to claim.

        In short rounds that is little, and the round before may have been slowed down by others: hence some more.
        """
        each = ceil(units * _SPARE / len(self._claimants)) + _MORE
        window = self._spawns.window_at(SystemClock().now_us())
        line = await HttpLine.connect(self._plan.http)
        for pair in zip(self._claimants[::2], self._claimants[1::2], strict=True):
            stand = _STAND_FIRST + self._stands * _STAND_STEP
            self._stands += 1
            for claimant in pair:
                await self._go(line, claimant, *cells.centre_deg(stand))
                claimant.wanted = []
            self._share_out(pair, self._around(stand, window), each=each)
        line.close()

    async def round(self, seconds: float) -> None:
        """Claims for so long, and waits for the last answers."""
        all_rest: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        busy = len(self._claimants)

        def rests() -> None:
            nonlocal busy
            busy -= 1
            if busy == 0:
                all_rest.set_result(None)

        started_s = perf_counter()
        for claimant in self._claimants:
            claimant.start(until_s=started_s + seconds, rests=rests)
        await asyncio.wait([all_rest], timeout=seconds + _ANSWER_S)
        self._lasted_s, self._silent = perf_counter() - started_s, busy

    async def tally(self) -> Tally:
        """What the answers of the last round say."""
        tally = Tally(seconds=self._lasted_s)
        for claimant in self._claimants:
            tally.latencies_s += claimant.latencies_s
            for raw in filter(None, claimant.answers):
                outcome = claimant.voice.outcome(raw)
                if isinstance(outcome, Collected):
                    tally.told.append(Told(claimant.seat.id, outcome))
                else:
                    tally.refusals[outcome] += 1
                tally.done += 1
        dry = sum(not claimant.wanted for claimant in self._claimants)
        cut = sum(_CUT in claimant.answers for claimant in self._claimants)
        tally.faults += [f"{self._silent} players waited {_ANSWER_S:.0f} s for an answer"] * (self._silent > 0)
        tally.faults += [f"{cut} connections were cut"] * (cut > 0)
        tally.faults += [f"{dry} players ran out of collectibles: take more players or less time"] * (dry > 0)
        return tally

    async def close(self) -> None:
        """Ends the connections."""
        for claimant in self._claimants:
            claimant.voice.close()

    async def _go(self, line: HttpLine, claimant: _Claimant, lat_deg: float, lng_deg: float) -> None:
        """Moves a player, on a time line of its own: a day for each stand."""
        at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=self._stands)
        body = f'{{"lat":{lat_deg},"lng":{lng_deg},"accuracy_m":5,"timestamp":"{at.isoformat()}"}}'
        sent = request("POST", "/v1/location/update", token=claimant.seat.token, key=self._plan.key, body=body)
        status, said = await line.ask(sent.encode())
        if b'"accepted":true' not in said:
            raise RuntimeError(f"a fix was answered {status} {said!r}")

    def _around(self, stand: int, window: int) -> Iterator[str]:
        """The ids of what lies within reach of a stand's middle, computed as they are asked for."""
        lat_deg, lng_deg = cells.centre_deg(stand)
        for cell in cells_at(stand, self._spawns.cell_level):
            for spawn in self._spawns.in_cells([cell], window=window):
                if distance_between_m(lat_deg, lng_deg, spawn.lat_deg, spawn.lng_deg) < _STAND_REACH_M:
                    yield spawn.id

    def _share_out(self, pair: Sequence[_Claimant], around: Iterator[str], *, each: int) -> None:
        both = self._plan.contested / (2 - self._plan.contested)
        for coin in around:
            takers = pair if self._random.random() < both else [min(pair, key=lambda one: len(one.wanted))]
            for claimant in takers:
                claimant.wanted.append(coin)
            if len(pair[0].wanted) >= each and len(pair[1].wanted) >= each:
                break
        for claimant in pair:
            claimant.wanted.reverse()
