"""A ledger on a fresh database, whose books are checked when the test is over."""

from __future__ import annotations

import pytest

from overworld.domains.ledger import SCHEMA
from tests.domains.ledger.bank import Bank


@pytest.fixture
async def bank(open_database):
    async with open_database(SCHEMA) as database:
        opened = Bank(database)
        yield opened
        assert await opened.broken() == []
