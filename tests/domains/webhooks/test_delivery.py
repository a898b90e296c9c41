"""From an event to a receiver, whatever the receiver does and whoever dies."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from overworld.domains.webhooks.messages import WebhookChanges, WebhookPaused
from overworld.domains.webhooks.rules import TRIES_MAX
from overworld.kernel.events import enclose
from tests.domains.webhooks.conftest import STAFF, ShopClosed, ShopOpened, ShopRobbed
from tests.domains.webhooks.receiver import Answer, is_signed


async def test_an_event_arrives_once_signed_with_its_fields(post, receiver):
    webhook_id, secret = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann", n=7))
    await post.send()
    [request] = receiver.requests
    assert is_signed(request, secret) and not is_signed(request, "whsec_" + "A" * 43 + "=")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-timestamp"] == "1780315200"
    assert {name: request.said[name] for name in ("type", "timestamp", "key")} == {
        "type": "events.webhook_shop.opened",
        "timestamp": "2026-06-01T12:00:00Z",
        "key": "ann",
    }
    assert request.said["data"] == {"shop": "ann", "fence_id": None, "n": 7}
    assert await post.states(webhook_id) == [("delivered", 1)]


async def test_only_what_was_chosen_is_sent(post, receiver, other):
    await post.subscribe(receiver.url, ShopClosed.topic)
    await post.subscribe(other.url, fence_ids=("north",))
    await post.happen(
        ShopOpened(shop="a", fence_id="north"),
        ShopClosed(shop="b", fence_id="south"),
        ShopRobbed(shop="c", fence_id="north"),
        ShopClosed(shop="d"),
    )
    await post.send()
    assert sorted(request.said["key"] for request in receiver.requests) == ["b", "d"]
    assert [request.said["key"] for request in other.requests] == ["a"]


async def test_events_from_before_a_webhook_was_made_are_not_sent(post, receiver):
    old = ShopOpened(shop="old")
    envelope = enclose(old, id=post.ids(), at=post.clock.now())
    post.later(1)
    await post.subscribe(receiver.url)
    async with post.database.transaction() as tx:
        await post.parts.queueing.apply(tx, [envelope])
    await post.send()
    assert receiver.requests == []


@pytest.mark.parametrize("answer", [Answer(500), Answer(404), Answer(302, "location: /else\r\n"), Answer(0)])
async def test_a_failed_try_is_made_again_under_the_same_id_after_a_growing_pause(post, receiver, answer):
    receiver.answer = lambda _request, n: answer if n < 3 else Answer()
    webhook_id, secret = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    for pause_s in (5, 20, 80):
        await post.send()
        tried = len(receiver.requests)
        post.later(pause_s - 0.1)
        await post.send()
        assert len(receiver.requests) == tried, "not before its time"
        post.later(0.1)
    await post.send()
    assert await post.states(webhook_id) == [("delivered", 4)]
    assert {request.path for request in receiver.requests} == {"/hook"}, "no redirect is followed"
    assert len(set(receiver.ids)) == 1 and all(is_signed(request, secret) for request in receiver.requests)
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert [b - a for a, b in pairwise(times)] == [5, 20, 80]


async def test_a_receiver_may_ask_for_a_longer_pause(post, receiver):
    receiver.answer = lambda _request, n: Answer(429, "retry-after: 300\r\n") if n == 0 else Answer()
    await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    post.later(299)
    await post.send()
    assert len(receiver.requests) == 1
    post.later(1)
    await post.send()
    assert len(receiver.requests) == 2


async def test_tries_end_after_three_days_and_the_line_goes_on(post, receiver):
    receiver.answer = lambda request, _n: Answer(400 if request.said["data"]["n"] == 0 else 200)
    webhook_id, _ = await post.subscribe(receiver.url)
    patient = post.again(pause_after_h=720)
    await post.happen(ShopOpened(shop="ann", n=0), ShopOpened(shop="ann", n=1))
    started = post.clock.now()
    for _ in range(TRIES_MAX):
        await post.send(patient)
        post.later(86_401)
    assert await post.states(webhook_id) == [("given_up", TRIES_MAX), ("delivered", 1)]
    assert post.clock.now() > started
    assert patient.sender.given_up == 1


async def test_events_of_one_key_arrive_in_order_and_other_keys_do_not_wait(post, receiver):
    receiver.answer = lambda request, n: Answer(500 if request.said["key"] == "ann" and n < 4 else 200)
    await post.subscribe(receiver.url)
    await post.happen(*(ShopOpened(shop=shop, n=n) for n in range(3) for shop in ("ann", "ben")))
    await post.send()
    post.later(5)
    await post.send()
    arrived = [(request.said["key"], request.said["data"]["n"]) for request in receiver.requests]
    assert [n for key, n in arrived if key == "ben"] == [0, 1, 2]
    assert [n for key, n in arrived if key == "ann"] == [0, 0, 1, 2]
    assert arrived.index(("ben", 2)) < arrived.index(("ann", 1))


async def test_a_receiver_that_hangs_delays_nobody_else_and_holds_no_more_than_its_share(post, receiver, other):
    over = asyncio.Event()
    receiver.answer = lambda _request, _n: Answer(before=over)
    hanging, _ = await post.subscribe(receiver.url)
    await post.subscribe(other.url)
    await post.happen(*(ShopOpened(shop=f"shop-{n}") for n in range(20)))
    await post.parts.roster.look()
    server = post.again(at_once=4)
    await server.roster.look()
    while len(other.requests) < 20:
        await server.sender.turn()
        await asyncio.sleep(0)
    assert (len(receiver.requests), receiver.open_max) == (4, 4)
    assert other.open_max <= 4
    assert {state for state, _ in await post.states(hanging)} == {"waiting"}
    over.set()
    await server.sender.settled()


async def test_a_receiver_without_an_end_is_cut_off(post, receiver):
    receiver.answer = lambda _request, _n: Answer(-1)
    webhook_id, _ = await post.subscribe(receiver.url)
    quick = post.again(timeout_s=0.1)
    await post.happen(ShopOpened(shop="ann"))
    await post.send(quick)
    [delivery] = await post.parts.service.deliveries(webhook_id, state=None, before=99, limit=9)
    assert (delivery.status, delivery.error) == (None, "no answer within 0.1 s")


async def test_who_dies_between_the_answer_and_the_commit_sends_again_under_the_same_id(post, receiver):
    """The first server got its 200 and died before it kept that; its lease ends, and another server sends."""
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"), ShopOpened(shop="ann", n=1))

    class Dying:
        def __init__(self, poster):
            self.poster = poster

        async def post(self, url, *, headers, body):
            await self.poster.post(url, headers=headers, body=body)
            raise asyncio.CancelledError

    dying = post.again(poster=Dying(post.posters[0]))
    await dying.roster.look()
    assert await dying.sender.turn() == 1
    await asyncio.wait(list(dying.sender._under_way))
    await post.send()
    assert len(receiver.requests) == 1, "nobody else takes it while the lease runs"
    post.later(36)
    await post.send()
    assert [request.said["data"]["n"] for request in receiver.requests] == [0, 0, 1]
    assert receiver.ids[0] == receiver.ids[1] != receiver.ids[2]
    assert await post.states(webhook_id) == [("delivered", 1), ("delivered", 1)]


async def test_two_servers_share_the_work_and_send_nothing_twice(post, receiver):
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(*(ShopOpened(shop=f"shop-{n % 13}", n=n) for n in range(60)))
    servers = [post.again(), post.again()]
    await asyncio.gather(*map(post.send, servers))
    await post.send()
    assert len(receiver.ids) == len(set(receiver.ids)) == 60
    assert set(await post.states(webhook_id)) == {("delivered", 1)}
    for shop in range(13):
        numbers = [request.said["data"]["n"] for request in receiver.requests if request.said["key"] == f"shop-{shop}"]
        assert numbers == sorted(numbers)
    async with post.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM webhooks.line") == 0


async def test_an_event_that_is_folded_twice_is_queued_once(post, receiver):
    await post.subscribe(receiver.url)
    envelope = enclose(ShopOpened(shop="ann"), id=post.ids(), at=post.clock.now())
    for _ in range(2):
        async with post.database.transaction() as tx:
            await post.parts.queueing.apply(tx, [envelope])
    await post.send()
    assert len(receiver.requests) == 1


async def test_an_endpoint_that_fails_for_long_is_paused_told_of_and_comes_back_with_all_that_waited(post, receiver):
    receiver.answer = lambda _request, _n: Answer(503)
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    post.later(48 * 3600)
    await post.send()
    seen = await post.parts.service.one(webhook_id)
    assert (seen.paused_at, seen.pause_reason) == ("2026-06-03T12:00:00Z", "nothing was delivered for 48 h")
    assert post.outbox.of(WebhookPaused) == [
        WebhookPaused(webhook_id=webhook_id, reason=seen.pause_reason, failing_since=post.clock.now().replace(day=1))
    ]
    post.later(86_400)
    await post.happen(ShopOpened(shop="ben"))
    await post.send()
    assert len(receiver.requests) == 2, "nothing is tried while it is paused"
    receiver.answer = lambda _request, _n: Answer()
    seen = await post.parts.service.change(webhook_id, WebhookChanges(active=True), staff=STAFF)
    assert (seen.paused_at, seen.failing_since) == (None, None)
    await post.send()
    assert await post.states(webhook_id) == [("delivered", 3), ("delivered", 1)]


async def test_who_is_gone_is_paused_at_once(post, receiver):
    receiver.answer = lambda _request, _n: Answer(410)
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    assert (await post.parts.service.one(webhook_id)).pause_reason == "the receiver answered 410 Gone"


async def test_a_failing_endpoint_is_probed_one_by_one_and_catches_up_at_once_when_it_is_back(post, receiver):
    receiver.answer = lambda _request, _n: Answer(500)
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(*(ShopOpened(shop=f"shop-{n}") for n in range(9)))
    await post.send()
    await post.parts.roster.look()
    post.later(100)
    receiver.open_max = 0
    assert await post.parts.sender.turn() == 1, "one at a time while it fails"
    await post.parts.sender.settled()
    receiver.answer = lambda _request, _n: Answer()
    await post.send()
    assert {state for state, _ in await post.states(webhook_id)} == {"delivered"}


async def test_more_than_may_wait_is_dropped_and_counted(post, receiver):
    webhook_id, _ = await post.subscribe(receiver.url)
    small = post.again(waiting_max=3)
    await post.happen(*(ShopOpened(shop=f"{n}") for n in range(5)), parts=small)
    await post.happen(ShopOpened(shop="9"), parts=small)
    assert ((await post.parts.service.one(webhook_id)).dropped, small.queueing.dropped) == (3, 3)
    await post.send()
    await post.happen(ShopOpened(shop="10"), parts=small)
    await post.send()
    assert len(receiver.requests) == 4


async def test_a_long_answer_is_not_read_to_its_end(post, receiver):
    receiver.answer = lambda _request, _n: Answer(200, body=b"x" * 3_000_000)
    webhook_id, _ = await post.subscribe(receiver.url)
    await post.happen(ShopOpened(shop="ann"))
    await post.send()
    assert await post.states(webhook_id) == [("delivered", 1)]


@pytest.mark.slow
async def test_the_loop_hears_of_what_is_queued_without_being_asked(post, receiver):
    await post.subscribe(receiver.url)
    running = asyncio.create_task(post.parts.sender.run())
    try:
        await post.happen(ShopOpened(shop="ann"))
        await receiver.came(1)
        await post.happen(ShopOpened(shop="ben"), ShopClosed(shop="ben"))
        await receiver.came(3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [request.said["key"] for request in receiver.requests] == ["ann", "ben", "ben"]
