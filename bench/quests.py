"""Events a second that become progress of quests, by the log's consumer, and one event at a time beside it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from os import urandom
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Annotated
from uuid import UUID

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.load.process import Measured, Tally
from bench.machine import machine, rss_mb
from bench.own_postgres import Inside, own_postgres
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from overworld.app.doors import TrustEverybody
from overworld.app.quest_loops import consumer_of
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.gameplay.carry.types import Kit
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.domains.gameplay.quests.folding import CONSUMER
from overworld.domains.gameplay.quests.messages import QuestProgressed
from overworld.domains.gameplay.quests.rules import Definition
from overworld.domains.gameplay.quests.types import Collect, QuestRules, Walk
from overworld.domains.gameplay.quests.wiring import QuestParts, build
from overworld.domains.gameplay.rewards import Rewards
from overworld.domains.ledger import Ledger
from overworld.domains.world.messages import LocationUpdated
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import FixColumns
from overworld.platform.eventlog import EventLog, PostgresOutbox
from overworld.platform.postgres import run_again

CONNECTIONS = 64
_BATCH = 256
_GOAL = 1_000_000_000
_GUESS_PER_S = 15_000
_SPARE = 3.0
_EVENTS_MIN = 4_000
_WALKS_EVERY = 4
_TYPES = ("bronze", "silver", "gold")
_QUESTS = {
    "collect": QuestRules(title="Collect", objectives=(Collect(count=_GOAL),), starts="auto"),
    "gold": QuestRules(title="Collect gold", objectives=(Collect(count=_GOAL, type="gold"),), starts="auto"),
    "walk": QuestRules(title="Walk", objectives=(Walk(metres=100_000_000),), starts="auto"),
}
_SHARED = {"all": QuestRules(title="Together", type="community", objectives=(Collect(count=_GOAL),))}
_COUNTED = """
SELECT player_id, quest, counts[1] AS count FROM gameplay.assignment WHERE player_id = ANY($1::uuid[])"""
_TOTALS = "SELECT counts[1] AS count FROM gameplay.quest_total"

# The same marks, counts and news for one event, in one round trip and a transaction of its own.
_ONE = """
WITH marked AS (
    INSERT INTO eventlog.handled (event_id, consumer) VALUES ($1, 'quests') ON CONFLICT DO NOTHING RETURNING 1
), held AS MATERIALIZED (
    SELECT player_id, quest, run FROM gameplay.assignment
    WHERE player_id = $2 AND state = 1 AND met_at IS NULL AND EXISTS (SELECT FROM marked)
    ORDER BY player_id, quest, run FOR NO KEY UPDATE
), counted AS (
    UPDATE gameplay.assignment AS one SET counts[1] = one.counts[1] + added.amount
    FROM held JOIN unnest($3::text[], $4::bigint[]) AS added (quest, amount) USING (quest)
    WHERE (one.player_id, one.quest, one.run) = (held.player_id, held.quest, held.run)
    RETURNING one.quest
), together AS (
    UPDATE gameplay.quest_total AS total SET counts[1] = total.counts[1] + 1
    WHERE total.number = $8 AND EXISTS (SELECT FROM counted WHERE quest = 'all')
    RETURNING 1
)
SELECT eventlog.append($5, $6, $7) FROM (SELECT count(*) AS n FROM counted, (SELECT count(*) FROM together) AS t) AS c
WHERE n > 0"""

Done = CollectibleCollected | LocationUpdated
Players = Annotated[int, Parameter(validator=Number(gte=2, lte=1_000_000))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    shared: bool
    seconds: float
    rounds: int
    seed: int


def quests(
    *,
    players: Players = 20_000,
    shared: bool = False,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Events a second that become progress of quests, through the log and its consumer, and row by row beside it.

    Three of four events are collections, which count for one or two quests of their player, the fourth is 25 m walked.
    They lie in the log as claims leave them; the consumer reads, counts and tells what it counted. Then as many are
    counted one at a time, a statement and transaction each over 64 connections. In the end every count is compared.

    Parameters
    ----------
    players
        Who collects and walks, each with all quests in hand.
    shared
        All of them have a community quest beside, whose total every collection changes.
    seconds
        Measured time, all rounds together, for each of both ways.
    rounds
        Rounds after the warm-up.
    seed
        Of who does what.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(players=players, shared=shared, seconds=seconds, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


class _Nowhere:
    """Nobody is anywhere: no quest of these has a zone."""

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        nothing = [0] * len(player_ids)
        return FixColumns([False] * len(player_ids), [0.0] * len(player_ids), [0.0] * len(player_ids), nothing)


class _Crowd:
    """Players who do things, with what should have been counted for each by now."""

    def __init__(self, inside: Inside, wanted: _Wanted, quests: QuestParts) -> None:
        self.inside = inside
        self.clock = SystemClock()
        self.ids = IdSource(self.clock.now_us, urandom)
        self.outbox = PostgresOutbox(ids=self.ids)
        self.quests = quests
        self.players = [self.ids() for _ in range(wanted.players)]
        self.expected: Counter[tuple[UUID, str]] = Counter()
        self._random = Random(wanted.seed)

    async def begin(self) -> None:
        """Puts every quest into every hand, by a first collection of gold and a first walk of each."""
        events = [event for player in self.players for event in (self._collects(player, "gold"), self._walks(player))]
        self.expect(events)
        for first in range(0, len(events), 1_000):
            await self.quests.folding.fold(self.enclosed(events[first : first + 1_000]))

    def expect(self, events: Iterable[Done]) -> None:
        """Notes what is going to be counted, or was."""
        for event in events:
            if isinstance(event, LocationUpdated):
                self.expected[event.player_id, "walk"] += 2_500
                continue
            self.expected[event.player_id, "collect"] += 1
            self.expected[event.player_id, "gold"] += event.type == "gold"
            if "all" in self.quests.catalogue.in_force:
                self.expected[event.player_id, "all"] += 1

    def does(self, count: int) -> list[Done]:
        """So many things that somebody does."""
        return [
            self._walks(player) if i % _WALKS_EVERY == 0 else self._collects(player, self._random.choice(_TYPES))
            for i, player in enumerate(self._random.choices(self.players, k=count))
        ]

    def enclosed(self, events: Sequence[Event]) -> list[Envelope]:
        """The events as they come out of the log."""
        at = self.clock.now()
        return [enclose(event, id=self.ids(), at=at) for event in events]

    async def wrong(self, name: str) -> list[str]:
        """Where the counts differ from what was done."""
        async with self.inside.database.read() as tx:
            rows = await tx.fetch(_COUNTED, self.players)
        counted = {(row["player_id"], row["quest"]): row["count"] for row in rows}
        wrong = [key for key, count in self.expected.items() if counted.get(key) != count]
        return [f"{name}: {len(wrong)} of {len(counted)} counts differ, {wrong[0]} first"] if wrong else []

    def _collects(self, player_id: UUID, kind: str) -> CollectibleCollected:
        return CollectibleCollected(
            player_id=player_id,
            collectible_id="AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            type=kind,
            currency="coin",
            amount_minor=5,
            experience=5,
            cell="477b0c9",
            lat_deg=45.8,
            lng_deg=14.4,
        )

    def _walks(self, player_id: UUID) -> LocationUpdated:
        return LocationUpdated(
            player_id=player_id,
            lat_deg=45.8,
            lng_deg=14.4,
            accuracy_m=5.0,
            speed_m_s=1.4,
            metres=25.0,
            cell="477b0c9",
            recorded_at=self.clock.now(),
        )


class _ByLog:
    """The product's way: events lie in the log, and its consumer folds them."""

    def __init__(self, crowd: _Crowd, log: EventLog) -> None:
        self._crowd = crowd
        self._log = log
        self._left = 0
        self._tally = Tally()

    async def prepare(self, units: int) -> None:
        """Writes events into the log, 256 a row, as batches of claims do."""
        crowd = self._crowd
        wanted = max(int(_SPARE * units), _EVENTS_MIN) - self._left
        for first in range(0, wanted, _BATCH):
            events = crowd.does(min(_BATCH, wanted - first))
            crowd.expect(events)
            async with crowd.inside.database.transaction() as tx:
                await crowd.outbox.append(tx, events, at=crowd.clock.now())
        self._left += max(0, wanted)

    async def round(self, seconds: float) -> None:
        """Consumes for so long, or to the end of the log."""
        wal_bytes = await self._crowd.inside.wal_bytes()
        consumed, latencies_s, took_s = await self._consume(seconds)
        wal_bytes = await self._crowd.inside.wal_bytes() - wal_bytes
        self._left -= consumed
        self._tally = Tally(done=consumed, seconds=took_s, latencies_s=latencies_s)
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, consumed), 1)

    async def tally(self) -> Tally:
        """What the consumer handled in the last round; a latency is that of one slice."""
        return self._tally

    async def drain(self) -> None:
        """Consumes what is left."""
        while self._left:
            consumed, _, _ = await self._consume(1.0)
            self._left -= consumed

    async def _consume(self, seconds: float) -> tuple[int, list[float], float]:
        latencies_s: list[float] = []
        fold = self._crowd.quests.folding.fold

        read = asyncio.Event()
        unread = self._left

        async def timed(envelopes: Sequence[Envelope]) -> None:
            nonlocal unread
            begun_s = perf_counter()
            await fold(envelopes)
            latencies_s.append(perf_counter() - begun_s)
            unread -= len(envelopes)
            if not unread:
                read.set()

        consumer = consumer_of(self._crowd.quests, self._log, fold=timed)
        gc.collect()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        begun_s = perf_counter()
        running = asyncio.create_task(consumer.run())
        ends = asyncio.get_running_loop().call_later(seconds, read.set)
        await read.wait()
        ends.cancel()
        consumer.stop()
        await running
        took_s = perf_counter() - begun_s
        gc.enable()
        gc.unfreeze()
        return consumer.handled, latencies_s, took_s


class _OneByOne:
    """Each event by a statement and a transaction of its own, over 64 connections."""

    def __init__(self, crowd: _Crowd) -> None:
        self._crowd = crowd
        self._events: list[Envelope] = []
        self._tally = Tally()

    async def prepare(self, units: int) -> None:
        """Makes the events that are counted next."""
        missing = max(int(_SPARE * units), _EVENTS_MIN) - len(self._events)
        self._events += self._crowd.enclosed(self._crowd.does(max(0, missing)))

    async def round(self, seconds: float) -> None:
        """Counts for so long, or until nothing is left."""
        wal_bytes = await self._crowd.inside.wal_bytes()
        begun_s = perf_counter()
        left = iter(self._events)
        await asyncio.gather(*(self._work(left, begun_s + seconds) for _ in range(CONNECTIONS)))
        self._tally.seconds = perf_counter() - begun_s
        wal_bytes = await self._crowd.inside.wal_bytes() - wal_bytes
        done = len(self._tally.latencies_s)
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, done), 1)
        self._events = list(left)

    async def tally(self) -> Tally:
        """What was counted in the last round."""
        tally, self._tally = self._tally, Tally()
        tally.done = len(tally.latencies_s)
        return tally

    async def _work(self, left: Iterator[Envelope], until_s: float) -> None:
        while perf_counter() < until_s:
            envelope = next(left, None)
            if envelope is None:
                return
            begun_s = perf_counter()
            await self._count(envelope)
            self._tally.latencies_s.append(perf_counter() - begun_s)

    async def _count(self, envelope: Envelope) -> None:
        crowd, event = self._crowd, envelope.decode()
        if not isinstance(event, CollectibleCollected | LocationUpdated):
            raise TypeError(f"nothing of {envelope.topic} is made here")
        data = {"type": getattr(event, "type", None), "metres": getattr(event, "metres", None)}
        hits: list[tuple[Definition, int]] = []
        for definition, matcher in crowd.quests.catalogue.starters[envelope.topic]:
            if amount := matcher.amount_of(data):
                hits.append((definition, amount))
        told = [
            QuestProgressed(
                player_id=event.player_id,
                quest=definition.name,
                type=definition.rules.type,
                run=0,
                counts=(amount,),
                goals=definition.goals_shown,
                met=False,
            )
            for definition, amount in hits
        ]
        news = b"[" + b",".join(crowd.outbox.encoded(told, at=envelope.at)) + b"]"
        shared = next((definition.number for definition, _ in hits if definition.rules.is_shared), 0)
        names, amounts = [definition.name for definition, _ in hits], [amount for _, amount in hits]

        async def counted() -> None:
            async with crowd.inside.database.read() as tx:
                topics = [QuestProgressed.topic]
                await tx.execute(_ONE, envelope.id, event.player_id, names, amounts, envelope.at, topics, news, shared)

        await run_again(counted)
        crowd.expect([event])


@asynccontextmanager
async def _parts(inside: Inside, wanted: _Wanted) -> AsyncIterator[tuple[QuestParts, EventLog]]:
    clock = SystemClock()
    ids = IdSource(clock.now_us, urandom)
    ledger = Ledger(database=inside.database, currencies={})
    parts = build(
        database=inside.database,
        clock=clock,
        outbox=PostgresOutbox(ids=ids),
        ledger=ledger,
        rewards=Rewards(kit=Kit(), ledger=ledger, ids=ids),
        last_fix=_Nowhere(),
        audit=Trail(clock=clock, ids=ids),
        currencies={},
        trust=TrustEverybody(),
        fix_age_max_s=60,
    )
    await parts.catalogue.adopt(_QUESTS | (_SHARED if wanted.shared else {}), at=clock.now())
    log = EventLog(inside.database, clock=clock)
    await log.start()
    try:
        yield parts, log
    finally:
        with suppress(asyncio.CancelledError):
            await log.close()


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.players:,} players")
    async with own_postgres(folder, connections_max=CONNECTIONS) as inside, _parts(inside, wanted) as (parts, log):
        ours, theirs = _Crowd(inside, wanted, parts), _Crowd(inside, wanted, parts)
        for crowd in (ours, theirs):
            await crowd.begin()
        async with inside.database.read() as tx:
            await tx.execute("VACUUM ANALYZE gameplay.assignment")
        by_log, one_by_one = _ByLog(ours, log), _OneByOne(theirs)
        rounds = await _measured(by_log, inside, wanted, guess_per_s=_GUESS_PER_S)
        await by_log.drain()
        memory_mb = rss_mb(None)
        say("the same row by row")
        beside = await _measured(one_by_one, inside, wanted, guess_per_s=_GUESS_PER_S / 4)
        say("comparing every count with what was done")
        faults = [*await ours.wrong("by the log"), *await theirs.wrong("row by row")]
        faults += await _total_wrong(inside, ours, theirs) if wanted.shared else []
        return Report(
            benchmark="quests",
            spans=spans(rounds.measured, rate="events_per_s"),
            cpu=[one.cpu for one in rounds.measured],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={
                "players": wanted.players,
                "shared": wanted.shared,
                "quests": len(parts.catalogue.in_force),
                "seconds": wanted.seconds,
                "consumer": CONSUMER,
            },
            figures=_figures(rounds, beside) | {"audit_faults": len(faults)},
            faults=[fault for tally in (*rounds.tallies, *beside.tallies) for fault in tally.faults] + faults,
        )


async def _measured(load: Measured, inside: Inside, wanted: _Wanted, *, guess_per_s: float) -> Rounds:
    return await measure(
        load, inside, unit="events", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=guess_per_s
    )


def _figures(rounds: Rounds, beside: Rounds) -> dict[str, object]:
    theirs = spans(beside.measured, rate="events_per_s")
    ratio = median(one.per_s for one in rounds.measured) / median(theirs["events_per_s"])
    row_by_row = {name: round(median(values), 3) for name, values in theirs.items()} | _used(beside)
    return {"ratio_vs_row_by_row": round(ratio, 2), **_used(rounds), "row_by_row": row_by_row}


def _used(rounds: Rounds) -> dict[str, float]:
    used = cpu_us(rounds.measured, "event")
    return {"python_event_us": used["server_event_us"], "postgres_event_us": used["postgres_event_us"]}


async def _total_wrong(inside: Inside, *crowds: _Crowd) -> list[str]:
    async with inside.database.read() as tx:
        together = await tx.fetchval(_TOTALS)
    done = sum(count for crowd in crowds for (_, quest), count in crowd.expected.items() if quest == "all")
    return [f"all together count {together}, and have done {done}"] * (together != done)
