"""Changes a second to what players carry, in batches and one by one, with what they hold checked afterwards."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
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
from bench.prove.outcome import say
from bench.report import Report
from bench.rounds import Json, RoundCount, Rounds, Seconds, cpu_us, measure, spans
from overworld.app.doors import TrustEverybody
from overworld.domains.gameplay.carry.deciding import Done
from overworld.domains.gameplay.carry.kit import kit_of
from overworld.domains.gameplay.carry.messages import Change, UpgradeTool, UseItem
from overworld.domains.gameplay.carry.rules import starter_id
from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.carry.types import (
    CarrySettings,
    Drop,
    Effects,
    ItemRules,
    ItemType,
    Reward,
    ToolLevel,
    ToolRules,
    ToolType,
)
from overworld.domains.ledger import Ledger
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Currency, Transfer, TransferCode
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres import Database

_CURRENCY = Currency("coin")
_GIVEN = 1_000_000
_FUNDED_AT_ONCE = 4_000
_CONNECTIONS = 64
_GUESS_PER_S = 5_000
_SPARE = 1.5
_CHANGES_MIN = 2_000
_ITEMS = ItemRules(
    types={
        "apple": ItemType(effects=Effects(experience=1)),
        "box": ItemType(
            effects=Effects(
                open=(
                    Drop(weight=1, reward=Reward(tokens={"coin": "3"})),
                    Drop(weight=1, reward=Reward(items={"stone": 2})),
                )
            )
        ),
        "stone": ItemType(),
    }
)
_TOOLS = ToolRules(
    starter="pick",
    types={
        "pick": ToolType(
            currency="coin",
            levels=(ToolLevel(efficiency="1.00"), *(ToolLevel(efficiency="1.50", cost="2", chance="0.1"),) * 99),
        )
    },
)
_FILL = """
INSERT INTO gameplay.item (player_id, type, id, count, since)
SELECT player_id, type, '00000000-0000-0000-0000-000000000000', $2, now()
FROM unnest($1::uuid[]) AS owner (player_id), unnest(ARRAY['apple', 'box']) AS kind (type)"""
_MAKE = "INSERT INTO gameplay.player (id) SELECT id FROM unnest($1::uuid[]) AS new (id)"
_HELD = "SELECT type, sum(count)::bigint AS count, sum(used)::bigint AS used FROM gameplay.item GROUP BY type"
_TRIED = "SELECT coalesce(sum(attempts), 0)::bigint FROM gameplay.tool"
_LEARNED = "SELECT sum(experience)::bigint FROM gameplay.player"
_MOVED = "SELECT code, sum(amount)::bigint AS amount FROM ledger.transfer WHERE code IN (7, 8) GROUP BY code"

Players = Annotated[int, Parameter(validator=Number(gte=2, lte=1_000_000))]
InFlight = Annotated[int, Parameter(validator=Number(gte=1, lte=4_096))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    in_flight: int
    seconds: float
    rounds: int
    seed: int


def inventory(
    *,
    players: Players = 100_000,
    in_flight: InFlight = 256,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Changes a second to what players carry: items used, boxes opened, tools upgraded for coins.

    Closed loop: each of `in_flight` coroutines makes a change for somebody when its last one was answered. Of ten, six
    use an apple, two open a box of coins or stones, two try an upgrade. Then the same go one by one: a transaction for
    each, over 64 connections. In the end what players hold is compared with what they were told.

    Parameters
    ----------
    players
        Players, each with more than they will use up.
    in_flight
        Changes under way at once.
    seconds
        Measured time of each way, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of who changes what.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(players=players, in_flight=in_flight, seconds=seconds, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


class _Camp:
    """The players with what they were given, and what all answers together say that they should hold."""

    def __init__(self, inside: Inside, wanted: _Wanted) -> None:
        self.clock = SystemClock()
        self.ids = IdSource(self.clock.now_us, urandom)
        self.inside = inside
        self.told: Counter[str] = Counter()
        self._random = Random(wanted.seed)
        self._players = [self.ids() for _ in range(wanted.players)]

    def carry(self, database: Database) -> Carry:
        """A service as servers have it."""
        currencies = {_CURRENCY.code: _CURRENCY}
        return Carry(
            database=database,
            clock=self.clock,
            ids=self.ids,
            outbox=PostgresOutbox(ids=self.ids),
            ledger=Ledger(database=database, currencies=currencies),
            kit=kit_of(_ITEMS, _TOOLS, {}, currencies=currencies, levels=()),
            key=b"bench",
            trust=TrustEverybody(),
            settings=CarrySettings(),
        )

    async def fill(self) -> None:
        """Makes the players, and gives each apples, boxes and coins."""
        ledger = Ledger(database=self.inside.database, currencies={_CURRENCY.code: _CURRENCY})
        for first in range(0, len(self._players), _FUNDED_AT_ONCE):
            some = self._players[first : first + _FUNDED_AT_ONCE]
            async with self.inside.database.transaction() as tx:
                await tx.execute(_MAKE, some)
                await tx.execute(_FILL, some, _GIVEN)
                await ledger.post(tx, [self._funded(player_id) for player_id in some], at=self.clock.now())
        async with self.inside.database.read() as tx:
            await tx.execute("ANALYZE gameplay.player, gameplay.item, ledger.account")

    def change(self) -> Change:
        """A change of somebody's, drawn."""
        player_id, kind = self._random.choice(self._players), self._random.randrange(10)
        if kind < 8:
            item_id = "apple" if kind < 6 else "box"
            return UseItem(player_id=player_id, item_id=item_id, key=str(self.ids()))
        return UpgradeTool(player_id=player_id, tool_id=starter_id(player_id, "pick"), key=str(self.ids()))

    def note(self, change: Change, done: Done) -> None:
        """Adds what an answer says."""
        if isinstance(change, UseItem) and done.used is not None:
            self.told[change.item_id] += 1
            self.told["reward"] += sum(int(one.amount) for one in done.used.obtained.tokens)
            self.told["stone"] += 2 * len(done.used.obtained.items)
        elif done.tool is not None and done.tool.paid is not None:
            self.told["upgrade"] += int(done.tool.paid.amount)

    async def faults(self) -> list[str]:
        """Where what players hold differs from what was answered, or the books do not add up."""
        async with self.inside.database.read() as tx:
            ledger = Ledger(database=self.inside.database, currencies={_CURRENCY.code: _CURRENCY})
            faults = await ledger.invariants(tx)
            items = {row["type"]: row for row in await tx.fetch(_HELD)}
            moved = {row["code"]: row["amount"] for row in await tx.fetch(_MOVED)}
            held = {
                "apple": _GIVEN * len(self._players) - items["apple"]["count"],
                "box": _GIVEN * len(self._players) - items["box"]["count"],
                "stone": items["stone"]["count"] if "stone" in items else 0,
                "reward": moved.get(TransferCode.REWARD, 0),
                "upgrade": moved.get(TransferCode.UPGRADE, 0),
            }
            tried, learned = await tx.fetchval(_TRIED), await tx.fetchval(_LEARNED)
        paid = self.told["upgrade"] // 2
        faults += [
            f"{name}: {n} by the tables, {self.told[name]} told" for name, n in held.items() if n != self.told[name]
        ]
        faults += [f"{tried} upgrades were tried, {paid} paid"] * (tried != paid)
        return faults + [f"{learned} experience, {self.told['apple']} apples"] * (learned != self.told["apple"])

    def _funded(self, player_id: UUID) -> Transfer:
        return Transfer(
            id=self.ids(),
            debit=AccountRef(HOUSE, _CURRENCY.code, AccountCode.ISSUANCE),
            credit=AccountRef(player_id, _CURRENCY.code),
            amount_minor=_GIVEN,
            code=TransferCode.FUND,
            reference=player_id,
        )


class _Load:
    """The load of one way of making changes."""

    def __init__(self, camp: _Camp, make: Callable[[Change], Awaitable[Answer[Done]]], *, in_flight: int) -> None:
        self._camp = camp
        self._make = make
        self._in_flight = in_flight
        self._changes: list[Change] = []
        self._tally = Tally()
        self._dry = False

    async def prepare(self, units: int) -> None:
        """Draws that many changes and more."""
        self._changes = [self._camp.change() for _ in range(int(_SPARE * max(units, _CHANGES_MIN)))]

    async def round(self, seconds: float) -> None:
        """Changes for so long, and waits for the last answers."""
        wal_bytes = await self._camp.inside.wal_bytes()
        gc.collect()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        begun_s = perf_counter()
        left = iter(self._changes)
        await asyncio.gather(*(self._work(left, begun_s + seconds) for _ in range(self._in_flight)))
        self._tally.seconds = perf_counter() - begun_s
        gc.enable()
        gc.unfreeze()
        wal_bytes = await self._camp.inside.wal_bytes() - wal_bytes
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, len(self._tally.latencies_s)), 1)
        self._dry = next(left, None) is None

    async def tally(self) -> Tally:
        """What the answers of the last round say."""
        tally, self._tally = self._tally, Tally()
        tally.done = len(tally.latencies_s)
        tally.faults += ["nothing was left to change: take less time"] * self._dry
        return tally

    async def _work(self, left: Iterator[Change], until_s: float) -> None:
        for change in left:
            begun_s = perf_counter()
            if begun_s >= until_s:
                return
            try:
                answer = await self._make(change)
            except Refusal as refusal:
                self._tally.faults.append(f"a change was refused: {refusal.code}")
            else:
                self._tally.latencies_s.append(perf_counter() - begun_s)
                self._camp.note(change, answer.value)


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.players:,} players")
    async with own_postgres(folder, connections_max=_CONNECTIONS) as inside:
        camp = _Camp(inside, wanted)
        await camp.fill()
        batched = camp.carry(inside.database)
        rounds = await _rounds(wanted, _Load(camp, batched.lanes.submit, in_flight=wanted.in_flight), inside)
        await batched.close()
        memory_mb = rss_mb(None)
        say("one by one")
        single = partial(_one_by_one, camp.carry(inside.database))
        one_by_one = await _rounds(wanted, _Load(camp, single, in_flight=_CONNECTIONS), inside)
        say(f"comparing {camp.told.total():,} answers with the tables")
        faults = await camp.faults()
        told = [fault for each in (rounds, one_by_one) for tally in each.tallies for fault in tally.faults]
        return Report(
            benchmark="inventory",
            spans=spans(rounds.measured, rate="changes_per_s"),
            cpu=[one.cpu for one in rounds.measured],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={
                "players": wanted.players,
                "in_flight": wanted.in_flight,
                "lanes": CarrySettings().lanes,
                "seconds": wanted.seconds,
                "loop": "closed",
            },
            figures=_figures(rounds, one_by_one) | {"audit_faults": len(faults)},
            faults=told + faults,
        )


async def _rounds(wanted: _Wanted, load: _Load, inside: Inside) -> Rounds:
    return await measure(
        load, inside, unit="changes", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=_GUESS_PER_S
    )


async def _one_by_one(carry: Carry, change: Change) -> Answer[Done]:
    """A change in a transaction of its own."""
    [outcome] = await carry.run([change])
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def _figures(rounds: Rounds, one_by_one: Rounds) -> dict[str, Any]:
    """What the two ways take, and how many times faster the first is."""
    ours, theirs = (cpu_us(each.measured, "change") for each in (rounds, one_by_one))
    their_spans = spans(one_by_one.measured, rate="changes_per_s")
    ratio = median(one.per_s for one in rounds.measured) / median(their_spans["changes_per_s"])
    return {
        "ratio_vs_row_by_row": round(ratio, 2),
        "python_change_us": ours["server_change_us"],
        "postgres_change_us": ours["postgres_change_us"],
        "row_by_row": {name: round(median(values), 3) for name, values in their_spans.items()}
        | {
            "python_change_us": theirs["server_change_us"],
            "postgres_change_us": theirs["postgres_change_us"],
        },
    }
