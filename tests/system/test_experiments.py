"""Flags through a real server: for players, for OpenFeature clients of others and ours, and a report of what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import AbstractProvider

from bench.servers import ServerProcess, overworld
from overworld.client import Api
from overworld.client.openfeature import OverworldProvider
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.rules import drawn
from overworld.domains.experiments.types import Variant

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ADMIN = "/v1/admin/flags"
HALVES = [{"name": "off", "value": False}, {"name": "on", "value": True}]
MEASURED = {"control": "off", "primary": {"name": "sign_ins", "window_h": 1, "before_h": 24}}


class Stage:
    """Two servers on one database, a player of each, and staff."""

    def __init__(self, servers: list[ServerProcess], players: list[Api], http: list[httpx.AsyncClient]) -> None:
        self.servers = servers
        self.players = players
        self.http = http
        self.device = ""

    @property
    def player_id(self) -> str:
        return str(self.players[0].session.user.id)

    async def make(self, **said: Any) -> str:
        """Makes a flag of two halves for everybody, known to both servers when it returns."""
        key = f"f-{uuid4().hex[:12]}"
        flag = {"key": key, "variants": HALVES, "default": "off", "rules": [{}]} | said
        answer = await self.http[0].post(ADMIN, json=flag)
        assert answer.status_code == 201, answer.text
        async with asyncio.timeout(10):
            while key not in (await self.http[1].get("/v1/flags")).json()["flags"]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)  # pace: the other server hears of it by the log
        return key

    async def key_for(self, *scopes: str) -> str:
        """An API key of staff with these scopes."""
        answer = await self.http[0].post("/v1/admin/keys", json={"name": uuid4().hex, "scopes": list(scopes)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(ServerProcess(tmp_path_factory.mktemp("first")))
        second = await stack.enter_async_context(ServerProcess(tmp_path_factory.mktemp("second"), dsn=first.dsn))
        players: list[Api] = []
        http: list[httpx.AsyncClient] = []
        device = f"experiments-{uuid4()}"
        for server in (first, second):
            player = await stack.enter_async_context(Api(server.http, key=server.key))
            await player.device(f"{device}-{len(players)}")
            players.append(player)
        for server in (first, second):
            headers = {"Authorization": f"Bearer {players[0].session.access_token}", "Overworld-Key": server.key}
            http.append(await stack.enter_async_context(httpx.AsyncClient(base_url=server.http, headers=headers)))
        made = Stage([first, second], players, http)
        made.device = f"{device}-1"
        yield made


async def an_hour_passes(dsn: str, metric: str) -> None:
    """What was kept is an hour older, once something has been counted for the metric."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(20):
            count = "SELECT count(*) FROM experiments.fact WHERE metric = $1"
            while not await connection.fetchval(count, metric):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.02)  # pace: what the fold does has no event for us
        await connection.execute("UPDATE experiments.exposure SET at = at - interval '1 h'")
        await connection.execute("UPDATE experiments.fact SET hour = hour - interval '1 h'")
    finally:
        await connection.close()


@contextmanager
def using(provider: AbstractProvider) -> Iterator[OpenFeatureClient]:
    """The SDK's own client with a provider, in a domain that nobody else uses."""
    domain = uuid4().hex
    api.set_provider(provider, domain)
    try:
        yield api.get_client(domain)
    finally:
        provider.shutdown()


async def test_both_servers_give_a_player_the_same_and_it_is_the_formulas(stage):
    key = await stage.make(variants=[{"name": n, "value": n} for n in "abcd"], default="a")
    here, there = [(await http.get("/v1/flags", params={"flag": key})).json() for http in stage.http]
    expected = drawn([Variant(name=n, value=n) for n in "abcd"], salt=key, unit=stage.player_id)
    assert here == there == {"flags": {key: {"variant": expected.name, "value": expected.name, "reason": "SPLIT"}}}


async def test_a_look_has_an_etag_and_attributes_reach_the_rules(stage):
    condition = {"attribute": "country", "values": ["SI"]}
    key = await stage.make(rules=[{"when": [condition], "variant": "on"}])
    params = {"flag": key, "country": "SI"}
    seen = await stage.http[0].get("/v1/flags", params=params)
    assert seen.json()["flags"][key]["value"] is True
    again = await stage.http[1].get("/v1/flags", params=params, headers={"If-None-Match": seen.headers["etag"]})
    assert again.status_code == 304
    other = await stage.http[0].post("/v1/flags", json={"flags": [key], "attributes": {"country": "IT"}})
    assert other.json()["flags"][key] == {"variant": "off", "value": False, "reason": "DEFAULT"}


async def test_what_the_server_knows_of_a_player_cannot_be_said_by_the_client(stage):
    key = await stage.make(rules=[{"when": [{"attribute": "level", "op": "at_least", "values": [2]}], "variant": "on"}])
    answer = await stage.http[0].post("/v1/flags", json={"flags": [key], "attributes": {"level": 50}})
    assert answer.json()["flags"][key]["value"] is False


async def test_staff_change_what_they_read_and_nothing_else(stage):
    key = await stage.make()
    read = await stage.http[0].get(f"{ADMIN}/{key}")
    flag = {"variants": HALVES, "default": "on", "rules": []}
    tag = {"If-Match": read.headers["etag"]}
    assert (await stage.http[0].put(f"{ADMIN}/{key}", json=flag, headers=tag)).json()["revision"] == 2
    assert (await stage.http[0].put(f"{ADMIN}/{key}", json=flag, headers=tag)).status_code == 412
    assert (await stage.http[0].delete(f"{ADMIN}/{key}", headers=tag)).status_code == 412
    assert (await stage.http[0].delete(f"{ADMIN}/{key}")).status_code == 204
    assert (await stage.http[0].get(f"{ADMIN}/{key}")).status_code == 404
    audit = (await stage.http[0].get("/v1/admin/audit", params={"limit": 3})).json()["items"]
    assert [(one["action"], one["target"]) for one in audit] == [
        ("flag.delete", key),
        ("flag.change", key),
        ("flag.make", key),
    ]


async def test_a_player_evaluates_for_nobody_else_and_a_server_with_a_key_for_anybody(stage):
    key = await stage.make(variants=[{"name": n, "value": n} for n in "abcd"], default="a")
    path, somebody = f"/ofrep/v1/evaluate/flags/{key}", str(uuid4())
    own = httpx.AsyncClient(
        base_url=stage.servers[0].http,
        headers={"Authorization": f"Bearer {stage.players[0].session.access_token}"},
    )
    async with own:
        mine = await own.post(path, json={"context": {"targetingKey": stage.player_id.upper()}})
        assert mine.json()["variant"] == (await own.post(path)).json()["variant"]
        refused = await own.post(path, json={"context": {"targetingKey": somebody}})
        assert (refused.status_code, refused.json()["scope"]) == (403, "flags.evaluate")
        own.headers["Authorization"] = f"Bearer {await stage.key_for('game.read', 'flags.evaluate')}"
        theirs = await own.post(path, json={"context": {"targetingKey": somebody}})
        expected = drawn([Variant(name=n, value=n) for n in "abcd"], salt=key, unit=somebody)
        assert theirs.json() == {
            "key": key,
            "reason": "SPLIT",
            "variant": expected.name,
            "value": expected.name,
            "metadata": {"revision": 1, "allocation": 1},
        }
        missing = await own.post(path, json={"context": {}})
        assert (missing.status_code, missing.json()["errorCode"]) == (400, "TARGETING_KEY_MISSING")
        wrong = await own.post(path, json={"context": {"targetingKey": 7}})
        assert (wrong.status_code, wrong.json()["errorCode"], wrong.json()["key"]) == (400, "INVALID_CONTEXT", key)
        gone = await own.post("/ofrep/v1/evaluate/flags/none", json={"context": {"targetingKey": somebody}})
        assert (gone.status_code, gone.json()["errorCode"], gone.json()["key"]) == (404, "FLAG_NOT_FOUND", "none")
        asked = {"flags": [key], "players": [{"player_id": somebody}, {"player_id": stage.player_id}]}
        bulk = await own.post("/v1/flags/bulk", json=asked)
        assert [one["flags"][key]["variant"] for one in bulk.json()["players"]] == [
            expected.name,
            mine.json()["variant"],
        ]


async def test_all_flags_by_ofrep_come_with_an_etag(stage):
    key = await stage.make()
    path = "/ofrep/v1/evaluate/flags"
    first = await stage.http[0].post(path, json={"context": {"targetingKey": stage.player_id, "expose": False}})
    assert key in {flag["key"] for flag in first.json()["flags"]}
    context = {"context": {"targetingKey": stage.player_id}}
    again = await stage.http[1].post(path, json=context, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("ours", [True, False], ids=["our provider", "the OFREP provider of OpenFeature"])
async def test_the_openfeature_sdk_gets_every_type_with_variant_and_reason(stage, ours):
    token = await stage.key_for("game.read", "flags.evaluate")
    url, somebody = stage.servers[1].http, EvaluationContext(str(uuid4()), {"country": "SI"})
    provider = (
        OverworldProvider(url, token=token)
        if ours
        else OFREPProvider(url, headers_factory=lambda: {"Authorization": f"Bearer {token}"})
    )
    given = {"when": [{"attribute": "country", "values": ["SI"]}], "variant": "given"}
    keys = {}
    for name, value, other in (
        ("boolean", True, False),
        ("string", "green", "red"),
        ("integer", 7, 8),
        ("float", 2.5, 3.5),
        ("object", {"a": [1, 2]}, {}),
    ):
        variants = [{"name": "other", "value": other}, {"name": "given", "value": value}]
        keys[name] = await stage.make(variants=variants, default="other", rules=[given])

    def ask() -> None:
        with using(provider) as client:
            details = client.get_boolean_details(keys["boolean"], False, somebody)
            assert (details.value, details.variant, details.reason) == (True, "given", Reason.TARGETING_MATCH)
            assert details.flag_metadata["revision"] == 1
            assert client.get_string_value(keys["string"], "", somebody) == "green"
            assert client.get_integer_value(keys["integer"], 0, somebody) == 7
            assert client.get_float_value(keys["float"], 0.0, somebody) == 2.5
            assert client.get_object_value(keys["object"], {}, somebody) == {"a": [1, 2]}
            missing = client.get_boolean_details("none", True, somebody)
            assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
            other = client.get_boolean_details(keys["string"], True, somebody)
            assert (other.value, other.error_code) == (True, ErrorCode.TYPE_MISMATCH)
            nobody = client.get_boolean_details(keys["boolean"], False)
            assert (nobody.value, nobody.error_code) == (False, ErrorCode.TARGETING_KEY_MISSING)

    await asyncio.to_thread(ask)


async def test_our_provider_answers_without_blocking_too_and_by_a_players_own_token(stage):
    key = await stage.make(variants=[{"name": "a", "value": 3}, {"name": "b", "value": 3}], default="a")
    provider = OverworldProvider(stage.servers[0].http, token=lambda: stage.players[0].session.access_token)
    with using(provider) as client:
        assert await client.get_integer_value_async(key, 0) == 3
        assert await client.get_float_value_async(key, 0.0) == 3.0
        assert await client.get_boolean_value_async(key, False) is False
    await provider.aclose()
    away = OverworldProvider("http://127.0.0.1:1", token="x")
    with using(away) as client:
        details = await client.get_boolean_details_async(key, True)
        assert (details.value, details.error_code) == (True, ErrorCode.GENERAL)
    await away.aclose()


async def test_what_players_do_after_an_exposure_comes_into_the_report(stage, tmp_path):
    """Through all of it: exposures of both servers, sign-ins from the log, the admin's report, and the command."""
    key = await stage.make(experiment=MEASURED)
    for http, player in zip(stage.http, stage.players, strict=True):
        http.headers["Authorization"] = f"Bearer {player.session.access_token}"
        for _ in range(3):
            await http.post("/v1/flags", json={"flags": [key]})
    stage.http[1].headers["Authorization"] = stage.http[0].headers["Authorization"]
    report = msgspec.json.decode((await stage.http[0].get(f"{ADMIN}/{key}/report")).content, type=Report)
    ids = [str(player.session.user.id) for player in stage.players]
    halves = [Variant(name="off", value=False), Variant(name="on", value=True)]
    names = [drawn(halves, salt=key, unit=one).name for one in ids]
    assert [arm.players for arm in report.arms] == [names.count("off"), names.count("on")]
    assert report.metrics[0].waiting == 2
    await stage.players[1].device(stage.device)
    await an_hour_passes(stage.servers[0].dsn, "sign_ins")
    later = msgspec.json.decode((await stage.http[0].get(f"{ADMIN}/{key}/report")).content, type=Report)
    told = {arm.variant: (arm.players, arm.mean) for arm in later.metrics[0].arms}
    assert told[names[1]][1] == (0.5 if names[0] == names[1] else 1.0)
    assert sum(players for players, _ in told.values()) == 2
    page = await stage.http[0].get(f"{ADMIN}/{key}/report.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "<svg" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    ran = await overworld("experiments", "report", key, "--data", stage.servers[0].data, "--html", tmp_path / "r.html")
    assert ran.code == 0, ran.err
    assert "too few players" in ran.out
    assert "<svg" in (tmp_path / "r.html").read_text()
    refused = await overworld("experiments", "report", "none", "--data", stage.servers[0].data)
    assert (refused.code, "experiments.no_such_flag" in refused.err) == (1, True)
    assert UUID(ids[0]) != UUID(ids[1])
