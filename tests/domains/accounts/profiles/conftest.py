"""Profiles on a real database and a folder, behind the real edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec import Struct
from prometheus_client import CollectorRegistry

from overworld.domains.accounts.profiles.wiring import ProfileParts, build
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.ports import Blob
from overworld.kernel.refusals import Fault
from overworld.platform.blobs import BlobSettings, ObjectBlobs, blobs_of
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.observability import Metrics
from tests.domains.accounts.conftest import CHEAP, House


class NoKeys:
    def scopes(self, key):
        return frozenset()


class FailingBlobs:
    """A folder that answers while `down` is false."""

    def __init__(self, folder: ObjectBlobs) -> None:
        self._folder = folder
        self.down = False

    async def put(self, key: str, content: bytes) -> None:
        await self._asked().put(key, content)

    async def get(self, key: str) -> Blob | None:
        return await self._asked().get(key)

    async def delete(self, key: str) -> None:
        await self._asked().delete(key)

    def _asked(self) -> ObjectBlobs:
        if self.down:
            raise Fault(store="down")
        return self._folder


class Desk(Struct, frozen=True):
    """Accounts with profiles, and a client without a token."""

    house: House
    parts: ProfileParts
    blobs: FailingBlobs
    folder: Path
    ask: httpx.AsyncClient

    async def player(self, name: str) -> Player:
        """Somebody new who is signed in."""
        reply = await self.ask.post(
            "/v1/auth/device", json={"device_id": f"the only device of {name}", "username": name}
        )
        grant = reply.json()
        return Player(
            UUID(grant["user"]["id"]),
            grant["user"]["username"],
            self.ask,
            {"authorization": f"Bearer {grant['access_token']}"},
        )

    @property
    def files(self) -> list[str]:
        """The files that are kept."""
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


class Player(Struct, frozen=True):
    """Somebody who is signed in."""

    id: UUID
    username: str
    ask: httpx.AsyncClient
    headers: dict[str, str]

    async def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = self.headers | request.pop("headers", {})
        return await self.ask.request(method, path, headers=headers, **request)

    async def me(self) -> dict[str, Any]:
        """The own account."""
        shown: dict[str, Any] = (await self("GET", "/v1/users/me")).json()
        return shown

    async def change(self, **changes: Any) -> httpx.Response:
        """Puts a profile with some fields changed, and some choices of its privacy."""
        me = await self.me()
        body = {name: changes.pop(name, me[name]) for name in ("locale", "settings")}
        return await self("PUT", "/v1/users/me", json=body | {"privacy": me["privacy"] | changes})


@pytest.fixture
def settings() -> AccountsSettings:
    return CHEAP


@pytest.fixture
async def desk(house: House, tmp_path: Path, settings: AccountsSettings) -> AsyncIterator[Desk]:
    blobs = FailingBlobs(blobs_of(BlobSettings(), data=tmp_path))
    parts = build(
        database=house.database,
        clock=house.clock,
        outbox=house.outbox,
        blobs=blobs,
        limiter=house.limiter,
        limits_enabled=True,
        profiles=house.accounts.profiles,
        settings=settings,
    )
    app: Any = build_http(
        routes=[*house.accounts.routes, *parts.routes],
        verifier=house.accounts.verifier,
        keys=NoKeys(),
        limiter=house.limiter,
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as ask:
        yield Desk(house, parts, blobs, tmp_path / "blobs", ask)
    parts.avatars.close()
