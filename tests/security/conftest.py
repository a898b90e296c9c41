"""One server for the whole folder, which must come out alive, without a bug and with its secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from bench.prove.samples import sample_game
from tests.security import stage as stages
from tests.security.stage import Stage, operations_of
from tests.system.target import under_attack

_LAST = "test_leaks.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Looks for leaks when everything else has happened."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent == here and item.path.name == _LAST)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(tmp_path_factory, empty_database) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("attacks")
    game = str(sample_game(folder, club_is_free=True))
    async with (
        empty_database() as dsn,
        # Its memory, its time and its command line are looked at: they are those of a server that its users start.
        under_attack(folder / "data", dsn=dsn, game=game, environment=stages.ENVIRONMENT, afresh=True) as target,
    ):
        database = await asyncpg.connect(dsn)
        try:
            operations = list(operations_of(await target.document()))
            stage = Stage(target, database, operations)
            stage.learn(*stages.PLANTED.values(), stages.REDIS_PASSWORD, stages.CLIENT_SECRET, stages.PASSWORD)
            yield stage
        finally:
            await database.close()
