"""A court on a fresh database."""

from __future__ import annotations

import pytest

from overworld.domains.trust.model import Model
from tests.domains.trust.court import SCHEMAS, Court


@pytest.fixture(scope="session")
def warm_model():
    """The model is imported before a transaction waits for it, as servers do."""
    Model.warm()


@pytest.fixture
async def court(open_database, clock, ids, warm_model):
    async with open_database(*SCHEMAS) as database:
        yield Court(database, clock, ids)
