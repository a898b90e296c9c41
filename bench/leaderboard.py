"""Scores a second from the log to ranks, rank queries among many players meanwhile, and the same scores row by row."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from os import urandom
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Annotated, Any
from uuid import UUID

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.load.process import Tally
from bench.machine import machine, rss_mb
from bench.own_postgres import Inside, own_postgres
from bench.prove.outcome import percentile, say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from overworld.app.doors import BoardsProgress
from overworld.domains.gameplay.boards import rules, store
from overworld.domains.gameplay.boards.scoring import NAME, TOPICS
from overworld.domains.gameplay.boards.service import Asked
from overworld.domains.gameplay.boards.standings import TOPICS as TOLD
from overworld.domains.gameplay.boards.types import ALWAYS, Key
from overworld.domains.gameplay.boards.wiring import build
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.money import Currency
from overworld.platform.eventlog import EventLog, Fold, PostgresOutbox

_CURRENCY = Currency("coin")
_WORLD = Key("global", ALWAYS.starts_at)
_REGION_LEVEL = 10
_BATCH = 256
_SPARE = 1.5
_UPDATES_MIN = 2_000
_AMOUNT_MAX = 500
_GUESS_PER_S = 8_000
_GUESS_ROW_BY_ROW_PER_S = 1_500
_ROW_BY_ROW_ROUNDS = 3
_WRITERS = 16
_ASKED_PER_S = 200
_SHOWN_PER_S = 100
_SHOWN_S_MAX = 5.0
_LOOK_S = 0.01
_ALONE_MAX = 20_000
_COMPARED = 200

Players = Annotated[int, Parameter(validator=Number(gte=100, lte=5_000_000))]


class _NoClubs:
    async def players(self, membership: str) -> None:
        """There is no such club."""


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    seconds: float
    rounds: int
    seed: int


def leaderboard(
    *, players: Players = 1_000_000, seconds: Seconds = 15, rounds: RoundCount = 5, seed: int = 1, json: Json = False
) -> int:
    """Collections a second that come into scores and ranks, and rank queries among a million players meanwhile.

    The log is full of collections, in batches as claims write them; one fold adds them to four boards each, and what it
    tells goes into the ranked sets of this process. Places around a player are asked for 200 times a second meanwhile,
    timed from when they were due. Then each collection is written in a transaction of its own, as a claim would have
    to. In the end ranks are compared with the table, and the table with what was collected.

    Parameters
    ----------
    players
        Players who have scores on every board.
    seconds
        Measured time, all rounds together; row by row takes 3 rounds more.
    rounds
        Rounds after the warm-up.
    seed
        Of who collects what.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(players=players, seconds=seconds, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


class _Season:
    """The load: collections of random players in the log, and questions about places."""

    def __init__(self, inside: Inside, wanted: _Wanted) -> None:
        clock = SystemClock()
        self._inside = inside
        self._random = Random(wanted.seed)
        self._clock = clock
        self._ids = IdSource(clock.now_us, urandom)
        self._outbox = PostgresOutbox(ids=self._ids)
        self.log = EventLog(inside.database, clock=clock)
        self.boards = rules.boards_of({}, [_CURRENCY])
        self.parts = build(
            database=inside.database,
            clock=clock,
            outbox=self._outbox,
            progress=BoardsProgress(),
            memberships=_NoClubs(),
            declared={},
            currencies=[_CURRENCY],
            region_level=_REGION_LEVEL,
        )
        self.players = [UUID(int=self._random.getrandbits(128)) for _ in range(wanted.players)]
        self.collected = 0
        self._fold: Fold | None = None
        self._waiting: dict[UUID, float] = {}
        self._shown_s: list[float] = []
        self._tally = Tally()
        self._published = 0

    async def fill(self) -> None:
        """Gives every player one to five hundred coins on every board, all in different regions of one city."""
        now = self._clock.now()
        for first in range(0, len(self.players), 10_000):
            some = self.players[first : first + 10_000]
            amounts = [self._random.randint(1, _AMOUNT_MAX) for _ in some]
            self.collected += sum(amounts)
            for board in self.boards.values():
                region = self._random.getrandbits(20) + 1 if board.by_region else 0
                async with self._inside.database.transaction() as tx:
                    await tx.execute(_FILL, some, board.name, board.window(now).starts_at, region, amounts, now)
        async with self._inside.database.read() as tx:
            await tx.execute("VACUUM ANALYZE gameplay.board_score")

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Ranks follow the log while the block runs."""
        await self.log.start()
        tail = await self.log.tail(topics=TOLD, handle=self._hear)
        running = asyncio.create_task(tail.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])
            await self.log.close()

    async def prepare(self, units: int) -> None:
        """Writes that many collections into the log and more."""
        wanted = int(_SPARE * max(units, _UPDATES_MIN))
        for _ in range(max(0, wanted - self._left) // _BATCH + 1):
            await self._publish([self._collection() for _ in range(_BATCH)])

    async def round(self, seconds: float) -> None:
        """Folds for so long, or until the log is empty, and asks."""
        with _calm():
            begun_s = perf_counter()
            async with self._folding() as fold:
                await self._ask(fold, begun_s, until_s=begun_s + seconds)
            self._tally.seconds = perf_counter() - begun_s
            self._tally.done = fold.handled

    async def tally(self) -> Tally:
        """What came of the last round."""
        tally, self._tally = self._tally, Tally()
        return tally

    async def settle(self) -> None:
        """Lets the fold read the log to its end, and ranks hear of it."""
        async with self._folding():
            while self._left:  # noqa: ASYNC110 - a fold has no event for this
                await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(1)

    @asynccontextmanager
    async def _folding(self) -> AsyncIterator[Fold]:
        """The fold runs while the block does; what it handled is left no more."""
        fold = self._fold = self.log.fold(NAME, topics=TOPICS, apply=self.parts.scoring.apply)
        running = asyncio.create_task(fold.run())
        yield fold
        fold.stop()
        await running
        self._published -= fold.handled
        self._fold = None
        self._tally.faults += ["the fold gave events up"] * (fold.buried > 0)

    @property
    def _left(self) -> int:
        """How many collections lie in the log that are not counted."""
        return self._published - (self._fold.handled if self._fold else 0)

    async def shown(self, seconds: float) -> list[float]:
        """How long it takes from a collection until its player has the rank, one by one, at a rate; in seconds."""
        async with self._folding():
            await asyncio.sleep(0.5)
            for _ in range(int(seconds * _SHOWN_PER_S)):
                event = self._collection()
                self._waiting[event.player_id] = perf_counter()
                await self._publish([event])
                await asyncio.sleep(1 / _SHOWN_PER_S)
            until_s = perf_counter() + 10
            while self._waiting and perf_counter() < until_s:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(_LOOK_S)
        self._tally.faults += [f"{len(self._waiting)} ranks were never seen"] * bool(self._waiting)
        return self._shown_s

    async def alone(self, count: int) -> list[float]:
        """What a question takes when nothing else happens, in seconds."""
        took_s = []
        with _calm():
            for player_id in self._random.choices(self.players, k=count):
                begun_s = perf_counter()
                await self._around(player_id)
                took_s.append(perf_counter() - begun_s)
        return took_s

    async def faults(self) -> list[str]:
        """Where ranks and the table, or the table and what was collected, differ."""
        async with self._inside.database.read() as tx:
            total = int(await tx.fetchval("SELECT sum(score) FROM gameplay.board_score WHERE board = 'global'"))
            rows = await tx.fetch(_TOP, _COMPARED)
        faults = [f"{total} coins are on the board, {self.collected} were collected"] * (total != self.collected)
        page, _ = await self.parts.service.page(Asked(player_id=rows[0]["player_id"], limit=_COMPARED))
        shown = [(item.player_id, int(item.score)) for item in page.items]
        wrong = shown != [(row["player_id"], row["score"]) for row in rows]
        return self._tally.faults + faults + ["the first places are not those of the table"] * wrong

    def row_by_row(self) -> _RowByRow:
        """The same, each collection in a transaction of its own."""
        return _RowByRow(self, self._inside)

    def collection(self) -> tuple[CollectibleCollected, list[Any]]:
        """A collection, and what it adds to each board."""
        event = self._collection()
        added = rules.Tally(rules.Calendar(self.boards.values()), region_level=_REGION_LEVEL)
        added.add(event, self._clock.now())
        return event, added.gains()

    async def _ask(self, fold: Fold, begun_s: float, *, until_s: float) -> None:
        due_s = begun_s
        while (due_s := due_s + 1 / _ASKED_PER_S) < until_s and fold.handled < self._published:
            if (early_s := due_s - perf_counter()) > 0:
                await asyncio.sleep(early_s)
            await self._around(self._random.choice(self.players))
            self._tally.latencies_s.append(perf_counter() - due_s)

    async def _around(self, player_id: UUID) -> None:
        page, _ = await self.parts.service.page(Asked(player_id=player_id, around_me=True, limit=11))
        if page.me is None or page.me not in page.items:
            self._tally.faults.append(f"{player_id} is not around themselves")

    async def _hear(self, envelopes: Sequence[Envelope]) -> None:
        for key, player_ids in await self.parts.service.standings.on_events(envelopes):
            if key == _WORLD and self._waiting:
                now_s = perf_counter()
                for player_id in player_ids:
                    with suppress(KeyError):
                        self._shown_s.append(now_s - self._waiting.pop(player_id))

    async def _publish(self, events: Sequence[CollectibleCollected]) -> None:
        async with self._inside.database.transaction() as tx:
            await self._outbox.append(tx, events, at=self._clock.now())
        self._published += len(events)
        self.collected += sum(event.amount_minor for event in events)

    def _collection(self) -> CollectibleCollected:
        return CollectibleCollected(
            player_id=self._random.choice(self.players),
            collectible_id="AbCdEfGhIjKlMnOpQrStUvWx",
            type="gold",
            currency=_CURRENCY.code,
            amount_minor=self._random.randint(1, 20),
            experience=1,
            cell="4765326cc",
            lat_deg=46.05 + self._random.random(),
            lng_deg=14.5 + self._random.random(),
        )


class _RowByRow:
    """What the fold is compared with: each collection's scores written by themselves, over 16 connections."""

    def __init__(self, season: _Season, inside: Inside) -> None:
        self._season = season
        self._inside = inside
        self._tally = Tally()

    async def prepare(self, units: int) -> None:
        """Nothing: what is written is drawn on the way."""

    async def round(self, seconds: float) -> None:
        """Writes for so long."""
        with _calm():
            begun_s = perf_counter()
            await asyncio.gather(*(self._write(begun_s + seconds) for _ in range(_WRITERS)))
            self._tally.seconds = perf_counter() - begun_s

    async def tally(self) -> Tally:
        """What came of the last round."""
        tally, self._tally = self._tally, Tally()
        tally.done = len(tally.latencies_s)
        return tally

    async def _write(self, until_s: float) -> None:
        while (begun_s := perf_counter()) < until_s:
            event, gains = self._season.collection()
            async with self._inside.database.transaction() as tx:
                await store.add(tx, gains)
            self._season.collected += event.amount_minor
            self._tally.latencies_s.append(perf_counter() - begun_s)


_FILL = """
INSERT INTO gameplay.board_score (player_id, board, starts_at, region, score, reached_at)
SELECT player_id, $2, $3, $4, score, $6::timestamptz - place * interval '1 us'
FROM unnest($1::uuid[], $5::bigint[]) WITH ORDINALITY AS filled (player_id, score, place)"""
_TOP = """
SELECT player_id, score FROM gameplay.board_score WHERE board = 'global'
ORDER BY score DESC, reached_at, player_id LIMIT $1"""


class _calm:  # noqa: N801 - it reads as a statement
    """No collection of garbage while the block runs, as in the server, which collects when it is idle."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
        gc.unfreeze()


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.players:,} players on four boards")
    async with own_postgres(folder) as inside:
        season = _Season(inside, wanted)
        await season.fill()
        say("reading the boards of the world into memory")
        before_mb, begun_s = rss_mb(None), perf_counter()
        async with season.following():
            await season.parts.service.load()
            load_s, memory_mb = perf_counter() - begun_s, rss_mb(None)
            alone_s = await season.alone(min(_ALONE_MAX, wanted.players * 10))
            rounds = await measure(
                season,
                inside,
                unit="collections",
                rounds=wanted.rounds,
                seconds=wanted.seconds,
                guess_per_s=_GUESS_PER_S,
            )
            await season.settle()
            say("one collection at a time, until its rank is seen")
            shown_s = await season.shown(min(_SHOWN_S_MAX, wanted.seconds))
            faults = await season.faults()
        say("the same row by row")
        one_by_one = await _row_by_row(wanted, season, inside)
        return Report(
            benchmark="leaderboard",
            spans=spans(rounds.measured, rate="updates_per_s"),
            cpu=[one.cpu for one in (*rounds.measured, *one_by_one.measured)],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={"players": wanted.players, "boards": 4, "asked_per_s": _ASKED_PER_S, "seconds": wanted.seconds},
            figures={
                **_compared(rounds, one_by_one),
                "alone_p50_us": round(1e6 * percentile(alone_s, 0.5), 1),
                "alone_p99_us": round(1e6 * percentile(alone_s, 0.99), 1),
                "shown_p50_ms": round(1e3 * percentile(shown_s, 0.5), 1),
                "shown_p99_ms": round(1e3 * percentile(shown_s, 0.99), 1),
                "ranks_mb": round(memory_mb - before_mb, 1),
                "load_s": round(load_s, 2),
                "updates": season.parts.scoring.added,
            },
            faults=[fault for tally in rounds.tallies for fault in tally.faults] + faults,
        )


async def _row_by_row(wanted: _Wanted, season: _Season, inside: Inside) -> Rounds:
    return await measure(
        season.row_by_row(),
        inside,
        unit="collections",
        rounds=_ROW_BY_ROW_ROUNDS,
        seconds=wanted.seconds * _ROW_BY_ROW_ROUNDS / wanted.rounds,
        guess_per_s=_GUESS_ROW_BY_ROW_PER_S,
    )


def _compared(rounds: Rounds, one_by_one: Rounds) -> dict[str, Any]:
    """The fold beside row by row, by the medians; processor time of a collection where it was used."""
    theirs = spans(one_by_one.measured, rate="updates_per_s")
    ratio = median(one.per_s for one in rounds.measured) / median(theirs["updates_per_s"])
    row_by_row = {name: round(median(values), 3) for name, values in theirs.items()} | _used_us(one_by_one)
    return {"ratio_vs_row_by_row": round(ratio, 2), **_used_us(rounds), "row_by_row": row_by_row}


def _used_us(rounds: Rounds) -> dict[str, float]:
    used = cpu_us(rounds.measured, "update")
    return {"python_update_us": used["server_update_us"], "postgres_update_us": used["postgres_update_us"]}
