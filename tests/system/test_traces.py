"""One claim is one trace, from the request over the log to the sockets and the webhook, in a real collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bench.servers import ServerProcess
from tests.collector import Collector, Told, collecting, connected
from tests.domains.webhooks.receiver import Receiver, receiving
from tests.system.player import LJUBLJANA, Player

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_ID = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{CALLER_ID}-01"
WAIT_S = 10
CLAIMED = "events.collectible.collected"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(empty_database, tmp_path_factory) -> AsyncIterator[tuple[ServerProcess, Collector]]:
    """A server that records no trace but those whose caller asks for it."""
    async with AsyncExitStack() as stack:
        collector = stack.enter_context(collecting())
        environment = {
            "OVERWORLD_TRACING__ENDPOINT": collector.url,
            "OVERWORLD_TRACING__SAMPLE_SHARE": "0",
            "OVERWORLD_TRACING__SERVICE_NAME": "traced",
        }
        dsn = await stack.enter_async_context(empty_database())
        data = tmp_path_factory.mktemp("traced")
        server = await stack.enter_async_context(ServerProcess(data, dsn=dsn, environment=environment))
        yield server, collector


async def subscribe(server: ServerProcess, player: Player, receiver: Receiver) -> None:
    body = {"url": receiver.url, "topics": [CLAIMED]}
    made = await player.raw.post("/v1/admin/webhooks", json=body, headers={"Overworld-Key": server.key})
    assert made.status_code == 201, made.text


def of_claim(spans: list[Told]) -> list[Told]:
    """What belongs to the claim: its request, and all that it is connected to."""
    requests = [one for one in spans if one.trace_id == TRACE_ID and one.parent_id == CALLER_ID]
    return connected(spans, requests[0]) if requests else []


def kinds_of(spans: list[Told]) -> dict[str, str]:
    return {one.name: one.kind for one in of_claim(spans)}


async def test_one_claim_is_one_trace_from_the_request_to_the_socket_and_the_webhook(traced, joins):
    """Nothing else is recorded: the share is 0, and the caller asked."""
    server, collector = traced
    async with receiving() as receiver:
        player, watcher = await joins(server), await joins(server)
        await subscribe(server, player, receiver)
        coin = (await player.around(*LJUBLJANA))[0]
        for one in (player, watcher):
            await one.stand(coin["lat"], coin["lng"])
        await watcher.watch(coin["lat"], coin["lng"])
        player.raw.headers["traceparent"] = TRACEPARENT
        answer = await player.collect(coin["id"], key="traced")
        async with asyncio.timeout(WAIT_S):
            await watcher.event("coins.collected", coin["id"])
        [delivery] = await receiver.came(1)
        wanted = {"consume webhooks", "consume leaderboards", "consume collections", "publish", "webhook"}
        spans = await asyncio.to_thread(collector.until, lambda spans: wanted <= kinds_of(spans).keys())

    assert answer.status_code == 200
    assert answer.headers["traceparent"].split("-")[1] == TRACE_ID
    assert answer.headers["x-request-id"] == TRACE_ID
    found = kinds_of(spans)
    assert {name: found[name] for name in wanted} == {
        "consume webhooks": "consumer",
        "consume leaderboards": "consumer",
        "consume collections": "consumer",
        "publish": "producer",
        "webhook": "client",
    }
    by_name = {one.name: one for one in of_claim(spans)}
    request = by_name["POST /v1/game/coins/{id}/collect"]
    assert (request.kind, request.attributes["http.response.status_code"], request.error) == ("server", 200, "")
    lane, batch = by_name["lane"], by_name["batch"]
    appends = {one.span_id for one in spans if one.name == "append" and one.parent_id == batch.span_id}
    assert (lane.parent_id, batch.parent_id) == (request.span_id, lane.span_id)
    assert (lane.trace_id, lane.span_id) in batch.links
    consumed = {one.span_id: one for one in spans if one.name == "consume collections"}
    assert consumed[by_name["publish"].parent_id].parent_id in appends
    assert delivery.headers["traceparent"] == f"00-{TRACE_ID}-{by_name['webhook'].span_id}-01"
    assert {one.trace_id for one in spans} == {TRACE_ID}
    assert {one.service for one in spans} == {"traced"}


async def test_a_frame_of_the_socket_takes_a_trace_over_as_a_request_does(traced, joins):
    server, collector = traced
    trace_id = "a" * 32
    player = await joins(server)
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    data = {"action": "collect", "target": coin["id"], "request_id": "by-socket"}
    await player.socket.ask("game.action", data=data, traceparent=f"00-{trace_id}-{CALLER_ID}-01")
    spans = await asyncio.to_thread(
        collector.until, lambda spans: {"action collect", "batch"} <= {s.name for s in spans if s.trace_id == trace_id}
    )
    [action] = [one for one in spans if one.trace_id == trace_id and one.name == "action collect"]
    assert (action.kind, action.parent_id) == ("server", CALLER_ID)
