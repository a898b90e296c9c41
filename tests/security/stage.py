"""One server for every attack, the people on it, and the secrets that may stand nowhere afterwards."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from msgspec import Struct

from bench.prove import ways_in
from bench.servers import ServerProcess
from overworld.domains.accounts.types import Role
from tests.system.target import Target

PASSWORD = f"correct horse {secrets.token_hex(6)}"
LJUBLJANA = (46.0511, 14.5051)


def _planted() -> str:
    return f"planted-{secrets.token_hex(12)}"


PLANTED = {
    "OVERWORLD_ACCOUNTS__SIGNING_KEY_SECRET": _planted(),
    "OVERWORLD_LEDGER__SIGNING_KEY_SECRET": _planted(),
    "OVERWORLD_GAMEPLAY__SPAWN_KEY": _planted(),
    "OVERWORLD_MAIL__PASSWORD": _planted(),
}
REDIS_PASSWORD, CLIENT_SECRET = _planted(), _planted()
ENVIRONMENT = (
    ways_in.ENVIRONMENT
    | PLANTED
    | {
        # Nobody listens there: the server counts by itself, and says so.
        "OVERWORLD_REDIS__URL": f"redis://:{REDIS_PASSWORD}@127.0.0.1:9/0",
        "OVERWORLD_SIGN_IN__PROVIDERS": json.dumps(
            {
                "steam": {},
                "inside": {"issuer": "https://localhost:9", "client_id": "x", "client_secret": CLIENT_SECRET},
                "clouds": {"issuer": "https://169.254.169.254", "client_id": "x", "client_secret": CLIENT_SECRET},
            }
        ),
        "OVERWORLD_HTTP__TRUSTED_PROXIES": "127.0.0.1/32",
        "OVERWORLD_HTTP__TLS": "true",
        "OVERWORLD_LIMITS__ENABLED": "true",
        "OVERWORLD_LIMITS__ACCOUNT_PER_MIN": "1000000",
        "OVERWORLD_LIMITS__ADMIN_PER_MIN": "1000000",
        "OVERWORLD_LIMITS__ADDRESS_PER_MIN": "1000000",
        "OVERWORLD_ACCOUNTS__ARGON2_MEMORY_KIB": "4096",
        "OVERWORLD_ACCOUNTS__ARGON2_PASSES": "1",
        "OVERWORLD_LEDGER__SEAL_INTERVAL_S": "0.05",
        "OVERWORLD_LOG__LEVEL": "debug",
    }
)
_MAIL_TOKEN = re.compile(r"^([\w-]{43})$", re.MULTILINE)
_addresses = count(1)


class Operation(Struct, frozen=True):
    """One operation of the server's own description."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def label(self) -> str:
        """How the tables name it."""
        return f"{self.method} {self.path}"

    def names(self, *places: str) -> list[str]:
        """Its parameters in those places."""
        return [each["name"] for each in self.described.get("parameters", ()) if each["in"] in places]

    @property
    def has_body(self) -> bool:
        """Whether it reads JSON."""
        return "application/json" in self.described.get("requestBody", {}).get("content", {})


class Person:
    """Somebody with a token, at an address of their own."""

    def __init__(self, stage: Stage, grant: dict[str, Any], *, device_id: str | None, address: str) -> None:
        self.stage = stage
        self.grant = grant
        self.id: str = grant["user"]["id"]
        self.username: str = grant["user"]["username"]
        self.device_id = device_id
        self.headers = {"Authorization": f"Bearer {grant['access_token']}", "X-Forwarded-For": address}

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer to a request of theirs, with a key of its own where one is wanted."""
        headers = {"Idempotency-Key": uuid4().hex} | self.headers | request.pop("headers", {})
        return await self.stage.http.request(method, path, headers=headers, **request)

    async def get(self, path: str, **query: Any) -> Any:
        """What they read there."""
        reply = await self.ask("GET", path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def done(self, method: str, path: str, body: object = None) -> Any:
        """What comes of something that succeeds."""
        reply = await self.ask(method, path, json={} if body is None else body)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None


class Stage:
    """The server under attack."""

    def __init__(self, target: Target, database: asyncpg.Connection, operations: list[Operation]) -> None:
        self.target = target
        self.http = target.http
        self.database = database
        self.operations = operations
        self._staff: dict[Role, Person] = {}
        self._keys: dict[str, str] = {}

    @property
    def server(self) -> ServerProcess:
        """Its process."""
        return self.target.server

    def address(self) -> str:
        """An address that nobody else has, as the proxy tells it."""
        number = next(_addresses)
        return f"100.{64 + number // 65_536 % 64}.{number // 256 % 256}.{number % 256}"

    async def player(self, *, device_id: str | None = None) -> Person:
        """Somebody who signs in by a device."""
        device_id = device_id or f"attacks-{uuid4()}"
        address = self.address()
        reply = await self.http.post(
            "/v1/auth/device", json={"device_id": device_id}, headers={"X-Forwarded-For": address}
        )
        self.learn(device_id)
        return Person(self, self.granted(reply), device_id=device_id, address=address)

    async def registered(self) -> tuple[str, Person]:
        """Somebody who registers with `PASSWORD`, and their e-mail address."""
        address, name = self.address(), f"u{uuid4().hex[:16]}"
        body = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
        reply = await self.http.post("/v1/auth/register", json=body, headers={"X-Forwarded-For": address})
        return body["email"], Person(self, self.granted(reply), device_id=None, address=address)

    async def staff(self, role: Role) -> Person:
        """Somebody of that role, the same one each time."""
        if role not in self._staff:
            self._staff[role] = await self.new_staff(role)
        return self._staff[role]

    async def new_staff(self, role: Role) -> Person:
        """Somebody else of that role, who was given it behind the server's back."""
        before = await self.player()
        await self.database.execute("UPDATE accounts.account SET role = $1 WHERE id = $2", role, before.id)
        return await self.player(device_id=before.device_id)

    async def api_key(self, *scopes: str) -> str:
        """A key of the administrator's with these scopes, the same one each time."""
        name = " ".join(scopes)
        if name not in self._keys:
            body = {"name": f"attack: {name}"[:64], "scopes": scopes}
            made = await (await self.staff(Role.ADMIN)).done("POST", "/v1/admin/keys", body)
            self.learn(made["secret"])
            self._keys[name] = made["secret"]
        return self._keys[name]

    def granted(self, reply: httpx.Response) -> dict[str, Any]:
        """What a sign-in gave; its tokens may stand nowhere."""
        assert reply.status_code < 300, reply.text
        grant: dict[str, Any] = reply.json()
        self.learn(grant["access_token"], grant["refresh_token"])
        return grant

    def learn(self, *told: str) -> None:
        """Secrets that may stand nowhere afterwards."""
        self.target.learn(*told)

    async def events(self, topic: str) -> list[dict[str, Any]]:
        """What the event log holds of a topic, the oldest first."""
        rows = await self.database.fetch(
            "SELECT events FROM eventlog.outbox WHERE $1 = ANY (topics) ORDER BY stamp, id", topic
        )
        return [each for row in rows for each in json.loads(row["events"]) if each["topic"] == topic]

    def mails(self) -> str:
        """Every mail that was sent, as its file has it."""
        return "\n".join(file.read_text() for file in (self.server.data / "mail").glob("*.eml"))

    async def mailed(self, email: str, subject: str) -> str:
        """The token of the mail to an address. Raises: TimeoutError when none was written."""
        until = datetime.now(UTC) + timedelta(seconds=20)
        while datetime.now(UTC) < until:
            for file in (self.server.data / "mail").glob("*.eml"):
                text = file.read_text()
                if email in text and subject in text and (token := _MAIL_TOKEN.search(text)):
                    self.learn(token[1])
                    return token[1]
            await self.http.get("/.well-known/jwks.json")
        raise TimeoutError("a mail was not written")


Opens = Callable[[], AbstractAsyncContextManager[str]]
Asks = Callable[..., Awaitable[httpx.Response]]


def operations_of(document: dict[str, Any]) -> Iterator[Operation]:
    """Every operation of a description."""
    for path, item in document["paths"].items():
        for method, described in item.items():
            yield Operation(method.upper(), path, described)
