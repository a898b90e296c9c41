"""Applications that meet: on two servers, killed in between, there is no gap among the numbers and none twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from msgspec.structs import replace

from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database
from tests.domains.accounts.membership.hall import RULES, code_of, outcome_of


@pytest.fixture
async def other_pool(hall, databases):
    async with hall.database.read() as tx:
        name = await tx.fetchval("SELECT current_database()")
    pool = await Database.open(databases.dsn_of(name))
    yield pool
    await pool.close()


@pytest.mark.slow
async def test_of_many_on_two_servers_one_gets_the_last_number(hall, other_pool):
    """60 people race for 20 numbers of two clubs, half on each server; the clubs' locks cross in every batch."""
    rules = {name: replace(RULES["founders"], cap=20, founding=False) for name in ("east", "west")}
    servers = [hall.parts(rules, database=pool).service for pool in (hall.database, other_pool)]
    people, draw = await hall.people(60), random.Random(3)
    asked = [(i, hall.apply(one, club)) for i, one in enumerate(people) for club in rules]
    draw.shuffle(asked)
    outcomes = await asyncio.gather(*(outcome_of(servers[i % 2], command) for i, command in asked))
    for club in rules:
        codes = Counter(code_of(got) for (_, one), got in zip(asked, outcomes, strict=True) if one.membership == club)
        assert codes == Counter({str(number): 1 for number in range(1, 21)} | {"membership_full": 40})
    assert sorted((club, number) for club, number, _ in await hall.rows()) == [
        (club, number) for club in sorted(rules) for number in range(1, 21)
    ]


@pytest.mark.slow
async def test_one_application_sent_to_two_servers_at_once_is_one(hall, other_pool):
    servers = [hall.parts(database=pool).service for pool in (hall.database, other_pool)]
    people = await hall.people(12)
    for one in people:
        await hall.fund(one, 1_000)
        command = hall.apply(one, "premium")
        answers = await asyncio.gather(*(server.apply(command) for server in servers))
        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].value == answers[1].value
        assert await hall.held(one) == 750
    assert [number for _, number, _ in await hall.rows()] == list(range(1, 13))


class DoomedOutbox:
    """An outbox under which the connection is cut every other time: everything is written, nothing committed."""

    def __init__(self, outbox) -> None:
        self._outbox = outbox
        self.calls = 0

    async def append(self, tx, events, *, at):
        self.calls += 1
        if self.calls % 2:
            await tx.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        await self._outbox.append(tx, events, at=at)


@pytest.mark.slow
async def test_a_server_that_is_killed_leaves_no_gap(hall, other_pool):
    """Its connection is cut before it commits, again and again; a steady server gives numbers in between."""
    rules = {"founders": replace(RULES["founders"], cap=1_000)}
    doom = hall.outbox = DoomedOutbox(hall.outbox)
    doomed = hall.parts(rules, database=other_pool).service
    hall.outbox = doom._outbox
    steady = hall.parts(rules).service
    people = await hall.people(60)
    asked = [hall.apply(one) for one in people]
    cuts = 0

    async def try_and_try(command):
        nonlocal cuts
        while True:
            try:
                return await doomed.apply(command)
            except Fault:
                cuts += 1

    for first in range(0, 60, 6):
        commands = asked[first : first + 6]
        await asyncio.gather(*map(try_and_try, commands[:3]), *map(steady.apply, commands[3:]))
    assert cuts >= 20
    assert [number for _, number, _ in await hall.rows()] == list(range(1, 61))
    assert {account_id for _, _, account_id in await hall.rows()} == set(people)
