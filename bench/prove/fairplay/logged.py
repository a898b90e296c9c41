"""The same events through a real log, and trust's own fold of it on a PostgreSQL: what a server would make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from random import Random

from bench.prove.fairplay.world import Occasion, player_id
from bench.stage import START_US
from overworld.domains.trust import store
from overworld.domains.trust.folding import NAME, Folding
from overworld.domains.trust.types import Evidence, TrustRules
from overworld.flows.facts_to_trust import TOPICS, FactsToTrust
from overworld.kernel.clock import FixedClock, from_us
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import EventLog, PostgresOutbox
from overworld.platform.postgres import Database

_AT_ONCE = 500
_LOOK_S = 0.05
_EVIDENCE_MAX = 1_000
_WEIGHT_OFF_MAX = 0.001

Found = tuple[str, int, float]
"""Evidence in short: its kind, when (microseconds), and its weight."""


def in_short(evidence: Evidence) -> Found:
    """What is compared of evidence."""
    return evidence.kind.value, evidence.at_us, evidence.weight


def alike(found: Sequence[Found], other: Sequence[Found]) -> bool:
    """Whether evidence is the same but for a thousandth of weight."""
    return [one[:2] for one in found] == [one[:2] for one in other] and all(
        abs(one[2] - two[2]) < _WEIGHT_OFF_MAX for one, two in zip(found, other, strict=True)
    )


async def folded(occasions: Sequence[Occasion], *, players: int, database: Database) -> dict[int, list[Found]]:
    """The evidence that the fold writes on a migrated, empty database, by player, oldest first."""
    clock = FixedClock(from_us(START_US))
    ids = IdSource(clock.now_us, Random(2).randbytes)
    outbox = PostgresOutbox(ids=ids)
    log = EventLog(database, clock=clock)
    await log.start()
    try:
        await _write(occasions, outbox=outbox, database=database)
        folding = Folding(clock=clock, ids=ids, outbox=outbox, rules=TrustRules())
        fold = log.fold(NAME, topics=TOPICS, apply=FactsToTrust(folding).apply)
        running = asyncio.create_task(fold.run())
        while not any(lag.consumer == NAME and lag.batches_behind == 0 for lag in await log.lag()):
            if running.done():
                break
            await asyncio.sleep(_LOOK_S)
        fold.stop()
        await running
        if letters := await log.dead_letters(NAME):
            raise AssertionError(f"the fold could not take {len(letters)} events: {letters[0]}")
    finally:
        await log.close()
    return await _evidence(players, database=database)


async def _write(occasions: Sequence[Occasion], *, outbox: PostgresOutbox, database: Database) -> None:
    groups = list(_at_one_time(occasions))
    for first in range(0, len(groups), _AT_ONCE):
        async with database.transaction() as tx:
            for group in groups[first : first + _AT_ONCE]:
                await outbox.append(tx, [one.event for one in group], at=from_us(group[0].at_us))


def _at_one_time(occasions: Sequence[Occasion]) -> Iterator[list[Occasion]]:
    for _, group in groupby(occasions, key=lambda one: one.at_us):
        yield list(group)


async def _evidence(players: int, *, database: Database) -> dict[int, list[Found]]:
    found = {}
    async with database.read() as tx:
        for number in range(players):
            kept = await store.evidence(tx, player_id(number), before=None, limit=_EVIDENCE_MAX)
            if kept:
                found[number] = [in_short(one.evidence) for one in reversed(kept)]
    return found
