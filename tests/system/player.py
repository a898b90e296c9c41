"""A player with HTTP and the socket on one server, on a time line of its own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from bench.servers import ServerProcess
from overworld.client import Api, Event, Fix, Page, Socket, Verdict
from overworld.client.http import trusted
from overworld.geo import cells

ROOM_LEVEL = 15
LJUBLJANA = (46.0511, 14.5051)


class Player:
    """Signed in by a device id, known to the server's developer key. `seen` are the events taken so far."""

    def __init__(self, server: ServerProcess, *, device_id: str | None = None) -> None:
        self.device_id = device_id or f"system-{uuid4()}"
        self.api = Api(server.http, key=server.key)
        self.raw = httpx.AsyncClient(base_url=server.http, timeout=10, verify=trusted())
        self.socket: Socket
        self._server = server
        self._at = datetime(2020, 1, 1, tzinfo=UTC)

    async def __aenter__(self) -> Player:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.api)
            await stack.enter_async_context(self.raw)
            await self.api.device(self.device_id)
            self.raw.headers["Authorization"] = f"Bearer {self.api.session.access_token}"
            self.socket = await Socket.connect(self._server.realtime, token=self.api.access_token, key=self._server.key)
            await stack.enter_async_context(self.socket)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def stand(self, lat: float, lng: float) -> Verdict:
        """Goes to a place; a day passes on the player's time line, so no place is too far."""
        self._at += timedelta(days=1)
        verdict = await self.socket.report(Fix(lat=lat, lng=lng, accuracy_m=5.0, timestamp=self._at))
        assert verdict.accepted, verdict
        return verdict

    async def around(self, lat: float, lng: float) -> list[dict[str, Any]]:
        """What could be collected around a place, nearest first."""
        params: dict[str, str | int | float] = {"lat": lat, "lng": lng, "radius_m": 1500, "limit": 200}
        page = await self.api.call("GET", "/v1/game/coins/nearby", reply=Page[dict[str, Any]], params=params)
        return page.items

    async def collect(self, target: str, *, key: str | None) -> httpx.Response:
        """The whole answer to a claim over HTTP."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.raw.post(f"/v1/game/coins/{target}/collect", json={}, headers=headers)

    async def send(self, to: str, amount: int, *, key: str, note: str | None = None) -> httpx.Response:
        """The whole answer to a gift over HTTP."""
        body = {"to": to, "currency": "coin", "amount": str(amount), "note": note}
        return await self.raw.post("/v1/tokens/transfer", json=body, headers={"Idempotency-Key": key})

    async def balance(self) -> int:
        """What the player holds of the game's only currency."""
        lines = await self.api.call("GET", "/v1/tokens/balance", reply=Page[dict[str, str]])
        return int(lines.items[0]["posted"])

    async def watch(self, lat: float, lng: float) -> str:
        """Listens to the room cell of a place; gives its channel."""
        channel = f"location:cell:{cells.token(cells.cell_of(lat, lng, ROOM_LEVEL))}"
        granted = await self.socket.subscribe([channel])
        assert granted.channels == [channel], granted
        return channel

    async def event(self, type_: str, holds: str) -> Event:
        """The next event of a type that has a text in its data; others are passed over."""
        while True:
            event = await self.socket.events.get()
            if event.type == type_ and holds in str(event.data):
                return event
