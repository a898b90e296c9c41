"""A field on a fresh database, whose books are checked when the test is over."""

from __future__ import annotations

import pytest

from tests.domains.gameplay.field import opened_field


@pytest.fixture
async def field(open_database, clock, ids):
    async with opened_field(open_database, clock, ids) as opened:
        yield opened
