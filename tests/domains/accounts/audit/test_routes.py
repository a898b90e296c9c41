"""The audit log over HTTP: who may read it, what is filtered, and that pages leave nothing out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.types import Role
from overworld.kernel.identity import Principal
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.audited import staff
from tests.domains.accounts.audit.conftest import ANN

BEN = UUID(int=0xB)


class Roles:
    """A token is the name of a role; implements `TokenVerifier`."""

    def verify(self, token: str) -> Principal:
        return Principal(account_id=BEN, role=token, scopes=scopes_of(Role(token)))


class NoKeys:
    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def client(desk):
    app: Any = build_http(
        routes=desk.parts.routes,
        verifier=Roles(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=desk.clock.monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as c:
        yield c


async def read(client, role="auditor", **query):
    return await client.get("/v1/admin/audit", params=query, headers={"authorization": f"Bearer {role}"})


async def test_auditors_and_administrators_read_it_and_nobody_else(client):
    by_role = {role: (await read(client, role)).status_code for role in Role}
    assert {role for role, status in by_role.items() if status == 200} == {Role.AUDITOR, Role.ADMIN}
    assert set(by_role.values()) == {200, 403}
    assert (await client.get("/v1/admin/audit")).status_code == 401


async def test_an_entry_says_who_did_what_from_where_and_where_it_stands(desk, client):
    await desk.record(1, note="a test")
    [waiting] = (await read(client)).json()["items"]
    assert (waiting["number"], waiting["hash"]) == (None, None)
    await desk.parts.sealer.seal()
    [item] = (await read(client)).json()["items"]
    head = (await desk.parts.reading.verify()).head
    assert item == waiting | {"number": 1, "hash": head.hash.hex()}
    assert (item["actor_id"], item["action"], item["target"]) == (str(ANN), "gameplay.place", "coin-0")
    assert (item["address"], item["note"], item["before"]) == ("192.0.2.7", "a test", None)
    assert len(item["after"]) == 64


async def test_each_filter_leaves_out_the_rest(desk, client):
    entries = [
        staff(ANN).did("ledger.mint", "x"),
        staff(BEN).did("ledger.burn", "y"),
        staff(BEN).did("ledgers.odd", "x"),
    ]
    for entry in entries:
        async with desk.database.transaction() as tx:
            await desk.parts.trail.record(tx, [entry])
        desk.clock.advance(timedelta(minutes=1))

    async def seen(**query):
        return [item["action"] for item in (await read(client, **query)).json()["items"]]

    assert await seen() == ["ledgers.odd", "ledger.burn", "ledger.mint"]
    assert await seen(actor=str(BEN)) == ["ledgers.odd", "ledger.burn"]
    assert await seen(action="ledger") == ["ledger.burn", "ledger.mint"]
    assert await seen(action="ledger.mint") == ["ledger.mint"]
    assert await seen(target="x") == ["ledgers.odd", "ledger.mint"]
    assert await seen(**{"from": "2026-06-01T12:01:00Z", "to": "2026-06-01T14:02:00+02:00"}) == ["ledger.burn"]
    assert await seen(**{"from": "2026-06-01T12:02:00Z"}) == ["ledgers.odd"]
    assert await seen(**{"to": "0001-01-01T00:00:00+14:00"}) == []


async def test_pages_show_every_entry_once_also_of_one_instant(desk, client):
    await desk.record(7)
    seen, cursor = [], None
    while True:
        page = (await read(client, limit=3, **({"cursor": cursor} if cursor else {}))).json()
        seen += [item["target"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [f"coin-{n}" for n in reversed(range(7))]


@pytest.mark.parametrize(
    "query",
    [
        {"actor": "ann"},
        {"from": "yesterday"},
        {"from": "0"},
        {"to": "2026-06-01T12:00:00"},
        {"to": "2026-02-30T00:00:00Z"},
        {"cursor": "x"},
        {"limit": 0},
    ],
)
async def test_a_wrong_question_is_refused(client, query):
    assert (await read(client, **query)).status_code == 400
