"""Migrations run once, in order, and never on a database they do not understand."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from overworld.platform.postgres import BadMigration, Database, DatabaseAhead, Schema, applied, migrate, plan

ONE = "CREATE TABLE shop.item (id int PRIMARY KEY);"
TWO = "ALTER TABLE shop.item ADD COLUMN price int NOT NULL DEFAULT 0;"


@pytest.fixture
def shop(tmp_path):
    """A schema with the files given, by name."""

    def made(**files: str) -> Schema:
        for file in tmp_path.glob("*.sql"):
            file.unlink()
        for name, sql in files.items():
            (tmp_path / f"{name.removeprefix('n')}.sql").write_text(sql)
        return Schema(name="shop", folder=tmp_path)

    return made


async def test_files_are_applied_once_in_order(open_database, shop):
    async with open_database() as database:
        schema = shop(n0001_item=ONE, n0002_price=TWO)
        assert [str(step) for step in await plan(database, [schema])] == ["shop 0001_item", "shop 0002_price"]
        assert len(await migrate(database, [schema])) == 2
        assert await plan(database, [schema]) == await migrate(database, [schema]) == []
        assert [(past.number, past.name) for past in await applied(database)] == [(1, "item"), (2, "price")]


async def test_planning_changes_nothing(open_database, shop):
    async with open_database() as database:
        await plan(database, [shop(n0001_item=ONE)])
        assert await applied(database) == []


async def test_a_new_file_is_applied_to_an_older_database(open_database, shop):
    async with open_database() as database:
        await migrate(database, [shop(n0001_item=ONE)])
        assert [step.number for step in await migrate(database, [shop(n0001_item=ONE, n0002_price=TWO)])] == [2]


async def test_a_failing_file_leaves_nothing_of_itself_and_what_was_before(open_database, shop):
    async with open_database() as database:
        broken = "CREATE TABLE shop.other (id int); SELECT 1 / 0;"
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(database, [shop(n0001_item=ONE, n0002_broken=broken)])
        assert [past.number for past in await applied(database)] == [1]
        async with database.read() as tx:
            assert await tx.fetchval("SELECT to_regclass('shop.other')") is None


async def test_two_processes_at_once_apply_everything_once(open_database, databases, shop):
    async with open_database() as first:
        async with first.read() as tx:
            name = await tx.fetchval("SELECT current_database()")
        second = await Database.open(databases.dsn_of(name))
        schema = shop(n0001_item=ONE, n0002_price=TWO)
        done = await asyncio.gather(migrate(first, [schema]), migrate(second, [schema]))
        assert sorted(step.number for steps in done for step in steps) == [1, 2]
        await second.close()


async def test_a_database_ahead_of_the_build_is_refused_and_told(open_database, shop):
    async with open_database() as database:
        await migrate(database, [shop(n0001_item=ONE, n0002_price=TWO)])
        for refused in (plan, migrate):
            with pytest.raises(DatabaseAhead, match=r"shop 0002_price .* does not know"):
                await refused(database, [shop(n0001_item=ONE)])


async def test_a_file_changed_after_it_was_applied_is_refused(open_database, shop):
    async with open_database() as database:
        await migrate(database, [shop(n0001_item=ONE)])
        with pytest.raises(BadMigration, match="shop 0001_item was changed"):
            await migrate(database, [shop(n0001_item=ONE + "-- better")])


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["n0002_item"], "should have number 0001"),
        (["n0001_item", "n0003_price"], "should have number 0002"),
        (["n0001_item", "n0001_price"], "should have number 0002"),
        (["n1_item"], "NNNN_name.sql"),
        ([], "no migrations"),
    ],
)
async def test_numbers_have_no_gaps_and_no_duplicates(open_database, shop, names, why):
    async with open_database() as database:
        with pytest.raises(BadMigration, match=why):
            await migrate(database, [shop(**dict.fromkeys(names, "SELECT 1"))])


async def test_what_breaks_the_running_build_must_say_contract(open_database, shop):
    async with open_database() as database:
        drop = "ALTER TABLE shop.item DROP COLUMN price;"
        with pytest.raises(BadMigration, match="phase: contract"):
            await migrate(database, [shop(n0001_item=ONE, n0002_price=TWO, n0003_drop=drop)])
        schema = shop(n0001_item=ONE, n0002_price=TWO, n0003_drop=f"-- phase: contract\n{drop}")
        assert [step.phase for step in await migrate(database, [schema])] == ["expand", "expand", "contract"]


async def test_an_unknown_phase_is_refused(open_database, shop):
    async with open_database() as database:
        with pytest.raises(BadMigration, match="shrink"):
            await migrate(database, [shop(n0001_item=f"-- phase: shrink\n{ONE}")])
