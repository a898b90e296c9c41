"""A server under attack: who attacks it, what each of its answers must look like, and what its log may never hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from bench.servers import ServerProcess
from overworld.client import Socket

PROBLEM = "application/problem+json"
GRAPHQL = "application/graphql-response+json"
_MEMBERS = {"type": str, "title": str, "status": int, "code": str, "retryable": bool, "trace_id": str}
_BUSY = 503


class Target:
    """A running server. What `learn` was told must not stand in its log when the attack is over."""

    def __init__(self, server: ServerProcess, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http
        self._secrets = {server.key} if (server.data / "developer.key").exists() else set()

    def learn(self, *secrets: str) -> None:
        """Remembers secrets that were used against the server."""
        self._secrets.update(secrets)

    async def document(self) -> dict[str, Any]:
        """The server's own description, as OpenAPI."""
        described: dict[str, Any] = (await self.http.get("/openapi.json")).json()
        return described

    async def player(self, *, device_id: str | None = None, username: str | None = None) -> Intruder:
        """Signs in somebody new, who has no developer key."""
        device_id = device_id or f"intruder-{uuid4()}"
        grant = (await self.http.post("/v1/auth/device", json={"device_id": device_id, "username": username})).json()
        self.learn(device_id, grant["access_token"], grant["refresh_token"])
        return Intruder(self, grant)

    async def socket(self, token: str, *, key: str | None = None) -> Socket:
        """A connected socket. Raises: Refused, Closed."""

        async def given() -> str:
            return token

        return await Socket.connect(self.server.realtime, token=given, key=key)

    def log(self) -> str:
        """Everything the server and its database have printed."""
        files = (self.server.log, self.server.data / "postgres.log")
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    def faults_of_log(self) -> list[str]:
        """The secrets that stand in the log, and its lines about bugs."""
        log = self.log()
        told = [f"the log holds the secret {secret}" for secret in self._secrets if secret in log]
        return told + [line[:2_000] for line in log.splitlines() if '"level":"error"' in line or "Traceback" in line]


class Intruder:
    """A signed-in player with nothing but a token."""

    def __init__(self, target: Target, grant: dict[str, Any]) -> None:
        self.grant = grant
        self.id: str = grant["user"]["id"]
        self.token: str = grant["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}
        self._target = target

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """The whole answer to a GET."""
        return await self._target.http.get(path, params=query, headers=self.headers)

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        """The whole answer to a POST; `idempotency_key="k"` sets a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._target.http.post(path, json={} if body is None else body, headers=self.headers | named)

    async def stand(self, lat: float, lng: float, **more: Any) -> dict[str, Any]:
        """The verdict on a fix, now unless `timestamp` says otherwise."""
        fix = {"lat": lat, "lng": lng, "accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()} | more
        verdict: dict[str, Any] = (await self.post("/v1/location/update", fix)).json()
        return verdict

    async def around(self, lat: float, lng: float) -> list[dict[str, Any]]:
        """The collectibles around a place in sight, nearest first."""
        reply = await self.get("/v1/game/coins/nearby", lat=lat, lng=lng, radius_m=1_500, limit=200)
        items: list[dict[str, Any]] = reply.json()["items"]
        return items

    async def collect(self, target: str, *, key: str | None = None) -> httpx.Response:
        """The whole answer to a claim."""
        return await self.post(f"/v1/game/coins/{target}/collect", idempotency_key=key or str(uuid4()))

    async def send(self, gift: dict[str, Any], *, key: str | None = None) -> httpx.Response:
        """The whole answer to a gift."""
        return await self.post("/v1/tokens/transfer", gift, idempotency_key=key or str(uuid4()))

    async def held(self) -> int:
        """What the player holds of the game's only currency."""
        return int((await self.get("/v1/tokens/balance")).json()["items"][0]["posted"])


@asynccontextmanager
async def under_attack(folder: Path, **options: Any) -> AsyncIterator[Target]:
    """Runs a server (`options` as of ServerProcess) that must come out alive, without a bug and with its secrets."""
    async with ServerProcess(folder, **options) as server:
        async with httpx.AsyncClient(base_url=server.http, timeout=30) as http:
            target = Target(server, http)
            yield target
        assert server.family, f"the server died:\n{server.log_end()}"
    wrong = target.faults_of_log()
    assert not wrong, "\n".join(wrong)


def faults(reply: httpx.Response) -> list[str]:
    """What is wrong with an answer, whatever was asked: a server error that is not a retryable 503, or a refusal
    without the one problem shape, or that of GraphQL with the same in its extensions."""
    status = reply.status_code
    if status < 400:
        return []
    if not reply.headers["Content-Type"].startswith((PROBLEM, GRAPHQL)):
        return [f"{status} is {reply.headers['Content-Type']}"]
    if reply.request.method == "HEAD":
        return ["a body for HEAD"] if reply.content else []
    problem = reply.json()
    if reply.headers["Content-Type"] == GRAPHQL:
        [first, *_] = problem["errors"]
        problem = first["extensions"] | {"title": first["message"], "type": GRAPHQL}
    found = [name for name, kind in _MEMBERS.items() if not isinstance(problem.get(name), kind)]
    if problem.get("status") != status:
        found.append(f"status {problem.get('status')} in a {status}")
    if status >= 500 and not (status == _BUSY and problem["retryable"]):
        found.append(f"{status} {problem['code']}")
    return found


def code_of(reply: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    assert faults(reply) == [], reply.text
    assert reply.status_code >= 400, reply.text
    return reply.status_code, reply.json()["code"]
