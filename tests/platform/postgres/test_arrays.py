"""Arrays as text are what PostgreSQL would have read from the driver."""

from __future__ import annotations

import pytest

from overworld.kernel.money import TransferCode
from overworld.platform.postgres.arrays import numbers


@pytest.mark.parametrize("values", [[], [7], [0, -1, 2**63 - 1, -(2**63)], [None, 3, None]])
async def test_numbers_arrive_as_they_are(open_database, values):
    async with open_database() as database, database.read() as tx:
        assert await tx.fetchval("SELECT $1::text::bigint[]", numbers(values)) == values


def test_members_of_an_enum_are_their_numbers():
    assert numbers([TransferCode.GIFT, TransferCode.COLLECT]) == "{4,1}"
