"""Actions a second that were done without a network: judged and done in queues, and one by one for comparison."""

from __future__ import annotations

import asyncio
import gc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated
from uuid import UUID

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct
from msgspec.structs import asdict

from bench import report
from bench.collecting import City, Wanting
from bench.load.process import Tally
from bench.machine import machine, rss_mb
from bench.own_postgres import Inside, own_postgres
from bench.prove.books import Told, audit
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from bench.row_by_row import RowByRow
from overworld import client
from overworld.app.offline import CollectOffline
from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.sync.messages import OfflineAction, SyncActions, SyncBody, Synced, SyncItem
from overworld.domains.gameplay.sync.rules import terms_of
from overworld.domains.gameplay.sync.service import Sync
from overworld.domains.gameplay.sync.types import ACTIONS_MAX
from overworld.kernel.clock import from_us
from overworld.kernel.identity import Principal
from overworld.kernel.refusals import Refusal

_GUESS_PER_S = 5_000
_GUESS_ROW_BY_ROW_PER_S = 1_000
_ROW_BY_ROW_ROUNDS = 3
_ROW_BY_ROW_IN_FLIGHT = 64
_SPARE = 1.5
_CLAIMS_MIN = 4_000

Players = Annotated[int, Parameter(validator=Number(gte=200, lte=100_000))]
Actions = Annotated[int, Parameter(validator=Number(gte=1, lte=ACTIONS_MAX))]
InFlight = Annotated[int, Parameter(validator=Number(gte=1, lte=256))]

Send = Callable[[SyncActions], Awaitable[Synced]]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    actions: int
    in_flight: int
    seconds: float
    rounds: int
    seed: int


def sync(
    *,
    players: Players = 1_000,
    actions: Actions = 50,
    in_flight: InFlight = 16,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Actions a second that were done without a network, in queues; and the same row by row.

    Closed loop: each of `in_flight` coroutines sends a player's queue when its last one is answered. Row by row each
    action is judged in a transaction of its own and claimed in another. In the end the ledger, the wallets and the log
    of events are compared with what was answered.

    Parameters
    ----------
    players
        Players who come back to the network, in turn.
    actions
        What each of them has collected meanwhile.
    in_flight
        Queues under way at once.
    seconds
        Measured time, all rounds together; row by row takes 3 rounds more.
    rounds
        Rounds after the warm-up.
    seed
        Of who collects what.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(players=players, actions=actions, in_flight=in_flight, seconds=seconds, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


class _Queues:
    """The load: what players have collected, `size` at a time, sent by `in_flight` coroutines.

    A player is always the same coroutine's, for a device has one call under way at a time.
    """

    def __init__(self, city: City, send: Send, *, size: int, in_flight: int) -> None:
        self._city = city
        self._send = send
        self._size = size
        self._in_flight = in_flight
        self._waiting: dict[UUID, list[ClaimCollectible]] = defaultdict(list)
        self._worker_of = {player_id: i % in_flight for i, player_id in enumerate(city.player_ids)}
        self._queues: list[list[list[ClaimCollectible]]] = []
        self._tally = Tally()
        self._dry = False

    async def prepare(self, units: int) -> None:
        """Finds that many claims and more, a player's together; everybody reports where they stand."""
        left = max(int(_SPARE * units), _CLAIMS_MIN)
        self._queues = [[] for _ in range(self._in_flight)]
        while left > 0:
            for claim in await self._city.claims(_CLAIMS_MIN):
                mine = self._waiting[claim.player_id]
                mine.append(claim)
                if len(mine) == self._size:
                    self._queues[self._worker_of[claim.player_id]].append(self._waiting.pop(claim.player_id))
                    left -= self._size
        self._city.report_again()

    async def round(self, seconds: float) -> None:
        """Sends for so long, and waits for the last answers."""
        wal_bytes = await self._city.inside.wal_bytes()
        gc.collect()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        begun_s = perf_counter()
        left = [iter(queues) for queues in self._queues]
        await asyncio.gather(*(self._work(mine, begun_s + seconds) for mine in left))
        self._tally.seconds = perf_counter() - begun_s
        gc.enable()
        gc.unfreeze()
        wal_bytes = await self._city.inside.wal_bytes() - wal_bytes
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, self._tally.done), 1)
        self._dry = any(next(mine, None) is None for mine in left)

    async def tally(self) -> Tally:
        """What the answers since the last time say."""
        tally, self._tally = self._tally, Tally()
        tally.faults += ["nothing was left to tell of: take more players or less time"] * self._dry
        return tally

    async def _work(self, left: Iterator[list[ClaimCollectible]], until_s: float) -> None:
        for queue in left:
            begun_s = perf_counter()
            if begun_s >= until_s:
                return
            synced = await self._send(await self._call(queue))
            self._tally.latencies_s.append(perf_counter() - begun_s)
            self._tally.done += len(queue)
            for item in synced.items:
                if item.status == "applied":
                    won = client.Collected(**asdict(item.result))
                    self._tally.told.append(Told(queue[0].player_id, won))
                else:
                    self._tally.faults.append(f"an action was {item.status}: {item.reason}")

    async def _call(self, queue: list[ClaimCollectible]) -> SyncActions:
        """The queue as a device tells it that comes back: all of it done at this moment, where its player stands."""
        player_id, now_us = queue[0].player_id, self._city.clock.now_us()
        fix = await self._city.world.get([player_id])
        actions = tuple(
            OfflineAction(
                request_id=claim.key,
                action="collect",
                target=claim.collectible_id,
                at=from_us(now_us),
                monotonic_ms=now_us // 1_000,
                lat=fix.lat_deg[0],
                lng=fix.lng_deg[0],
            )
            for claim in queue
        )
        told = SyncBody(
            device="phone", boot="1", sent_at=from_us(now_us), sent_monotonic_ms=now_us // 1_000, actions=actions
        )
        return SyncActions(principal=Principal(account_id=player_id, role="player", scopes=frozenset()), body=told)


async def _one_by_one(service: Sync, rows: RowByRow, command: SyncActions) -> Synced:
    """A call of one action: a transaction for the verdict, and one for the claim."""
    [action] = command.body.actions
    [[verdict]] = await service.judged([command])
    if isinstance(verdict, Refusal):
        raise verdict
    claim = ClaimCollectible(
        player_id=command.principal.account_id, collectible_id=action.target, key=action.request_id
    )
    answer = await rows.collect(claim)
    item = SyncItem(request_id=action.request_id, action=action.action, status="applied", result=answer.value)
    return Synced(command.body.sent_at, [item])


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.players:,} players")
    wanting = Wanting(players=wanted.players, campaigns=0, personal=False, contested=0.0, seed=wanted.seed)
    async with own_postgres(folder) as inside:
        city = await City.build(inside, wanting, folder=folder, in_flight_max=wanted.in_flight * wanted.actions)
        service = _service(city)
        queues = _Queues(city, service.sync, size=wanted.actions, in_flight=wanted.in_flight)
        rounds = await measure(
            queues, inside, unit="actions", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=_GUESS_PER_S
        )
        memory_mb = rss_mb(None)
        say("the same row by row")
        one_by_one = await _row_by_row(wanted, city, service, inside)
        await service.close()
        tallies = [*rounds.tallies, *one_by_one.tallies]
        told = [one for tally in tallies for one in tally.told]
        say(f"comparing {len(told):,} wins with the ledger, the wallets and the log of events")
        books = await audit(inside.dsn, told, game=city.game)
        await city.service.close()
        return Report(
            benchmark="sync",
            spans=spans(rounds.measured, rate="actions_per_s"),
            cpu=[one.cpu for one in (*rounds.measured, *one_by_one.measured)],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={
                "players": wanted.players,
                "actions": wanted.actions,
                "in_flight": wanted.in_flight,
                "seconds": wanted.seconds,
                "loop": "closed",
            },
            figures=_compared(rounds, one_by_one)
            | {"wins": len(told), "transfers": books.transfers, "audit_faults": len(books.faults)},
            faults=[fault for tally in tallies for fault in tally.faults] + books.faults,
        )


def _service(city: City) -> Sync:
    movement = city.game.movement
    terms = terms_of(city.game.sync, speed_max_km_h=movement.speed_max_km_h, accuracy_m=movement.accuracy_unknown_m)
    return Sync(
        database=city.inside.database,
        clock=city.clock,
        last_fix=city.world,
        acts={"collect": CollectOffline(city.service)},
        terms=terms,
    )


async def _row_by_row(wanted: _Wanted, city: City, service: Sync, inside: Inside) -> Rounds:
    async with RowByRow(city, one_row=False) as rows:
        load = _Queues(city, partial(_one_by_one, service, rows), size=1, in_flight=_ROW_BY_ROW_IN_FLIGHT)
        return await measure(
            load,
            inside,
            unit="actions",
            rounds=_ROW_BY_ROW_ROUNDS,
            seconds=wanted.seconds * _ROW_BY_ROW_ROUNDS / wanted.rounds,
            guess_per_s=_GUESS_ROW_BY_ROW_PER_S,
        )


def _compared(rounds: Rounds, one_by_one: Rounds) -> dict[str, object]:
    """Queues beside row by row, by the medians; processor time of an action where it was used."""
    theirs = spans(one_by_one.measured, rate="actions_per_s")
    ratio = median(one.per_s for one in rounds.measured) / median(theirs["actions_per_s"])
    row_by_row = {name: round(median(values), 3) for name, values in theirs.items()} | _used_us(one_by_one)
    return {"ratio_vs_row_by_row": round(ratio, 2), **_used_us(rounds), "row_by_row": row_by_row}


def _used_us(rounds: Rounds) -> dict[str, float]:
    used = cpu_us(rounds.measured, "action")
    return {"python_action_us": used["server_action_us"], "postgres_action_us": used["postgres_action_us"]}
