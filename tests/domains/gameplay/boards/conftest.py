"""A stadium on a fresh database."""

from __future__ import annotations

import pytest

from tests.domains.gameplay.boards.stadium import Stadium
from tests.domains.gameplay.field import SCHEMAS


@pytest.fixture
async def stadium(open_database, clock, ids):
    async with open_database(*SCHEMAS) as database:
        yield Stadium(database, clock, ids)
