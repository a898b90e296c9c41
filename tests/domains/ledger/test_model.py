"""The ledger against a model of a few dicts: whatever is posted, promised, chained, frozen, retried or rolled back."""

from __future__ import annotations

import asyncio

import pytest

from bench.prove.ledger_model import faults_of, machine_on
from overworld.domains.ledger import SCHEMA


@pytest.mark.slow
def test_the_ledger_is_its_model(databases):
    with asyncio.Runner() as runner:
        opened = databases.opened(SCHEMA)
        machine = machine_on(runner.run(opened.__aenter__()), runner)
        try:
            assert faults_of(machine, runs=30, steps=25, seed=1) == []
        finally:
            runner.run(opened.__aexit__(None, None, None))
    seen = {"CREATED", "EXISTS", "ACCOUNT_FROZEN", "PENDING_EXPIRED", "LINKED_FAILED", "expired"}
    assert seen <= machine.tally.keys()
