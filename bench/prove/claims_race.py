"""Two players, two servers, one collectible: exactly one wins, every time."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from math import ceil
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct, field

from bench.prove.books import Told, audit
from bench.prove.outcome import Outcome, Steps, conclude, percentile, say
from bench.prove.racers import Pair, Run
from bench.servers import ServerProcess
from overworld.app.game import check, found
from overworld.client import Collected
from overworld.platform.postgres import DatabaseSettings, EmbeddedPostgres

_LOST = "gameplay.already_collected"
_CLOSED = "gameplay.expired"
_WINS_SHARE_MAX = 0.9

Count = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]
Share = Annotated[float, Parameter(validator=Number(gte=0, lte=1))]


class _Tally(Struct):
    """What the races have come to so far."""

    seconds: list[float] = field(default_factory=list)
    wins: Counter[int] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)
    retried: int = 0
    closed: int = 0
    faults: list[str] = field(default_factory=list)


def claims_race(*, races: Count = 1_000, pairs: Count = 4, retry_share: Share = 0.25, seed: int = 1) -> int:
    """Two players race for one collectible over two servers: one winner each time, and the ledger balances.

    Both servers use one database of this run's own and migrate it at the same moment. A part of the claims is sent
    again under the same key, on the same server or on the other one, and must be answered alike.

    Parameters
    ----------
    races
        How many collectibles are raced for.
    pairs
        How many pairs race side by side; more are taken where the daily cap asks for it.
    retry_share
        Share of the races after which both claims are sent again.
    seed
        Of everything that is chosen by chance.
    """
    with tempfile.TemporaryDirectory(prefix="overworld-race-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        outcome = asyncio.run(prove(Path(folder), races=races, pairs=pairs, retry_share=retry_share, seed=seed))
    return conclude("claims-race", outcome, seed=seed)


async def prove(folder: Path, *, races: int, pairs: int, retry_share: float, seed: int) -> Outcome:
    """Runs the races on a database and two servers in a folder of their own."""
    postgres = EmbeddedPostgres(folder / "database", settings=DatabaseSettings())
    dsn = await asyncio.to_thread(postgres.start)
    try:
        return await race_on(dsn, folder, races=races, pairs=pairs, retry_share=retry_share, seed=seed)
    finally:
        await asyncio.to_thread(postgres.stop)


async def race_on(dsn: str, folder: Path, *, races: int, pairs: int, retry_share: float, seed: int) -> Outcome:
    """Runs the races over two servers on an empty database that is already there."""
    game = check(found("ore"))
    pairs = max(pairs, ceil(races / (game.collectibles.daily_cap * _WINS_SHARE_MAX)))
    environment = {"OVERWORLD_GAMEPLAY__SPAWN_KEY": f"claims-race {seed}"}
    servers = [ServerProcess(folder / f"server-{i}", dsn=dsn, environment=environment) for i in (1, 2)]
    tally = _Tally()
    async with AsyncExitStack() as stack:
        say("starting two servers on one database, both of which migrate it")
        async with asyncio.TaskGroup() as starting:
            for server in servers:
                starting.create_task(stack.enter_async_context(server))
        racing = [
            await stack.enter_async_context(
                Pair((servers[0], servers[1]), random=Random(f"{seed} {i}"), retry_share=retry_share)
            )
            for i in range(pairs)
        ]
        started_s = perf_counter()
        with Steps("races", races) as steps:
            left = iter(range(races))
            async with asyncio.TaskGroup() as under_way:
                for pair in racing:
                    under_way.create_task(_race(pair, left, tally, steps))
        lasted_s = perf_counter() - started_s
        say("comparing what was told with the database and its log")
        books = await audit(dsn, tally.told, game=game)
    figures = {
        "races": races,
        "pairs": pairs,
        "wins_server_1": tally.wins[0],
        "wins_server_2": tally.wins[1],
        "closed_meanwhile": tally.closed,
        "sent_again": tally.retried,
        "races_per_s": round(races / lasted_s, 1),
        "claim_p50_ms": round(1e3 * percentile(tally.seconds, 0.50), 2),
        "claim_p99_ms": round(1e3 * percentile(tally.seconds, 0.99), 2),
        "transfers": books.transfers,
        "events_read": books.events_read,
    }
    return Outcome(figures, tally.faults + books.faults)


async def _race(pair: Pair, left: Iterator[int], tally: _Tally, steps: Steps) -> None:
    for _ in left:
        while not _count(await pair.race(), pair, tally):
            tally.closed += 1
        steps.done(f"{len(tally.faults)} faults")


def _count(run: Run, pair: Pair, tally: _Tally) -> bool:
    """Notes what came of a race. False when the collectible's time ran out meanwhile: then another one counts."""
    for i, claim in enumerate(run.claims):
        if isinstance(claim.answer, Collected):
            tally.told.append(Told(pair.racers[i].id, claim.answer))
            tally.wins[i] += 1
    for claim, again in zip(run.claims, run.again, strict=False):
        tally.retried += 1
        if again.answer != claim.answer:
            tally.faults.append(f"{run.target.id}: answered {claim.answer}, under the same key {again.answer}")
    if any(claim.answer == _CLOSED for claim in run.claims):
        return False
    tally.seconds += [claim.seconds for claim in run.claims]
    lost = [claim.answer for claim in run.claims if not claim.won]
    if lost != [_LOST]:
        tally.faults.append(f"{run.target.id}: {len(run.claims) - len(lost)} winners, the others got {lost}")
    return True
