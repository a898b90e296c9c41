"""Worlds on a real database with fences."""

from __future__ import annotations

import pytest

from overworld.domains.world.wiring import SCHEMA
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import SCHEMA as EVENT_LOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY
from tests.domains.world.fences.fenced import Fenced


@pytest.fixture
async def database(open_database):
    async with open_database(EVENT_LOG, IDEMPOTENCY, SCHEMA) as opened:
        yield opened


@pytest.fixture
def open_fenced(open_field, database):
    """Makes worlds on one database."""

    def made(**settings):
        ids = IdSource(lambda: 1_780_000_000_000_000)
        return Fenced(open_field(database=database, outbox=PostgresOutbox(ids=ids), **settings))

    return made


@pytest.fixture
async def fenced(open_fenced):
    here = open_fenced()
    yield here
    await here.parts.stop(within_s=1)
