"""Two servers on one database, with sockets that write down what they hear."""

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
        field = open_field(database=database, outbox=PostgresOutbox(ids=ids), share_fixes=True)
        return Server(database, field, ids, history=HistorySettings(), sharing=SharingSettings(**settings))

    return started


@pytest.fixture
async def server(start_server) -> Server:
    server: Server = start_server()
    return server
