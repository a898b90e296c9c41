"""A server with fences is killed while players walk: what the log says of them goes on where it was."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

import overworld.domains.world.fences.messages  # noqa: F401  # so that its events can be read
from bench.servers import ServerProcess
from overworld.geo.sphere import destination_deg
from overworld.kernel.events import Envelope
from tests.system.player import LJUBLJANA

pytestmark = [pytest.mark.slow]

PLAYERS, FENCES, STEPS = 6, 12, 12
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Walk:
    """Players who walk east and west over a row of circles of 30 m, 100 m apart, on a time line of their own."""

    def __init__(self, server: ServerProcess, random_: random.Random):
        self.server = server
        self.random = random_
        self.client = httpx.AsyncClient(timeout=30)
        self.tokens: list[str] = []
        self.ids: list[str] = []
        self.east_m = [0.0] * PLAYERS
        self.steps = 0

    async def begin(self):
        for k in range(PLAYERS):
            reply = await self.client.post(
                f"{self.server.http}/v1/auth/device", json={"device_id": f"walker-{k}-of-fences"}
            )
            grant = reply.raise_for_status().json()
            self.tokens.append(grant["access_token"])
            self.ids.append(grant["user"]["id"])
        features = [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": list(place(100 * k)[::-1])},
                "properties": {"name": str(k), "radius_m": 30},
            }
            for k in range(FENCES)
        ]
        collection = {"type": "FeatureCollection", "features": features}
        await self._post(0, "/v1/admin/fences/import", collection)

    async def step(self):
        """A fix of everybody, judged; a minute after the last one."""
        self.steps += 1
        for k in range(PLAYERS):
            self.east_m[k] = self.random.choice([0, 50, 100, 150, 200, 250])
        await asyncio.gather(*(self._fix(k) for k in range(PLAYERS)))

    async def _fix(self, k: int):
        lat, lng = place(self.east_m[k])
        at = FIRST + timedelta(minutes=self.steps)
        verdict = await self._post(
            k, "/v1/location/update", {"lat": lat, "lng": lng, "accuracy_m": 4, "timestamp": at.isoformat()}
        )
        assert verdict["accepted"], verdict

    async def _post(self, k: int, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[k]}", "Overworld-Key": self.server.key}
        reply = await self.client.post(f"{self.server.http}{path}", json=body, headers=headers)
        return reply.raise_for_status().json()


def place(east_m: float) -> tuple[float, float]:
    return destination_deg(LJUBLJANA[0], LJUBLJANA[1], 90.0, east_m)


async def zone_events(dsn: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT events FROM eventlog.outbox ORDER BY stamp, id")
    finally:
        await connection.close()
    envelopes = [one for row in rows for one in msgspec.json.decode(row["events"], type=list[Envelope])]
    return [one.decode() for one in envelopes if one.topic.startswith("events.zone.")]


def inside(events: list[Any]) -> set[tuple[str, str]]:
    """Who is in which fence by the log. Fails when entered and left do not take turns."""
    now: set[tuple[str, str]] = set()
    for event in events:
        pair = (str(event.player_id), event.name)
        if event.topic == "events.zone.entered":
            assert pair not in now
            now.add(pair)
        elif event.topic == "events.zone.left":
            assert pair in now
            now.remove(pair)
    return now


async def test_killed_servers_lose_and_double_no_entering_and_no_leaving(tmp_path):
    random_ = random.Random(11)
    async with ServerProcess(tmp_path / "data") as server:
        walk = Walk(server, random_)
        await walk.begin()
        for turn in range(2):
            for _ in range(STEPS):
                await walk.step()
            await server.kill(with_database=turn == 1)
            await server.start()
        await walk.step()
        wanted = {(walk.ids[k], str(round(east_m / 100))) for k, east_m in enumerate(walk.east_m) if east_m % 100 == 0}
        await server.stop()
        await server.start()
        events = await zone_events(server.dsn)
        assert inside(events) == wanted
        kinds = Counter(event.topic.rpartition(".")[2] for event in events)
        assert kinds["entered"] - kinds["left"] == len(wanted)
        # Some 60 ways lead into a fence; what a kill found not yet written was told anew from where players are.
        assert kinds["entered"] > PLAYERS * STEPS / 4
        await walk.client.aclose()
