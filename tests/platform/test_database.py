"""The database fixture gives a real, empty PostgreSQL."""


async def test_a_fresh_database_answers(open_database):
    async with open_database() as database, database.transaction() as tx:
        assert await tx.fetchval("SELECT 1") == 1
