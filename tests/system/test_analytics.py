"""From an event sent to an answer, through a real server; and analysts' SQL beside it and after it was killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bench.ingest import ingest_key
from bench.servers import ServerProcess, overworld
from tests.system.test_telemetry import send

pytestmark = pytest.mark.slow
_ENVIRONMENT = {"OVERWORLD_TELEMETRY__LOOK_MS": "20", "OVERWORLD_COLUMNS__ROLL_EVERY_S": "0.1"}
_PLAYERS = [str(uuid4()) for _ in range(4)]


def _events(now: datetime) -> list[dict[str, Any]]:
    """Four players open the shop, a minute later three of them buy, and a minute later two buy again."""

    def told(name: str, players: int, minutes: int) -> list[dict[str, Any]]:
        at = (now - timedelta(minutes=5 - minutes)).isoformat()
        return [
            {"event": name, "player_id": player, "event_id": str(uuid4()), "timestamp": at,
             "properties": {"value": 2.5, "lat": 46.05, "lng": 14.5}}
            for player in _PLAYERS[:players]
        ]  # fmt: skip

    return [*told("shop.opened", 4, 1), *told("shop.bought", 3, 2), *told("shop.bought", 2, 3)]


async def _until(ask: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(30):
        while not is_so(found := await ask()):  # noqa: ASYNC110  # it is in another process
            await asyncio.sleep(1.0)  # pace: answers are kept for two seconds
        return found


async def test_what_was_sent_is_answered_by_every_route(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path, environment=_ENVIRONMENT) as server, httpx.AsyncClient() as http:
        now = datetime.now(UTC)
        assert await send(server, await ingest_key(server), _events(now)) == 9
        token = await _staff(server, http)

        async def ask(what: str, **values: Any) -> Any:
            replied = await http.get(f"{server.http}/v1/analytics/{what}", params=values, headers=token)
            assert replied.status_code == 200, replied.text
            return replied.json()

        await _until(lambda: ask("realtime"), lambda told: _top(told).get("shop.bought") == 5)
        day = {"since": (now - timedelta(days=1)).isoformat(), "by": "day", "name": "shop.bought"}
        counts = await _until(lambda: ask("events", **day), lambda told: sum(_counts(told)) == 5)
        assert all(row["mean"] == 2.5 for row in counts["items"])
        funnel = await ask("funnel", step=["shop.opened", "shop.bought", "shop.bought"])
        assert [step["players"] for step in funnel["steps"]] == [4, 3, 2]
        retention = await ask("retention", first=(now - timedelta(days=1)).date().isoformat(), cohorts=2, days=1)
        assert sum(cohort["players"] for cohort in retention["cohorts"]) >= 4
        heat = await ask("heatmap", bbox="14,46,15,47", res=12, currency="coin")
        assert sum(cell["events"] for cell in heat["cells"]) == 9
        for wrong in ("14,46,nan,47", "14,46,15", "14,47,15,46", "14,46,181,47", "inf,46,15,47"):
            box = {"bbox": wrong}
            refused = await http.get(f"{server.http}/v1/analytics/heatmap", params=box, headers=token)
            assert (refused.status_code, refused.json()["code"]) == (400, "http.bad_request"), wrong
        assert (await ask("global", period="week"))["active_week"] >= 4
        metrics = await ask(f"users/{_PLAYERS[0]}/metrics", period="day")
        assert (metrics["events"], metrics["play_s"], metrics["sessions"], metrics["level"]) == (3, 120.0, 1, 1)
        by_graphql = {"query": f'{{ user(id: "{_PLAYERS[1]}") {{ events }} }}'}
        assert "errors" not in (await http.post(f"{server.http}/graphql", json=by_graphql, headers=token)).json()
        looked = (await ask_audit(server, http, token))["items"]
        assert sorted((one["target"], one["note"]) for one in looked) == sorted(
            [(_PLAYERS[0], "day"), (_PLAYERS[1], "week")]
        )
        assert [board["board"] for board in (await ask("rankings"))["items"]][:1] == ["global"]

        sql = "SELECT name, count(*)::INTEGER AS n FROM events WHERE source = 'client' GROUP BY name ORDER BY name"
        arguments = ("query", sql, "--format", "json", "--data", tmp_path)
        expected = [{"name": "shop.bought", "n": 5}, {"name": "shop.opened", "n": 4}]
        beside = await overworld(*arguments)
        assert [json.loads(line) for line in beside.out.splitlines()] == expected, beside.err
        await server.kill()
    after = await overworld(*arguments)
    assert [json.loads(line) for line in after.out.splitlines()] == expected, after.err


async def ask_audit(server: ServerProcess, http: httpx.AsyncClient, token: dict[str, str]) -> Any:
    """What the audit log says of looks at players."""
    replied = await http.get(f"{server.http}/v1/admin/audit", params={"action": "analytics.look"}, headers=token)
    assert replied.status_code == 200, replied.text
    return replied.json()


def _top(told: Any) -> dict[str, int]:
    return {one["name"]: one["count"] for one in told["top_events"]}


def _counts(told: Any) -> list[int]:
    return [row["count"] for row in told["items"]]


async def _staff(server: ServerProcess, http: httpx.AsyncClient) -> dict[str, str]:
    """A player whom the developer key lets see what staff see."""
    made = await http.post(f"{server.http}/v1/auth/device", json={"device_id": f"test-{uuid4()}"})
    key = (server.data / "developer.key").read_text().strip()
    return {"Authorization": f"Bearer {made.json()['access_token']}", "Overworld-Key": key}
