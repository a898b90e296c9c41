"""One process of a run: its bots signed in and connected, their fixes sent when they are due, the answers counted.

Every process moves the whole crowd, which costs next to nothing, and sends for its own share: so bots may depend on
each other, and how many processes there are changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic, time_ns
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
from picows import WSError

from overworld.app.bots import recording
from overworld.app.bots.crowd import crowd
from overworld.app.bots.emitting import WISH
from overworld.app.bots.gathering import Gathering
from overworld.app.bots.hearing import Hearing
from overworld.app.bots.pool import Pool
from overworld.app.bots.recording import SENT, Recording
from overworld.app.bots.seats import SeatRefused, Seats
from overworld.app.bots.source import Moving, Repeating, Source
from overworld.app.bots.standings import Standings
from overworld.app.bots.wire import At, Plan, Result, Running
from overworld.client.http import trusted
from overworld.client.messages import Start
from overworld.client.raw import SocketLine
from overworld.client.raw_http import Cut
from overworld.kernel.packed import HEADER, POSITION, POSITIONS, VERSION

STEP_US = 50_000
_AT_ONCE = 32
_LOOK_EVERY_S = 15.0
_TELL_EVERY_S = 0.5
_HEARD_WITHIN_S = 15.0
_E7 = 1e-7
_FRAME_BYTES = HEADER.size + POSITION.itemsize

Say = Callable[[Any], None]


class Fleet:
    """The bots of one process. First `enter`, then `run`, then `ask` how they stand."""

    def __init__(self, plan: Plan, *, say: Say) -> None:
        self._plan = plan
        self._say = say
        self._tls = trusted() if plan.server.startswith("https") else None
        self._pool = Pool(plan.server, at_once=_AT_ONCE, tls=self._tls)
        self._replayed: Recording | None = recording.read(plan.replay) if plan.replay is not None else None
        self._source = self._made(start_us=0)
        self._mine = np.arange(plan.share, len(self._source.kind), plan.of)
        self._seats = Seats(self._pool, run=plan.run)
        self._lines: dict[int, SocketLine] = {}
        self._hearing = Hearing(self._source.kind)
        self._standings = Standings(self._pool, self._seats.tokens)
        self._lat_deg, self._lng_deg = np.full((2, len(self._source.kind)), np.nan)
        self._kept: tuple[list[Any], list[Any]] = ([], [])
        self._over = asyncio.Event()
        self._start: Start

    async def enter(self) -> None:
        """Signs everybody in and connects them. Raises: SeatRefused; Cut; OSError; WSError; TimeoutError."""
        mine = self._mine.tolist()
        warm(self._plan)
        await self._all(mine, "signed in", self._seats.sign_in)
        if not mine:
            return
        status, body = await self._pool.ask("GET", "/v1/start", token=self._seats.tokens[mine[0]])
        if status != 200:  # noqa: PLR2004
            raise SeatRefused.of(status, body)
        self._start = msgspec.json.decode(body, type=Start)
        await self._all(mine, "connected", partial(self._connect, self._start.addresses.realtime))

    def end(self) -> None:
        """Ends the run before its time."""
        self._over.set()

    async def run(self, start_us: int) -> Result:
        """Sends everything when it is due, and waits until all of it was judged."""
        self._source = self._made(start_us=start_us)
        began_s = monotonic() + (start_us - time_ns() // 1_000) / 1e6
        beside = [
            asyncio.create_task(self._tell(began_s)),
            asyncio.create_task(self._look(began_s)),
            asyncio.create_task(self._seats.keep(self._lines)),
        ]
        try:
            await self._drive(start_us, began_s)
            await self._hearing.wait_judged(self._lines, within_s=_HEARD_WITHIN_S)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        self._say(Running(monotonic() - began_s, self._hearing.tally))
        await self._all(self._mine.tolist(), "asked", lambda bot: self._ask(bot, began_s))
        sent, wished = (
            np.concatenate([np.zeros(0, kind), *rows]) for kind, rows in zip((SENT, WISH), self._kept, strict=True)
        )
        return Result(self._hearing.tally, self._standings.told, sent, wished)

    def close(self) -> None:
        """Ends all connections."""
        for line in self._lines.values():
            line.close()
        self._pool.close()

    def _made(self, *, start_us: int) -> Source:
        plan = self._plan
        if self._replayed is not None:
            return Repeating(self._replayed, start_us=start_us)
        return Moving(
            crowd(seed=plan.seed, players=plan.players, cheaters=plan.cheaters, city=plan.city, start_us=start_us)
        )

    async def _drive(self, start_us: int, began_s: float) -> None:
        gathering = Gathering(
            pool=self._pool, noun=self._start.game.collectibles, reach_m=self._start.game.reach_m,
            tokens=self._seats.tokens, source=self._source, lat_deg=self._lat_deg, lng_deg=self._lng_deg,
            claim=self._claim,
        )  # fmt: skip
        self._hearing.tried = gathering.lost
        for step in range(1, 1 + round(self._plan.seconds * 1e6 / STEP_US)):
            due_s = began_s + step * STEP_US / 1e6
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), max(0.0, due_s - monotonic()))
            if self._over.is_set():
                break
            now_us = start_us + step * STEP_US
            self._send(self._own(self._source.step(now_us)))
            wished = self._own(self._source.wishes())
            for bot in wished["bot"].tolist():
                gathering.wishes(bot)
            if self._plan.records:
                self._kept[1].append(wished)
            self._hearing.count()
            self._hearing.tally.late_ms = max(self._hearing.tally.late_ms, 1e3 * (monotonic() - due_s))
        await gathering.end()

    def _own(self, rows: Any) -> Any:
        return rows[rows["bot"] % self._plan.of == self._plan.share]

    def _send(self, sent: Any) -> None:
        """Each fix in a frame of its own, as phones send them."""
        if not len(sent):
            return
        bots, fixes = sent["bot"], sent["fix"]
        self._lat_deg[bots], self._lng_deg[bots] = fixes["lat_e7"] * _E7, fixes["lng_e7"] * _E7
        frames = frames_of(fixes)
        lines, tally = self._lines, self._hearing.tally
        for i, bot in enumerate(bots.tolist()):
            line = lines.get(bot)
            if line is None:
                tally.unsent += 1
            else:
                line.send_packed(frames[i * _FRAME_BYTES : (i + 1) * _FRAME_BYTES])
        np.add.at(tally.sent, self._source.kind[bots], 1)
        if self._plan.records:
            self._kept[0].append(sent)

    def _claim(self, bot: int, collectible: str) -> None:
        line = self._lines.get(bot)
        if line is not None:
            action = {"action": "collect", "target": collectible, "request_id": str(uuid4())}
            cid = self._hearing.asks(bot, collectible)
            line.send(msgspec.json.encode({"type": "game.action", "cid": cid, "data": action}))

    async def _connect(self, url: str, bot: int) -> None:
        line = await SocketLine.connect(url, token=self._seats.tokens[bot], tls=self._tls)
        line.heard = partial(self._hearing.text, bot)
        line.heard_packed = partial(self._hearing.packed, bot)
        line.ended = partial(self._cut, bot)
        self._lines[bot] = line
        self._hearing.tally.online += 1

    def _cut(self, bot: int) -> None:
        self._lines.pop(bot, None)
        self._hearing.tally.online -= 1
        self._hearing.tally.cut += 1

    async def _ask(self, bot: int, began_s: float) -> None:
        await self._standings.ask([bot], began_s=began_s, at_once=1)

    async def _tell(self, began_s: float) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self._say(Running(max(0.0, monotonic() - began_s), self._hearing.tally))

    async def _look(self, began_s: float) -> None:
        """Looks now and then how the cheats stand, so that it is known when they were noticed."""
        cheats = self._mine[self._source.is_cheat[self._mine]].tolist()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self._standings.ask(cheats, began_s=began_s, at_once=4)

    async def _all(self, bots: Sequence[int], what: str, do: Callable[[int], Any]) -> None:
        """Does something for every bot, some at once."""
        left, done, told_s = iter(bots), 0, 0.0

        async def in_turn() -> None:
            nonlocal done, told_s
            for bot in left:
                await do(bot)
                done += 1
                if monotonic() - told_s > _TELL_EVERY_S or done == len(bots):
                    told_s = monotonic()
                    self._say(At(what, done, len(bots)))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(in_turn())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None


def frames_of(fixes: Any) -> bytes:
    """Frames of one fix each, one behind the other; `fixes` are records of `kernel.packed.POSITION`."""
    frames = np.empty((len(fixes), _FRAME_BYTES), np.uint8)
    frames[:, : HEADER.size] = np.frombuffer(HEADER.pack(POSITIONS, VERSION, 1), np.uint8)
    frames[:, HEADER.size :] = np.ascontiguousarray(fixes).view(np.uint8).reshape(len(fixes), POSITION.itemsize)
    return frames.tobytes()


def warm(plan: Plan) -> None:
    """Compiles what moves bots, before anybody waits for them."""
    few = Moving(crowd(seed=0, players=50, cheaters=0.5, city=plan.city))
    few.step(2_000_000)
    few.wishes()
    few.lead(np.arange(50), np.full(50, plan.city.lat_deg), np.full(50, plan.city.lng_deg), np.full(50, 10.0))


TROUBLE = (SeatRefused, Cut, OSError, WSError, TimeoutError, recording.BadRecording)
"""What a process may give up for."""
