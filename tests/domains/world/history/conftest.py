"""A world that keeps history on a database, and a second one beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from overworld.domains.world.history.types import HistorySettings
from overworld.domains.world.shares.types import SharingSettings
from overworld.platform.eventlog import PostgresOutbox
from tests.domains.world.joined import SCHEMAS, Server


@pytest.fixture
async def database(open_database):
    async with open_database(*SCHEMAS) as opened:
        yield opened


@pytest.fixture
def start_server(database, open_field, ids) -> Callable[..., Server]:
    """Starts a server on the database, with other settings if asked."""

    def started(**settings) -> Server:
        return Server(
            database,
            open_field(database=database, outbox=PostgresOutbox(ids=ids)),
            ids,
            history=HistorySettings(**settings),
            sharing=SharingSettings(),
        )

    return started


@pytest.fixture
async def server(start_server) -> Server:
    server: Server = start_server()
    return server
