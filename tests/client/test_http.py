"""The Python client's HTTP side, against a real HTTP server that answers from a table."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import pytest

from overworld.client import Api, Fix, Refused, Unreachable
from tests.client.conftest import USER

PROBLEM = {"type": "urn:x", "title": "No", "status": 409, "code": "gameplay.too_far", "retryable": False, "reach_m": 40}


async def test_signing_in_gives_the_session_that_calls_then_use(server):
    server.answers["GET", "/v1/users/me"] = 200, USER | {"email": "a@b.c"}
    async with Api(server.url, key="owdev_x") as api:
        session = await api.device("device-1")
        assert (session.access_token, session.user.username) == ("a1", "ada")
        assert (await api.me()).username == "ada"
    (_, path, _, body), (_, _, headers, _) = server.asked
    assert (path, body) == ("/v1/auth/device", {"device_id": "device-1"})
    assert (headers["authorization"], headers["overworld-key"]) == ("Bearer a1", "owdev_x")


async def test_the_token_is_refreshed_once_when_it_is_about_to_end(server, clock):
    async with Api(server.url, clock=clock) as api:
        await api.login(email="a@b.c", password="secret")
        assert await api.access_token() == "a1"
        clock.advance(timedelta(seconds=841))
        assert await asyncio.gather(*(api.access_token() for _ in range(5))) == ["a2"] * 5
    assert [(path, body) for _, path, _, body in server.asked][1:] == [("/v1/auth/refresh", {"refresh_token": "r1"})]


async def test_a_fix_goes_out_as_wire_says(server):
    server.answers["POST", "/v1/location/update"] = 200, {"accepted": True, "cell": "89c", "triggers": []}
    async with Api(server.url) as api:
        await api.register(email="a@b.c", username="ada", password="secret")
        at = datetime(2026, 11, 21, 12, tzinfo=UTC)
        verdict = await api.update_location(Fix(lat=1.5, lng=2.5, accuracy_m=3.0, timestamp=at, speed_m_s=1.0))
    assert (verdict.accepted, verdict.cell) == (True, "89c")
    assert server.asked[-1][3] == {
        "lat": 1.5,
        "lng": 2.5,
        "accuracy_m": 3.0,
        "timestamp": "2026-11-21T12:00:00Z",
        "speed_m_s": 1.0,
    }


async def test_a_claim_carries_its_key_and_a_refusal_its_problem(server):
    server.answers["POST", "/v1/game/collectibles/a%2Fb/collect"] = 409, PROBLEM
    async with Api(server.url) as api:
        await api.device("device-1")
        with pytest.raises(Refused, match="too_far") as caught:
            await api.collect("a/b", key="k1")
    assert (caught.value.status, caught.value.members["reach_m"]) == (409, 40)
    assert server.asked[-1][2]["idempotency-key"] == "k1"


async def test_an_answer_of_another_kind_of_server_is_unreachable(server):
    server.answers["GET", "/v1/users/me"] = 502, b"<html>Bad gateway</html>"
    async with Api(server.url) as api:
        await api.device("device-1")
        with pytest.raises(Unreachable, match="502"):
            await api.me()


async def test_no_server_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with Api(f"http://127.0.0.1:{port}") as api:
        with pytest.raises(Unreachable, match="auth/device"):
            await api.device("device-1")


async def test_calls_before_signing_in_say_so(server):
    async with Api(server.url) as api:
        with pytest.raises(RuntimeError, match="sign in first"):
            await api.me()
