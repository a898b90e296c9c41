"""A database that cannot be used is told on one line, without its password, and left as it is."""

from __future__ import annotations

import asyncpg
import pytest

from tests.system.commands import ANY_PORTS, REFUSED, SECRET, lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: database"),
]


BAD_DATABASES = {
    "no address": SECRET + "\N{SNOWMAN}",
    "other database": f"mysql://ann:{SECRET}@localhost/game",
    "no port": f"postgresql://ann:{SECRET}@localhost:port/game",
    "no server": f"postgresql://ann:{SECRET}@127.0.0.1:1/game",
}


@pytest.mark.parametrize("dsn", BAD_DATABASES.values(), ids=list(BAD_DATABASES))
async def test_a_database_that_cannot_be_reached_is_told_without_its_password(run, dsn):
    ran = await run("serve", *ANY_PORTS, "--database", dsn)
    assert ran.code == REFUSED
    assert lines(ran)[-1].startswith("overworld: "), ran.err


async def test_a_database_that_is_not_there_is_told(run, postgres_dsn):
    ran = await run("serve", *ANY_PORTS, "--database", postgres_dsn.replace("/postgres?", "/no_such_database?"))
    assert ran.code == REFUSED
    assert "no_such_database" in lines(ran)[-1]


async def test_a_database_that_was_not_migrated_is_left_alone(run, empty_database):
    async with empty_database() as dsn:
        ran = await run("serve", *ANY_PORTS, "--database", dsn)
        assert ran.code == REFUSED
        assert "overworld migrate up" in lines(ran)[-1]
        database = await asyncpg.connect(dsn)
        count = await database.fetchval(
            "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'accounts'"
        )
        await database.close()
        assert count == 0
