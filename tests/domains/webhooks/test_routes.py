"""Webhooks over HTTP: who may, what is shown, and that secrets are shown once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.webhooks.errors import TooManyWebhooks
from overworld.domains.webhooks.messages import WebhookBody
from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.webhooks.conftest import STAFF, ShopOpened
from tests.domains.webhooks.receiver import Answer, is_signed

BASE = "/v1/admin/webhooks"


class Tokens:
    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.WEBHOOK_MANAGE} if token == "8" else ())
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes)


class NoKeys:
    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def client(post):
    app: Any = build_http(
        routes=post.parts.routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=post.clock.monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"authorization": "Bearer 8"}) as c:
        yield c


async def make(client, url="https://example.org/hook", **said):
    return await client.post(BASE, json={"url": url, "topics": ["events.webhook_shop.*"]} | said)


async def test_nobody_without_the_scope_does_anything(client):
    made = (await make(client)).json()["webhook"]["id"]
    for method, path in [
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{made}"),
        ("PATCH", f"/{made}"),
        ("DELETE", f"/{made}"),
        ("POST", f"/{made}/rotate"),
        ("POST", f"/{made}/ping"),
        ("GET", f"/{made}/deliveries"),
        ("POST", f"/{made}/deliveries/{made}/redeliver"),
    ]:
        for headers, status in (({"authorization": "Bearer 1"}, 403), ({"authorization": ""}, 401)):
            assert (await client.request(method, BASE + path, headers=headers, json={})).status_code == status, path


async def test_a_webhook_is_made_shown_changed_and_gone_and_the_audit_log_says_so(post, client):
    made = await make(client, description="a shop")
    assert made.status_code == 201
    webhook, secret = made.json()["webhook"], made.json()["secret"]
    assert secret.startswith("whsec_")
    path = f"{BASE}/{webhook['id']}"
    assert (await client.get(path)).json() == webhook
    listed = await client.get(BASE)
    assert listed.json() == {"items": [webhook], "cursor": None}
    assert secret not in listed.text + (await client.get(path)).text, "a secret is shown once"
    changed = (await client.patch(path, json={"active": False, "topics": [ShopOpened.topic]})).json()
    assert changed == webhook | {"active": False, "topics": [ShopOpened.topic]}
    assert (await client.patch(path, json={})).json() == changed
    assert (await client.delete(path)).status_code == 204
    for gone in (await client.get(path), await client.delete(path), await client.post(f"{path}/ping")):
        assert (gone.status_code, gone.json()["code"]) == (404, "webhooks.no_such_webhook")
    assert [action for action, _ in post.trail.did] == ["webhooks.make", "webhooks.change", "webhooks.delete"]
    assert post.trail.entries[0].after == post.trail.entries[1].before
    assert {entry.note for entry in post.trail.entries} == {"example.org"}, "a path may hold a secret"
    assert secret not in f"{post.trail.entries}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.org/"},
        {"topics": ["events.webhook_shop.robbed"]},
        {"topics": []},
        {"topics": ["events.webhook_shop.opened"] * 33},
        {"description": "x" * 201},
        {"fence_ids": [""]},
        {"secret": "mine"},
    ],
)
async def test_a_wrong_webhook_is_refused(client, wrong):
    assert (await make(client, **wrong)).status_code == 400
    made = (await make(client)).json()["webhook"]["id"]
    assert (await client.patch(f"{BASE}/{made}", json=wrong)).status_code == 400


async def test_a_refused_topic_names_those_that_there_are(client):
    refused = (await make(client, topics=["events.secret.told"])).json()
    assert (refused["code"], refused["topic"]) == ("webhooks.bad_webhook", "events.secret.told")
    assert refused["allowed"] == ["events.webhook_shop.closed", "events.webhook_shop.opened"]


async def test_there_are_no_more_than_allowed(post):
    few = post.again(subscriptions_max=2)
    body = WebhookBody(url="https://example.org/", topics=(ShopOpened.topic,))
    for _ in range(2):
        await few.service.make(body, staff=STAFF)
    with pytest.raises(TooManyWebhooks):
        await few.service.make(body, staff=STAFF)


async def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends(post, client, receiver):
    webhook_id, old = await post.subscribe(receiver.url)
    rotated = (await client.post(f"{BASE}/{webhook_id}/rotate", json={"overlap_s": 60})).json()
    assert rotated["old_ends_at"] == "2026-06-01T12:01:00Z"
    for seconds, old_signs in ((0, True), (59, True), (1, False)):
        post.later(seconds)
        await post.happen(ShopOpened(shop="ann"))
        await post.send()
        assert is_signed(receiver.requests[-1], rotated["secret"])
        assert is_signed(receiver.requests[-1], old) is old_signs
    newest = (await client.post(f"{BASE}/{webhook_id}/rotate", json={"overlap_s": 0})).json()["secret"]
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    assert [is_signed(receiver.requests[-1], each) for each in (newest, rotated["secret"])] == [True, False]


async def test_a_ping_is_delivered_and_shown(post, client, receiver):
    webhook_id, secret = await post.subscribe(receiver.url)
    queued = await client.post(f"{BASE}/{webhook_id}/ping")
    assert queued.status_code == 202
    [waiting] = (await client.get(f"{BASE}/{webhook_id}/deliveries?state=waiting")).json()["items"]
    assert (waiting["id"], waiting["next_at"]) == (queued.json()["id"], "2026-06-01T12:00:00Z")
    await post.send()
    [request] = receiver.requests
    assert is_signed(request, secret) and request.said["type"] == "webhook.ping"
    [shown] = (await client.get(f"{BASE}/{webhook_id}/deliveries")).json()["items"]
    assert shown == waiting | {
        "state": "delivered",
        "attempts": 1,
        "status": 200,
        "tried_at": "2026-06-01T12:00:00Z",
        "finished_at": "2026-06-01T12:00:00Z",
        "next_at": None,
    }
    await client.patch(f"{BASE}/{webhook_id}", json={"active": False})
    refused = await client.post(f"{BASE}/{webhook_id}/ping")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhooks.paused")


async def test_a_delivery_is_sent_again_under_its_id(post, client, receiver):
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    path = f"{BASE}/{webhook_id}/deliveries/{receiver.ids[0]}/redeliver"
    assert (await client.post(path)).status_code == 202
    await post.send()
    assert receiver.ids == [receiver.ids[0]] * 2
    other = f"{BASE}/{webhook_id}/deliveries/{webhook_id}/redeliver"
    assert (await client.post(other)).json()["code"] == "webhooks.no_such_delivery"


async def test_one_that_waits_for_its_next_try_is_tried_at_once_when_it_is_sent_again(post, client, receiver):
    receiver.answer = lambda _request, n: Answer(500 if n == 0 else 200)
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    assert (await client.post(f"{BASE}/{webhook_id}/deliveries/{receiver.ids[0]}/redeliver")).status_code == 202
    await post.send()
    assert await post.states(webhook_id) == [("delivered", 2)]


async def test_pages_of_deliveries_leave_nothing_out(post, client, receiver):
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(*(ShopOpened(shop=f"{n}") for n in range(7)))
    seen, cursor = [], ""
    while True:
        page = (await client.get(f"{BASE}/{webhook_id}/deliveries?limit=3{cursor}")).json()
        seen += [item["key"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == [f"{n}" for n in reversed(range(7))]


async def test_what_is_old_is_forgotten_and_what_waits_is_kept(post, receiver):
    receiver.answer = lambda request, _n: Answer(500 if request.said["key"] == "waits" else 200)
    webhook_id, _ = await post.subscribe(receiver.url)
    gone_id, _ = await post.subscribe(receiver.url)
    await post.happen(*(ShopOpened(shop=shop) for shop in ("waits", "done", "done")))
    await post.send()
    await post.parts.service.delete(gone_id, staff=STAFF)
    assert await post.parts.service.forget(rows_max=2) == 2
    assert await post.parts.service.forget(rows_max=2) == 1
    assert await post.parts.service.forget(rows_max=2) == 0
    post.later(7 * 86_400 + 1)
    assert await post.parts.service.forget(rows_max=9) == 2
    assert [state for state, _ in await post.states(webhook_id)] == ["waiting"]
    async with post.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM webhooks.subscription") == 1
