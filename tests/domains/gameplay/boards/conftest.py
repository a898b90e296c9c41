"""A stadium on a fresh database."""

from __future__ import annotations

from functools import partial

import pytest

from tests.domains.gameplay.boards.stadium import Stadium
from tests.domains.gameplay.field import SCHEMAS


@pytest.fixture
def open_database_of_boards(open_database):
    """Opens a fresh database with everything that leaderboards need."""
    return partial(open_database, *SCHEMAS)


@pytest.fixture
async def stadium(open_database_of_boards, clock, ids):
    async with open_database_of_boards() as database:
        yield Stadium(database, clock, ids)
