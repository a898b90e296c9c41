"""Who may open a socket at all."""

import json

import picows
import pytest

from overworld.domains.realtime import RealtimeSettings, build
from overworld.domains.realtime.errors import PortTaken
from overworld.platform.limiter import MemoryLimiter


async def refusal(site, **options):
    with pytest.raises(picows.WSInvalidStatusError) as caught:
        await site.connect(**options)
    assert caught.value.response is not None
    return int(caught.value.response.status), json.loads(caught.value.raw_body or b"")


def offering(*names):
    return {"extra_headers": [("Sec-WebSocket-Protocol", ", ".join(names))]}


async def test_without_an_offer_the_socket_speaks_json(site):
    peer = await site.connect()
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


@pytest.mark.parametrize("name", ["overworld.v1.json", "overworld.v1.msgpack"])
async def test_the_first_offered_subprotocol_that_is_spoken_is_named_in_the_answer(site, name):
    peer = await site.connect(**offering("chat", name, "overworld.v1.json", "overworld.v1.msgpack"))
    assert peer.transport.response.headers["Sec-WebSocket-Protocol"] == name


async def test_an_unknown_subprotocol_is_refused(site):
    status, problem = await refusal(site, **offering("graphql-ws"))
    assert (status, problem["code"]) == (400, "realtime.unknown_subprotocol")
    assert problem["supported"] == ["overworld.v1.json", "overworld.v1.msgpack"]


async def test_another_path_is_not_found(site):
    status, problem = await refusal(site, path="/v1/other")
    assert (status, problem["code"]) == (404, "realtime.wrong_path")


async def test_a_query_is_ignored(site):
    peer = await site.connect(path="/v1/realtime?client=7")
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_one_connection_too_many_is_refused_and_may_come_when_another_has_left(open_site):
    async with open_site(connections_max=1) as site:
        first = await site.connect()
        status, problem = await refusal(site)
        assert (status, problem["code"], problem["retryable"]) == (503, "realtime.full", True)
        first.transport.disconnect()
        await site.until(lambda: site.gateway.connections == 0)
        await site.connect()
        assert site.gateway.counters.handshakes_refused == {"realtime.full": 1}


async def test_pages_of_other_origins_are_refused_and_programs_are_not(open_site):
    async with open_site(origins=("https://game.example",)) as site:
        status, problem = await refusal(site, extra_headers=[("Origin", "https://evil.example")])
        assert (status, problem["code"]) == (403, "realtime.origin_refused")
        await site.connect(extra_headers=[("Origin", "https://game.example")])
        await site.connect()


async def test_a_token_in_the_header_authenticates_at_once(site):
    token = site.house.token()
    headers = [("Authorization", f"Bearer {token}"), ("Overworld-Key", "dev")]
    peer = await site.connect(extra_headers=headers)
    result = await peer.receive()
    assert (result["type"], result["success"]) == ("auth_result", True)
    assert "world.replay" in result["scopes"]


@pytest.mark.parametrize("header", ["Bearer forged", "Basic abc", "Bearer", "Bearer \xff"])
async def test_a_bad_token_in_the_header_refuses_the_handshake(site, header):
    status, problem = await refusal(site, extra_headers=[("Authorization", header)])
    assert status == 401
    assert problem["trace_id"]
    assert site.gateway.connections == 0


async def test_a_taken_port_gives_a_clear_message(site):
    house = site.house
    second = build(
        settings=RealtimeSettings(),
        verifier=house,
        keys=house,
        locations=house,
        packed_fixes=house,
        interest=house.interest,
        listeners=house,
        cell_views=house,
        actions={},
        sight=house,
        presence=house,
        limiter=MemoryLimiter(monotonic_s=house.clock.monotonic_s),
        clock=house.clock,
        ids=house.ids,
        limits_enabled=True,
        collectible_noun="coins",
    )
    with pytest.raises(PortTaken, match=rf"Port {site.gateway.port} for realtime on 127\.0\.0\.1 is taken"):
        await second.start("127.0.0.1", site.gateway.port)
    with pytest.raises(RuntimeError):
        _ = second.port


async def test_a_bug_while_upgrading_is_answered_without_detail(site, monkeypatch):
    def broken(token):
        raise RuntimeError("secret")

    monkeypatch.setattr(site.house, "verify", broken)
    status, problem = await refusal(site, extra_headers=[("Authorization", "Bearer x")])
    assert (status, problem["code"]) == (500, "realtime.failed")
    assert "secret" not in json.dumps(problem)
