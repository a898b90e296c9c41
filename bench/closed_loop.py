"""Claims by coroutines of this process, each with one under way: what an answer takes without a connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from uuid import UUID

from msgspec.structs import asdict

from bench.collecting import City
from bench.load.process import Tally
from bench.prove.books import Told
from overworld import client
from overworld.domains.gameplay.messages import ClaimCollectible, Collected
from overworld.kernel.identity import Answer
from overworld.kernel.refusals import Refusal

_SPARE = 1.5
_CLAIMS_MIN = 2_000

Collect = Callable[[ClaimCollectible], Awaitable[Answer[Collected]]]


class ClosedLoop:
    """`in_flight` coroutines that claim in turn. Every so manieth claim, by the share `replays`, is made twice.

    The second time it has to get the answer of the first.
    """

    def __init__(self, city: City, collect: Collect, *, in_flight: int, replays: float) -> None:
        self._city = city
        self._collect = collect
        self._in_flight = in_flight
        self._again_every = round(1 / replays) if replays else 0
        self._claims: list[ClaimCollectible] = []
        self._tally = Tally()
        self._wins: list[tuple[UUID, Collected]] = []
        self._dry = False
        self._count = 0

    async def prepare(self, units: int) -> None:
        """Finds that many claims and more; everybody reports where they stand."""
        self._claims = await self._city.claims(max(int(_SPARE * units), _CLAIMS_MIN))
        self._city.report_again()

    async def everybody_once(self) -> None:
        """Makes a claim of everybody, so that all are known and have a wallet: whoever is new costs round trips."""
        self._claims = await self._city.first_claims()
        self._city.report_again()
        await self._run(until_s=perf_counter() + 600.0)
        self._dry = False

    async def round(self, seconds: float) -> None:
        """Claims for so long, and waits for the last answers."""
        wal_bytes = await self._city.inside.wal_bytes()
        gc.collect()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        begun_s = perf_counter()
        await self._run(until_s=begun_s + seconds)
        self._tally.seconds = perf_counter() - begun_s
        gc.enable()
        gc.unfreeze()
        wal_bytes = await self._city.inside.wal_bytes() - wal_bytes
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, len(self._tally.latencies_s)), 1)

    async def tally(self) -> Tally:
        """What the answers since the last time say."""
        tally, self._tally = self._tally, Tally()
        tally.done = len(tally.latencies_s)
        for player_id, won in self._wins:
            tally.told.append(Told(player_id, client.Collected(**asdict(won))))
        tally.faults += ["nothing was left to claim: take more players or less time"] * self._dry
        self._wins = []
        return tally

    async def _run(self, *, until_s: float) -> None:
        left = iter(self._claims)
        await asyncio.gather(*(self._work(left, until_s) for _ in range(self._in_flight)))
        self._dry = next(left, None) is None

    async def _work(self, left: Iterator[ClaimCollectible], until_s: float) -> None:
        for command in left:
            begun_s = perf_counter()
            if begun_s >= until_s:
                return
            answer = await self._claim(command, begun_s)
            if isinstance(answer, Answer):
                self._wins.append((command.player_id, answer.value))
            else:
                self._tally.refusals[answer] += 1
            self._count += 1
            if self._again_every and self._count % self._again_every == 0:
                again = await self._claim(command, perf_counter())
                if again != (Answer(answer.value, replayed=True) if isinstance(answer, Answer) else answer):
                    self._tally.faults.append(f"{command.key} was answered {answer} and then {again}")

    async def _claim(self, command: ClaimCollectible, begun_s: float) -> Answer[Collected] | str:
        try:
            answer = await self._collect(command)
        except Refusal as refusal:
            self._tally.latencies_s.append(perf_counter() - begun_s)
            return refusal.code
        self._tally.latencies_s.append(perf_counter() - begun_s)
        return answer
