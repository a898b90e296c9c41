"""The ledger against a model of a few lines: whatever is posted, retried, tampered with or rolled back."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec import structs

from overworld.domains.ledger import SCHEMA
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    AccountCode,
    AccountRef,
    Transfer,
    TransferCode,
    TransferResult,
    TransferStatus,
)
from tests.domains.ledger.bank import Bank

_NAMES = ("anna", "bela", "cara", "issuer")
_SPACE = UUID(int=0)
_AMOUNTS = st.sampled_from([-1, 0, 1, 2, 3, 5, 8, AMOUNT_MINOR_MAX - 1, AMOUNT_MINOR_MAX, AMOUNT_MINOR_MAX + 1])
_DRAWN = st.fixed_dictionaries(
    {
        "debit": st.sampled_from(_NAMES),
        "credit": st.sampled_from(_NAMES),
        "amount": _AMOUNTS,
        "currency": st.sampled_from(["ore", "ore", "ore", "gem"]),
        "number": st.integers(0, 30),
        "tamper": st.sampled_from(["no", "no", "no", "amount", "sides"]),
    }
)


class Model:
    """A ledger in two dicts."""

    def __init__(self) -> None:
        self.held: dict[AccountRef, int] = {}
        self.posted: dict[UUID, Transfer] = {}

    def post(self, wanted: Transfer) -> TransferResult:
        status = self._judge(wanted)
        if status is TransferStatus.CREATED:
            self.posted[wanted.id] = wanted
            self.held[wanted.debit] = self.held.get(wanted.debit, 0) - wanted.amount_minor
            self.held[wanted.credit] = self.held.get(wanted.credit, 0) + wanted.amount_minor
        return TransferResult(status, self.held.get(wanted.credit, 0))

    def _judge(self, wanted: Transfer) -> TransferStatus:
        if wanted.id in self.posted:
            same = self.posted[wanted.id] == wanted
            return TransferStatus.EXISTS if same else TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS
        paid = self.held.get(wanted.debit, 0) - wanted.amount_minor
        received = self.held.get(wanted.credit, 0) + wanted.amount_minor
        refusals = [
            (wanted.amount_minor < 1, TransferStatus.AMOUNT_NOT_POSITIVE),
            (wanted.debit == wanted.credit, TransferStatus.ACCOUNTS_SAME),
            (wanted.debit.currency != wanted.credit.currency, TransferStatus.CURRENCY_MISMATCH),
            (paid < 0 and wanted.debit.code is AccountCode.WALLET, TransferStatus.EXCEEDS_CREDITS),
            (max(wanted.amount_minor, received) > AMOUNT_MINOR_MAX, TransferStatus.EXCEEDS_MAXIMUM),
        ]
        return next((status for refused, status in refusals if refused), TransferStatus.CREATED)


class Machine(RuleBasedStateMachine):
    """Owners and ids are new in every run, so that all runs share one database."""

    bank: Bank
    runner: asyncio.Runner
    runs = count()

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.space = uuid5(_SPACE, str(next(self.runs)))

    def account(self, name: str, currency: str) -> AccountRef:
        code = AccountCode.ISSUANCE if name == "issuer" else AccountCode.WALLET
        return AccountRef(uuid5(self.space, name), currency, code)

    def transfer(self, drawn: dict[str, Any]) -> Transfer:
        """A new transfer, or, when its number was posted before, that one again or tampered with."""
        transfer_id = uuid5(self.space, str(drawn["number"]))
        earlier = self.model.posted.get(transfer_id)
        if earlier is not None:
            match drawn["tamper"]:
                case "amount":
                    return structs.replace(earlier, amount_minor=drawn["amount"])
                case "sides":
                    return structs.replace(earlier, debit=earlier.credit, credit=earlier.debit)
            return earlier
        mismatch = drawn["tamper"] == "sides" and drawn["amount"] == 8
        return Transfer(
            id=transfer_id,
            debit=self.account(drawn["debit"], drawn["currency"]),
            credit=self.account(drawn["credit"], "gem" if mismatch else drawn["currency"]),
            amount_minor=drawn["amount"],
            code=TransferCode.GIFT,
            reference=_SPACE,
        )

    @rule(batch=st.lists(_DRAWN, min_size=1, max_size=12))
    def post(self, batch: list[dict[str, Any]]) -> None:
        transfers = [self.transfer(drawn) for drawn in batch]
        expected = [self.model.post(wanted) for wanted in transfers]
        assert self.runner.run(self.bank.post(*transfers)) == expected

    @precondition(lambda self: self.model.posted)
    @rule()
    def post_everything_again(self) -> None:
        results = self.runner.run(self.bank.post(*self.model.posted.values()))
        assert all(result.status is TransferStatus.EXISTS for result in results)

    @rule(batch=st.lists(_DRAWN, min_size=1, max_size=5))
    def roll_back(self, batch: list[dict[str, Any]]) -> None:
        with pytest.raises(ZeroDivisionError):
            self.runner.run(self.bank.post_and_fail(*(self.transfer(drawn) for drawn in batch)))

    @invariant()
    def wallets_hold_what_the_model_says(self) -> None:
        for name in _NAMES[:3]:
            for currency in ("ore", "gem"):
                account = self.account(name, currency)
                held = self.runner.run(self.bank.held(account.owner_id, currency))
                assert held == self.model.held.get(account, 0)

    def teardown(self) -> None:
        assert self.runner.run(self.bank.broken()) == []


@pytest.mark.slow
def test_the_ledger_is_its_model(databases):
    with asyncio.Runner() as runner:
        opened = databases.opened(SCHEMA)
        bank = Bank(runner.run(opened.__aenter__()))
        machine = type("MachineOnADatabase", (Machine,), {"runner": runner, "bank": bank})
        try:
            quick = settings(max_examples=25, stateful_step_count=12, deadline=None)
            run_state_machine_as_test(machine, settings=quick)
        finally:
            runner.run(opened.__aexit__(None, None, None))
