"""All walkers of a city at once, until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread

import uvloop
from rich.console import Console

from overworld.app.demo import places
from overworld.app.demo.city import City
from overworld.app.demo.places import Places
from overworld.app.demo.player import Errands, Player, Tally, device_id
from overworld.app.demo.settings import DemoSettings
from overworld.app.demo.walker import Walker
from overworld.app.link import Link
from overworld.app.signals import end_after, stop_on_signal
from overworld.client import Closed, Refused, Start, Unreachable
from overworld.client.http import trusted
from overworld.geo import cells
from overworld.kernel.clock import SystemClock

_SIGN_INS_AT_ONCE = 8
_TRY_AGAIN_S = 3.0
_KEEP_EVERY_S = 5.0
_SHOW_EVERY_S = 1.0
_RATES_OVER = 11
_FINISH_S = 2.0
_END_MAX_S = 8.0
_STANDARD_INPUT = 0


def demo(settings: DemoSettings, *, server: str, key: str, data: Path, until_input_ends: bool) -> int:
    """Walks until SIGINT or SIGTERM, or until standard input ends; gives the exit code, 0 when it could walk at all.

    Where the walkers are is kept in `data`, if there is such a folder.
    """
    crowd = Crowd(settings, server=server, key=key, data=data)
    try:
        uvloop.run(crowd.walk(until_input_ends=until_input_ends))
    except Unreachable as error:
        problem = f"{server} does not answer as an Overworld server: {error}"
    except (Refused, Closed, TimeoutError) as error:
        problem = str(error) or "the server did not answer in time"
    else:
        _print(summary(crowd.tally))
        return 0
    sys.stderr.write(f"overworld: {problem}\n")
    return 1


class Crowd:
    """The walkers of one city, each a player of its own."""

    def __init__(self, settings: DemoSettings, *, server: str, key: str, data: Path) -> None:
        self.tally = Tally()
        self._settings = settings
        self._city = City(settings.lat, settings.lng, settings.radius_m)
        self._server = server
        self._key = key
        self._data = data
        self._clock = SystemClock()
        self._tls = trusted()
        self._errands = Errands()

    async def walk(self, *, until_input_ends: bool) -> None:
        """Walks until told to stop; claims that were begun then end.

        Raises: Unreachable, Refused, Closed, TimeoutError when the server cannot be used from the start.
        """
        stop = stop_on_signal()
        if until_input_ends:
            _stop_at_end_of_input(stop)
        told, walking = asyncio.create_task(stop.wait()), asyncio.create_task(self._walk_all())
        await asyncio.wait({told, walking}, return_when=asyncio.FIRST_COMPLETED)
        end_after(_END_MAX_S)
        told.cancel()
        await self._errands.finish(within_s=_FINISH_S)
        walking.cancel()
        with suppress(asyncio.CancelledError):
            await walking

    async def _walk_all(self) -> None:
        cells.warm()
        async with self._link(0, start=None) as first:
            start = first.start
        players = self._players(start)
        turns = asyncio.Semaphore(_SIGN_INS_AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                for player in players:
                    group.create_task(player.live(turns))
                group.create_task(self._keep_places(players))
                group.create_task(self._show())
        finally:
            self._keep(players)

    def _players(self, start: Start) -> list[Player]:
        known = dict(enumerate(places.read(self._data, seed=self._settings.seed, city=self._city)))
        now_s = self._clock.now_us() / 1e6
        players = []
        for number in range(self._settings.walkers):
            random = Random(f"{self._settings.seed}-{number}")  # noqa: S311 - where walkers walk is no secret
            walker = Walker(
                self._city,
                random=random,
                among=self._settings.walkers,
                reach_m=start.game.reach_m,
                now_s=now_s,
                place=known.get(number),
            )
            link = partial(self._link, number)
            player = Player(
                walker,
                self._city,
                link=link,
                start=start,
                tally=self.tally,
                errands=self._errands,
                clock=self._clock,
                random=random,
            )
            players.append(player)
        return players

    def _link(self, number: int, *, start: Start | None) -> Link:
        return Link(
            self._server,
            key=self._key,
            device_id=device_id(self._key, seed=self._settings.seed, number=number),
            own_timeline=False,
            start=start,
            tls=self._tls,
            pause_s=_TRY_AGAIN_S,
        )

    async def _keep_places(self, players: list[Player]) -> None:
        while True:
            await asyncio.sleep(_KEEP_EVERY_S)
            self._keep(players)

    def _keep(self, players: list[Player]) -> None:
        """May fail: a walker whose last place is not known only has to wait until it is believed."""
        with suppress(OSError):
            kept = Places(self._settings.seed, self._city, [player.walker.place for player in players])
            kept.write(self._data)

    async def _show(self) -> None:
        """What is going on: on a terminal all the time, in a pipe a line as soon as all are out."""
        console = Console(stderr=True)
        if console.is_terminal:
            with console.status("") as status:
                async for line in self._rates():
                    status.update(f"{line}. Ctrl-C ends it.")
        async for line in self._rates():
            if self.tally.out == self._settings.walkers:
                _print(f"{line}.")
                return

    async def _rates(self) -> AsyncIterator[str]:
        past: deque[tuple[int, int]] = deque(maxlen=_RATES_OVER)
        while True:
            past.append((self.tally.fixes, self.tally.collected))
            span_s = max(1, len(past) - 1) * _SHOW_EVERY_S
            fixes, collected = ((now - then) / span_s for then, now in zip(past[0], past[-1], strict=True))
            yield (
                f"{self.tally.out} of {self._settings.walkers} walkers out, {fixes:.0f} fixes/s, "
                f"{collected:.1f} collected/s, {self.tally.collected:,} in all"
            )
            await asyncio.sleep(_SHOW_EVERY_S)


def summary(tally: Tally) -> str:
    """What the walkers came to, in a line."""
    lost = sum(tally.claims_refused.values())
    earned = ", ".join(f"{amount:,} {currency}" for currency, amount in sorted(tally.earned.items())) or "nothing"
    refused = ", ".join(f"{n:,} {reason}" for reason, n in sorted(tally.refused.items())) or "0"
    return (
        f"{tally.fixes:,} fixes ({refused} refused), {tally.collected:,} collected for {earned}, "
        f"{lost:,} claims refused, {tally.breaks:,} lines broken."
    )


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """Who started us holds the other end of the pipe: it ends when they do, however they end."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with suppress(OSError):
            while os.read(_STANDARD_INPUT, 4_096):
                pass
        with suppress(RuntimeError):  # the loop may have ended just before
            loop.call_soon_threadsafe(stop.set)

    Thread(target=wait, name="standard-input", daemon=True).start()


def _print(line: str) -> None:
    """Nobody may be there to read it: who started us may have been killed."""
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
