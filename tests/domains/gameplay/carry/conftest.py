"""A camp on a fresh database, whose books are checked when the test is over."""

from __future__ import annotations

import pytest

from tests.domains.gameplay.carry.camp import opened_camp


@pytest.fixture
async def camp(open_database, clock, ids):
    async with opened_camp(open_database, clock, ids) as opened:
        yield opened
