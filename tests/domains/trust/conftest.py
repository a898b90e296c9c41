"""A court on a fresh database."""

from __future__ import annotations

import pytest

from tests.domains.trust.court import SCHEMAS, Court


@pytest.fixture
async def court(open_database, clock, ids):
    async with open_database(*SCHEMAS) as database:
        yield Court(database, clock, ids)
