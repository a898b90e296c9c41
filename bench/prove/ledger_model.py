"""Whatever is asked of the ledger, in whatever batches, it answers as a ledger of a few dicts does."""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid5

from cyclopts import Parameter
from cyclopts.validators import Number
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from bench.prove.ledger_in_dicts import LedgerInDicts
from bench.prove.outcome import Outcome, conclude
from overworld.domains.ledger import SCHEMA, Ledger
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    AccountCode,
    AccountRef,
    Currency,
    Transfer,
    TransferCode,
    TransferKind,
    TransferResult,
)
from overworld.platform.postgres import Database, DatabaseSettings, EmbeddedPostgres, migrate

CURRENCIES = {"ore": Currency("ore", 2), "gem": Currency("gem")}
_CODES = {"issuer": AccountCode.ISSUANCE, "sponsor": AccountCode.BUDGET}
_NAMES = ("anna", "bela", "cara", "sponsor", "issuer")
_SPACE = UUID(int=0)
_NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_KINDS = [TransferKind.POSTED] * 5 + [TransferKind.PENDING] * 2 + [TransferKind.POST_PENDING, TransferKind.VOID_PENDING]
_AMOUNTS = [1, 2, 3, 5, 8, 40] * 5 + [-1, 0, AMOUNT_MINOR_MAX - 1, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX + 1]
_TAMPERS = ["no"] * 12 + ["amount", "sides", "reference", "memo", "code", "kind"]
_SETTLES = (TransferKind.POST_PENDING, TransferKind.VOID_PENDING)
_SEEDS = st.integers(0, 2**32 - 1)
_SIZES = st.sampled_from([1, 2, 4, 8, 16, 30])


def _drawn(chance: Random) -> dict[str, Any]:
    """What decides one transfer. Hypothesis would rather draw the simplest again and again."""
    sides = chance.choices(_NAMES, k=2) if chance.random() < 0.1 else chance.sample(_NAMES, k=2)
    return {
        "number": chance.randrange(1_000) if chance.random() < 0.8 else chance.randrange(12),
        "debit": sides[0],
        "credit": sides[1],
        "currency": chance.choice(["ore"] * 6 + ["gem"]),
        "amount": chance.choice(_AMOUNTS),
        "all": chance.choice([""] * 8 + ["free", "held", "room"]),
        "kind": chance.choice(_KINDS),
        "promise": chance.choice([chance.randrange(1_000), -1]),
        "fit": chance.choice(["whole"] * 3 + ["part", "as drawn", "odd"]),
        "code": chance.choice([TransferCode.GIFT] * 4 + [TransferCode.FUND, TransferCode.COLLECT]),
        "reference": chance.randrange(20),
        "memo": chance.choice([None] * 5 + [7]),
        "minutes": chance.choice([-1, 0, 5, 60]),
        "linked": chance.random() < 0.25,
        "tamper": chance.choice(_TAMPERS),
    }


class LedgerMachine(RuleBasedStateMachine):
    """A ledger and its model, asked the same. Owners and ids are new in every run, so that all share one database."""

    database: ClassVar[Database]
    runner: ClassVar[asyncio.Runner]
    runs: ClassVar[count[int]] = count()
    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.model = LedgerInDicts()
        self.space = uuid5(_SPACE, str(next(self.runs)))
        self.at = _NOON
        self.ledgers = [Ledger(database=self.database, currencies=CURRENCIES) for _ in range(2)]

    def account(self, name: str, currency: str) -> AccountRef:
        return AccountRef(uuid5(self.space, name), currency, _CODES.get(name, AccountCode.WALLET))

    def transfer(self, drawn: dict[str, Any]) -> Transfer:
        """A new transfer, or, when its number was posted before, that one again or tampered with."""
        earlier = self.model.now.posted.get(uuid5(self.space, str(drawn["number"])))
        return self._new(drawn) if earlier is None else self._again(earlier, drawn)

    def _new(self, drawn: dict[str, Any]) -> Transfer:
        kind: TransferKind = drawn["kind"]
        transfer = Transfer(
            id=uuid5(self.space, str(drawn["number"])),
            debit=self.account(drawn["debit"], drawn["currency"]),
            credit=self.account(drawn["credit"], "gem" if drawn["tamper"] == "sides" else drawn["currency"]),
            amount_minor=self.amount(drawn),
            code=drawn["code"] if kind is TransferKind.POSTED else TransferCode.GIFT,
            reference=uuid5(self.space, f"reference {drawn['reference']}"),
            memo=drawn["memo"],
            kind=kind,
            expires_at=self.at + timedelta(minutes=drawn["minutes"]) if kind is TransferKind.PENDING else None,
            linked=drawn["linked"],
        )
        if drawn["tamper"] == "kind":
            return replace(transfer, expires_at=self.at)
        if kind not in _SETTLES:
            return transfer
        return self._settling(transfer, drawn)

    def amount(self, drawn: dict[str, Any]) -> int:
        """As drawn, or what brings an account to its edge: all that is free or held, all that it can still take."""
        debit, credit = (self.account(drawn[side], drawn["currency"]) for side in ("debit", "credit"))
        now = self.model.now
        match drawn["all"]:
            case "free":
                return now.held.get(debit, 0) - now.promised.get(debit, 0)
            case "held":
                return now.held.get(debit, 0)
            case "room":
                return AMOUNT_MINOR_MAX - max(0, now.held.get(credit, 0))
        amount_minor: int = drawn["amount"]
        return amount_minor

    def _settling(self, transfer: Transfer, drawn: dict[str, Any]) -> Transfer:
        """It settles a promise that is open, mostly as it should."""
        promises = [self.model.now.posted[promise_id] for promise_id in self.model.now.ends_at]
        if not promises or drawn["fit"] == "odd":
            return replace(transfer, pending_id=uuid5(self.space, str(drawn["promise"] % 1_000)))
        promise = promises[drawn["promise"] % len(promises)]
        settling = replace(transfer, debit=promise.debit, credit=promise.credit, pending_id=promise.id)
        match drawn["fit"]:
            case "whole":
                return replace(settling, amount_minor=promise.amount_minor)
            case "part":
                return replace(settling, amount_minor=max(1, promise.amount_minor // 2))
        return settling

    def _again(self, earlier: Transfer, drawn: dict[str, Any]) -> Transfer:
        earlier = replace(earlier, linked=drawn["linked"])
        changes: dict[str, dict[str, Any]] = {
            "amount": {"amount_minor": drawn["amount"]},
            "sides": {"debit": earlier.credit, "credit": earlier.debit},
            "reference": {"reference": uuid5(self.space, f"reference {drawn['reference']}")},
            "memo": {"memo": drawn["memo"]},
            "code": {"code": drawn["code"]},
            "kind": {"kind": drawn["kind"]},
        }
        return replace(earlier, **changes.get(drawn["tamper"], {}))

    async def _post(self, transfers: list[Transfer], *, server: int, stripe: int, fail: bool) -> list[TransferResult]:
        async with self.database.transaction() as tx:
            results = await self.ledgers[server].post(tx, transfers, at=self.at, stripe=stripe)
            if fail:
                raise ZeroDivisionError
        return results

    def posted(self, transfers: list[Transfer], *, server: int, stripe: int) -> None:
        expected = self.model.post(transfers, at=self.at)
        results = self.runner.run(self._post(transfers, server=server, stripe=stripe, fail=False))
        assert results == expected
        self.tally["batches"] += 1
        self.tally.update(result.status.name for result in results)

    def batch(self, seed: int, size: int) -> list[Transfer]:
        """Transfers of any kind, or, one time in three, plain ones that mostly can be posted in one go."""
        chance = Random(seed)
        drawn = [_drawn(chance) for _ in range(size)]
        if chance.random() < 0.33:
            plain = {"kind": TransferKind.POSTED, "memo": None, "linked": False, "tamper": "no", "currency": "ore"}
            drawn = [one | plain | {"amount": max(1, one["amount"])} for one in drawn]
        return [self.transfer(one) for one in drawn]

    @rule(seed=_SEEDS, size=_SIZES, server=st.integers(0, 1), stripe=st.integers(0, 20))
    def post(self, seed: int, size: int, server: int, stripe: int) -> None:
        self.posted(self.batch(seed, size), server=server, stripe=stripe)

    @initialize()
    def everybody_has_something(self) -> None:
        for name in _NAMES[:-1]:
            self.fund(name, amount=100, currency="ore", stripe=0)

    @rule(
        name=st.sampled_from(_NAMES[:-1]),
        amount=st.sampled_from([1, 20, 1_000]),
        currency=st.sampled_from(["ore", "gem"]),
        stripe=st.integers(0, 20),
    )
    def fund(self, name: str, amount: int, currency: str, stripe: int) -> None:
        funding = Transfer(
            id=uuid5(self.space, f"funding {name} {len(self.model.now.posted)} {self.at}"),
            debit=self.account("issuer", currency),
            credit=self.account(name, currency),
            amount_minor=amount,
            code=TransferCode.FUND,
            reference=_SPACE,
        )
        self.posted([funding], server=0, stripe=stripe)

    @precondition(lambda self: self.model.now.posted)
    @rule(server=st.integers(0, 1))
    def post_everything_again(self, server: int) -> None:
        """The voids of what was over are of the ledger's own making, and come again as everything else."""
        again = [replace(one, linked=False) for one in self.model.now.posted.values()]
        self.posted(again, server=server, stripe=0)

    @rule(seed=_SEEDS, size=_SIZES, server=st.integers(0, 1))
    def roll_back(self, seed: int, size: int, server: int) -> None:
        transfers = self.batch(seed, size)
        try:
            self.runner.run(self._post(transfers, server=server, stripe=3, fail=True))
        except ZeroDivisionError:
            self.tally["rolled back"] += 1
        else:
            raise AssertionError("it was not rolled back")

    @rule(minutes=st.sampled_from([1, 10, 90]))
    def time_passes(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule(server=st.integers(0, 1))
    def expire(self, server: int) -> None:
        over = self.model.expire(at=self.at)
        assert self.runner.run(self.ledgers[server].expire(at=self.at)) == over
        self.tally["expired"] += over

    @rule(name=st.sampled_from(_NAMES), frozen=st.booleans(), server=st.integers(0, 1))
    def freeze(self, name: str, frozen: bool, server: int) -> None:
        owner_id = self.account(name, "ore").owner_id
        self.runner.run(self.ledgers[server].freeze(owner_id, frozen=frozen))
        self.model.freeze(owner_id, frozen=frozen)

    @rule()
    def a_server_starts_anew(self) -> None:
        self.ledgers[1] = Ledger(database=self.database, currencies=CURRENCIES)

    @invariant()
    def accounts_hold_what_the_model_says(self) -> None:
        assert self.runner.run(self._held()) == {
            (name, currency): (
                self.model.now.held.get(account, 0),
                self.model.now.coming.get(account, 0) - self.model.now.promised.get(account, 0),
            )
            for name in _NAMES
            for currency in CURRENCIES
            for account in [self.account(name, currency)]
        }

    async def _held(self) -> dict[tuple[str, str], tuple[int, int]]:
        return {
            (name, one.currency): (one.posted_minor, one.pending_minor)
            for name in _NAMES
            for one in await self.ledgers[0].balances(
                self.account(name, "ore").owner_id, code=_CODES.get(name, AccountCode.WALLET)
            )
        }

    @precondition(lambda self: self.model.now.posted)
    @rule(name=st.sampled_from(_NAMES[:3]))
    def history_tells_all_that_moved(self, name: str) -> None:
        owner_id = self.account(name, "ore").owner_id
        told = self.runner.run(self.ledgers[0].history(owner_id, limit=1_000))
        now = self.model.now
        moved = [
            (now.posted_at[one.id], one.id, one.amount_minor, way)
            for one in now.posted.values()
            for way, side in (("in", one.credit), ("out", one.debit))
            if side.owner_id == owner_id
            and one.kind in (TransferKind.POSTED, TransferKind.POST_PENDING)
            and not (way == "out" and one.code is TransferCode.COLLECT)
        ]
        assert [(one.at, one.id, one.amount_minor, one.direction) for one in told] == sorted(moved, reverse=True)

    def teardown(self) -> None:
        """The books add up, and no promise is left for the run that comes next to expire."""

        async def broken() -> list[str]:
            await self.ledgers[0].expire(at=_NEVER)
            async with self.database.read() as tx:
                return await self.ledgers[0].invariants(tx)

        assert self.runner.run(broken()) == []


def machine_on(database: Database, runner: asyncio.Runner) -> type[LedgerMachine]:
    """The machine of one database; it counts for itself."""
    return type("Machine", (LedgerMachine,), {"database": database, "runner": runner, "tally": Counter()})


Count = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]


def ledger_model(*, runs: Count = 200, steps: Count = 50, seed: int = 1, shorten: bool = False) -> int:
    """The ledger answers as a model of a few dicts, whatever is posted, promised, chained, frozen, retried or undone.

    Two servers share one database of this run's own. A fault is told with all that led to it.

    Parameters
    ----------
    runs
        How many times it begins with empty books.
    steps
        How many batches and other things are asked in each, at most.
    seed
        Of everything that is chosen by chance.
    shorten
        Look for a shorter way to a fault, for minutes.
    """
    with tempfile.TemporaryDirectory(prefix="overworld-ledger-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        postgres = EmbeddedPostgres(Path(folder), settings=DatabaseSettings())
        try:
            outcome = prove(postgres.start(), runs=runs, steps=steps, seed=seed, shorten=shorten)
        finally:
            postgres.stop()
    return conclude("ledger-model", outcome, seed=seed)


def prove(dsn: str, *, runs: int, steps: int, seed: int, shorten: bool = False) -> Outcome:
    """Compares the ledger on an empty database with its model."""
    with asyncio.Runner() as runner:
        database = runner.run(Database.open(dsn, application="proof"))
        try:
            runner.run(migrate(database, [SCHEMA]))
            machine = machine_on(database, runner)
            faults = faults_of(machine, runs=runs, steps=steps, seed=seed, shorten=shorten)
        finally:
            runner.run(database.close())
    return Outcome({"runs": runs, **dict(sorted(machine.tally.items()))}, faults)


def faults_of(machine: type[LedgerMachine], *, runs: int, steps: int, seed: int, shorten: bool = False) -> list[str]:
    """Where ledger and model part, with all that led there; empty when they never do."""
    thorough = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shorten else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seeded(seed)(machine), settings=thorough)
    except Exception as error:
        return ["".join(traceback.format_exception(error, limit=-3))]
    return []
