"""A hall on a fresh database, whose books and numbers are checked when the test is over."""

from __future__ import annotations

import pytest

from tests.domains.accounts.membership.hall import opened_hall


@pytest.fixture
async def hall(open_database, clock, ids):
    async with opened_hall(open_database, clock, ids) as opened:
        yield opened
