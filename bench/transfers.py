"""Transfers a second between players' wallets, in batches inside this process, with the books checked afterwards."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from functools import partial
from os import urandom
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated
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
from bench.rounds import Json, RoundCount, Seconds, cpu_us, measure, spans
from overworld.domains.ledger import Ledger
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import SystemClock
from overworld.kernel.ids import IdSource
from overworld.kernel.money import (
    HOUSE,
    AccountCode,
    AccountRef,
    Currency,
    Transfer,
    TransferCode,
    TransferResult,
    TransferStatus,
)

_CURRENCY = Currency("coin")
_ISSUANCE = AccountRef(HOUSE, _CURRENCY.code, AccountCode.ISSUANCE)
_GIVEN_MINOR = 1_000_000
_AMOUNT_MINOR_MAX = 20
_FUNDED_AT_ONCE = 4_000
_LANES = 2
_GUESS_PER_S = 20_000
_SPARE = 3.0
_GIFTS_MIN = 5_000
_COUNT = "SELECT count(*) FROM ledger.transfer WHERE code = $1"
_HELD = "SELECT owner_id, (credits_posted - debits_posted)::bigint AS held FROM ledger.account WHERE code = $1"

Accounts = Annotated[int, Parameter(validator=Number(gte=2, lte=1_000_000))]
InFlight = Annotated[int, Parameter(validator=Number(gte=1, lte=4_096))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    accounts: int
    in_flight: int
    seconds: float
    rounds: int
    seed: int


def transfers(
    *,
    accounts: Accounts = 100_000,
    in_flight: InFlight = 256,
    seconds: Seconds = 15,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Transfers a second between players' wallets, two different ones each, in batches as servers make them.

    Closed loop: each of `in_flight` coroutines gives something to somebody when its last gift has arrived. Two lanes
    post what gathers meanwhile, a transaction a batch. In the end every wallet is compared with what was answered.

    Parameters
    ----------
    accounts
        Wallets, each with more than it will give away.
    in_flight
        Transfers under way at once.
    seconds
        Measured time, all rounds together.
    rounds
        Rounds after the warm-up.
    seed
        Of who gives how much to whom.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(accounts=accounts, in_flight=in_flight, seconds=seconds, rounds=rounds, seed=seed)
    return report.run(partial(_measure, wanted), json=json, loop_factory=uvloop.new_event_loop)


class _Gifts:
    """The load: gifts between random wallets. `balances` is what each should hold by the answers."""

    def __init__(self, inside: Inside, wanted: _Wanted) -> None:
        clock = SystemClock()
        self.balances: dict[UUID, int] = {}
        self.posted = 0
        self._inside = inside
        self._wanted = wanted
        self._clock = clock
        self._ids = IdSource(clock.now_us, urandom)
        self._random = Random(wanted.seed)
        self._ledger = Ledger(database=inside.database, currencies={_CURRENCY.code: _CURRENCY})
        self._wallets = [AccountRef(self._ids(), _CURRENCY.code) for _ in range(wanted.accounts)]
        self._lanes = Lanes[Transfer, TransferResult](_LANES, make=self._lane, key=lambda one: one.debit.owner_id)
        self._gifts: list[Transfer] = []
        self._tally = Tally()
        self._dry = False

    async def fund(self) -> None:
        """Gives every wallet the same, from the issuance."""
        for first in range(0, len(self._wallets), _FUNDED_AT_ONCE):
            some = self._wallets[first : first + _FUNDED_AT_ONCE]
            await self._post([self._transfer(_ISSUANCE, wallet, _GIVEN_MINOR, TransferCode.FUND) for wallet in some], 0)
        self.balances = {wallet.owner_id: _GIVEN_MINOR for wallet in self._wallets}

    async def prepare(self, units: int) -> None:
        """Draws that many gifts and more."""
        units = max(units, _GIFTS_MIN)
        self._gifts = [
            self._transfer(debit, credit, self._random.randint(1, _AMOUNT_MINOR_MAX))
            for debit, credit in (self._random.sample(self._wallets, 2) for _ in range(int(_SPARE * units)))
        ]

    async def round(self, seconds: float) -> None:
        """Gives for so long, and waits for the last answers."""
        wal_bytes = await self._inside.wal_bytes()
        gc.collect()
        gc.freeze()
        gc.disable()  # as in the server, which collects when it is idle
        begun_s = perf_counter()
        left = iter(self._gifts)
        await asyncio.gather(*(self._work(left, begun_s + seconds) for _ in range(self._wanted.in_flight)))
        self._tally.seconds = perf_counter() - begun_s
        gc.enable()
        gc.unfreeze()
        wal_bytes = await self._inside.wal_bytes() - wal_bytes
        self._tally.figures["wal_bytes"] = round(wal_bytes / max(1, len(self._tally.latencies_s)), 1)
        self._dry = next(left, None) is None

    async def tally(self) -> Tally:
        """What the answers of the last round say."""
        tally, self._tally = self._tally, Tally()
        tally.done = len(tally.latencies_s)
        tally.faults += ["nothing was left to give: take less time"] * self._dry
        return tally

    async def close(self) -> None:
        """Lets what is under way finish."""
        await self._lanes.close()

    async def _work(self, left: Iterator[Transfer], until_s: float) -> None:
        for gift in left:
            begun_s = perf_counter()
            if begun_s >= until_s:
                return
            result = await self._lanes.submit(gift)
            self._tally.latencies_s.append(perf_counter() - begun_s)
            if result.status is TransferStatus.CREATED:
                self.balances[gift.debit.owner_id] -= gift.amount_minor
                self.balances[gift.credit.owner_id] += gift.amount_minor
                self.posted += 1
            else:
                self._tally.faults.append(f"a gift was answered {result.status.name}")

    def _lane(self, i: int) -> GroupCommit[Transfer, TransferResult]:
        return GroupCommit(name=f"transfers-{i}", run=partial(self._post, stripe=i))

    async def _post(self, batch: Sequence[Transfer], stripe: int) -> list[TransferResult]:
        async with self._inside.database.transaction() as tx:
            return await self._ledger.post(tx, batch, at=self._clock.now(), stripe=stripe)

    def _transfer(
        self, debit: AccountRef, credit: AccountRef, amount_minor: int, code: TransferCode = TransferCode.GIFT
    ) -> Transfer:
        return Transfer(
            id=self._ids(), debit=debit, credit=credit, amount_minor=amount_minor, code=code, reference=debit.owner_id
        )


async def _measure(wanted: _Wanted, folder: Path) -> Report:
    say(f"starting PostgreSQL, with {wanted.accounts:,} wallets")
    async with own_postgres(folder) as inside:
        gifts = _Gifts(inside, wanted)
        await gifts.fund()
        rounds = await measure(
            gifts, inside, unit="transfers", rounds=wanted.rounds, seconds=wanted.seconds, guess_per_s=_GUESS_PER_S
        )
        await gifts.close()
        memory_mb = rss_mb(None)
        say(f"comparing {gifts.posted:,} gifts with the books")
        used = cpu_us(rounds.measured, "transfer")
        faults = await _faults(inside, gifts)
        return Report(
            benchmark="transfers",
            spans=spans(rounds.measured, rate="transfers_per_s"),
            cpu=[one.cpu for one in rounds.measured],
            rss_mb=memory_mb,
            machine=await machine(inside.dsn),
            settings={
                "accounts": wanted.accounts,
                "in_flight": wanted.in_flight,
                "lanes": _LANES,
                "seconds": wanted.seconds,
                "loop": "closed",
            },
            figures={
                "python_transfer_us": used["server_transfer_us"],
                "postgres_transfer_us": used["postgres_transfer_us"],
                "transfers": gifts.posted,
                "audit_faults": len(faults),
            },
            faults=[fault for tally in rounds.tallies for fault in tally.faults] + faults,
        )


async def _faults(inside: Inside, gifts: _Gifts) -> list[str]:
    """Where the books differ from what was answered, or do not add up."""
    async with inside.database.read() as tx:
        faults = await Ledger(database=inside.database, currencies={_CURRENCY.code: _CURRENCY}).invariants(tx)
        posted = await tx.fetchval(_COUNT, TransferCode.GIFT)
        held = {row["owner_id"]: row["held"] for row in await tx.fetch(_HELD, AccountCode.WALLET)}
    wrong = [owner_id for owner_id, balance in gifts.balances.items() if held.get(owner_id) != balance]
    faults += [f"{len(wrong)} wallets hold something else than was answered, {wrong[0]} first"] if wrong else []
    return faults + [f"{posted} gifts are in the books, {gifts.posted} were answered"] * (posted != gifts.posted)
