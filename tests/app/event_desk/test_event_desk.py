"""The event log in the hands of staff: over HTTP and by commands, against a server with a consumer that gave up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from msgspec import Struct

from bench.servers import Ran, ServerProcess, overworld

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("event desk")]

TOPIC = "events.level.reached"
PATH = "/v1/admin/events"
LETTERS = 3
_BURIED = """
INSERT INTO eventlog.dead_letter (consumer, event_id, topic, envelope, error, attempts, failed_at)
SELECT $1, id, $2, convert_to(json_build_object(
    'id', id, 'topic', $2::text, 'at', '2026-06-01T12:00:00Z', 'key', 'k', 'game', '',
    'data', json_build_object('player_id', id, 'level', 2, 'level_before', 1, 'experience', 5))::text, 'UTF8'),
    'ValueError(''ill'')', 5, now()
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $3)) AS made"""


class Desk(Struct):
    """A running server, a client with its developer key, and a way into its database."""

    server: ServerProcess
    client: httpx.AsyncClient
    database: asyncpg.Connection

    async def bury(self, consumer: str, *, count: int = LETTERS) -> None:
        """Makes events of a level reached dead letters of a consumer."""
        await self.database.execute("DELETE FROM eventlog.dead_letter")
        await self.database.execute(_BURIED, consumer, TOPIC, count)

    async def until_handled(self, consumer: str) -> None:
        """Waits until a consumer has none any more."""
        async with asyncio.timeout(20):
            while (await self.letters(consumer=consumer))["items"]:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.05)  # pace: another process handles them

    async def letters(self, **query: Any) -> Any:
        """A page of dead letters."""
        return (await self.client.get(f"{PATH}/dead-letters", params=query)).raise_for_status().json()

    async def command(self, *arguments: str) -> Ran:
        """Runs `overworld events ...` on the server's data folder."""
        ran = await overworld("events", *arguments, "--data", self.server.data, "--database", self.server.dsn)
        assert "Traceback" not in ran.err
        return ran


@asynccontextmanager
async def opened(folder: Any, dsn: str) -> AsyncIterator[Desk]:
    async with ServerProcess(folder, dsn=dsn) as server, httpx.AsyncClient(base_url=server.http) as client:
        signed_in = await client.post("/v1/auth/device", json={"device_id": str(uuid4())})
        token = signed_in.raise_for_status().json()["access_token"]
        client.headers = {"Authorization": f"Bearer {token}", "Overworld-Key": server.key}
        database = await asyncpg.connect(dsn)
        try:
            yield Desk(server, client, database)
        finally:
            await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory, postgres_dsn) -> AsyncIterator[Desk]:
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute("CREATE DATABASE event_desk")
    try:
        async with opened(tmp_path_factory.mktemp("desk"), postgres_dsn.replace("/postgres?", "/event_desk?")) as desk:
            yield desk
    finally:
        await admin.execute("DROP DATABASE event_desk WITH (FORCE)")
        await admin.close()


async def test_topics_are_listed_with_schema_and_dead_letters_and_an_etag(desk):
    await desk.bury("nobody")
    answer = (await desk.client.get(f"{PATH}/topics")).raise_for_status()
    topics = {topic["name"]: topic for topic in answer.json()["items"]}
    assert topics[TOPIC] | {"dead_letters": LETTERS, "schema_version": 1, "partitions": 20} == topics[TOPIC]
    assert topics["dlq.failed.events"]["dead_letters"] == LETTERS
    assert topics["rtb.bid.requests"]["schema_version"] is None
    headers = {"If-None-Match": answer.headers["etag"]}
    assert (await desk.client.get(f"{PATH}/topics", headers=headers)).status_code == 304
    await desk.bury("nobody", count=1)
    assert (await desk.client.get(f"{PATH}/topics", headers=headers)).status_code == 200


async def test_each_consumer_is_listed_with_its_lag(desk):
    wanted, lag = {"quests", "trust", "leaderboards"}, list[Any]()
    async with asyncio.timeout(20):
        while not wanted <= {one["consumer"] for one in lag}:
            lag = (await desk.client.get(f"{PATH}/lag")).raise_for_status().json()["items"]
            await asyncio.sleep(0.05)  # pace: a server that has just started takes its consumers up
    assert all(one["batches_behind"] >= 0 for one in lag)


async def test_dead_letters_come_in_pages(desk):
    await desk.bury("nobody")
    seen, cursor = [], None
    while True:
        page = await desk.letters(limit=2, topic=TOPIC, **({"cursor": cursor} if cursor else {}))
        seen += page["items"]
        if (cursor := page["cursor"]) is None:
            break
    assert len({letter["event_id"] for letter in seen}) == len(seen) == LETTERS
    assert seen[0]["data"]["level"] == 2
    assert (seen[0]["error"], seen[0]["attempts"], seen[0]["replay_wanted_at"]) == ("ValueError('ill')", 5, None)
    assert (await desk.letters(consumer="another"))["items"] == []


async def test_a_replay_is_handled_by_the_running_server_and_stands_in_the_audit_log(desk):
    await desk.bury("quests")
    answer = await desk.client.post(f"{PATH}/dead-letters/replay", json={"topic": TOPIC})
    assert answer.status_code == 202
    consumers = [{"consumer": "quests", "letters": LETTERS, "reads": True}]
    assert answer.json() == {"letters": LETTERS, "consumers": consumers}
    await desk.until_handled("quests")
    [entry, *_] = (await desk.client.get("/v1/admin/audit", params={"action": "events.replay"})).json()["items"]
    assert (entry["target"], entry["note"]) == (TOPIC, f"{LETTERS} dead letters")


async def test_one_event_may_be_chosen_and_those_of_who_is_gone_are_told(desk):
    await desk.bury("gone-for-good")
    chosen = (await desk.letters())["items"][1]["event_id"]
    body = {"topic": "dlq.failed.events", "event_ids": [chosen]}
    answer = (await desk.client.post(f"{PATH}/dead-letters/replay", json=body)).json()
    assert answer["consumers"] == [{"consumer": "gone-for-good", "letters": 1, "reads": False}]
    wanted = [one["event_id"] for one in (await desk.letters())["items"] if one["replay_wanted_at"]]
    assert wanted == [chosen]


@pytest.mark.parametrize("topic", ["events.never.happened", "events"])
async def test_a_topic_that_is_not_declared_is_refused(desk, topic):
    looked = await desk.client.get(f"{PATH}/dead-letters", params={"topic": topic})
    asked = await desk.client.post(f"{PATH}/dead-letters/replay", json={"topic": topic})
    assert [answer.status_code for answer in (looked, asked)] == [404, 404]
    assert asked.json()["code"] == "events.no_such_topic"


@pytest.mark.parametrize("path", ["topics", "lag", "dead-letters"])
async def test_players_are_not_let_in(desk, path):
    async with httpx.AsyncClient(base_url=desk.server.http) as client:
        grant = (await client.post("/v1/auth/device", json={"device_id": f"a-player-who-asks-for-{path}"})).json()
        headers = {"Authorization": f"Bearer {grant['access_token']}"}
        assert (await client.get(f"{PATH}/{path}", headers=headers)).status_code == 403
        assert (await client.get(f"{PATH}/{path}")).status_code == 401


async def test_commands_tell_the_same_and_ask_the_same(desk):
    await desk.bury("quests")
    table = await desk.command("topics")
    line = next(line.split() for line in table.out.splitlines() if line.startswith(f"{TOPIC} "))
    assert line == [TOPIC, "20", "(2)", "3", "(1)", "168", "zstd", "player_id", "1", str(LETTERS)]
    told = {topic["name"]: topic for topic in json.loads((await desk.command("topics", "--json")).out)}
    assert told[TOPIC]["dead_letters"] == LETTERS
    ran = await desk.command("replay-dlq", TOPIC)
    assert (ran.code, ran.out) == (0, f"quests: {LETTERS} dead letters are to be handled again\n")
    await desk.until_handled("quests")
    nothing = await desk.command("replay-dlq", "dlq.failed.events")
    assert "There are no such dead letters" in nothing.out
    wrong = await desk.command("replay-dlq", "events.never.happened")
    assert (wrong.code, wrong.out) == (1, "")
    assert "is no topic" in wrong.err


async def test_the_tail_prints_events_as_they_happen(desk):
    tail = asyncio.create_task(desk.command("tail", "events.auth.login", "--count", "1"))
    n = 0
    async with httpx.AsyncClient(base_url=desk.server.http) as client:
        while not tail.done():
            n += 1
            (await client.post("/v1/auth/device", json={"device_id": f"somebody-of-the-tail-{n}"})).raise_for_status()
            await asyncio.sleep(0.1)  # pace: another process starts
    ran = tail.result()
    assert ran.code == 0
    [line] = ran.out.splitlines()
    event = json.loads(line)
    assert (event["topic"], event["data"]["way"]) == ("events.auth.login", "device")


async def test_a_player_is_erased_by_a_command_and_the_list_tells_of_it(desk):
    """The store's rounds do it within minutes; who asked stands in the audit log."""
    player = str(uuid4())
    ran = await desk.command("erase", player)
    assert (ran.code, ran.err) == (0, "")
    assert "asked for" in ran.out
    [told] = json.loads((await desk.command("erasures", "--json")).out)
    assert told["done_at"] is None
    assert (await desk.command("erasures")).out.splitlines()[1].split()[0] == told["pseudonym"]
    target = await desk.database.fetchval("SELECT target FROM accounts.audit WHERE action = 'telemetry.erase'")
    assert target == player


async def test_nobody_is_erased_by_an_empty_name(desk):
    ran = await desk.command("erase", "")
    assert ran.code != 0
    assert "a player has a name" in ran.err
