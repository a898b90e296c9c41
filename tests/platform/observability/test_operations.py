"""The operations port: alive, ready, well, and in numbers."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.platform.observability import HealthChecks, Metrics, OperationsApp


class Part:
    """A part of the server that is well until it is not."""

    def __init__(self) -> None:
        self.fails_with: Exception | None = None

    async def check(self) -> None:
        if self.fails_with:
            raise self.fails_with


@pytest.fixture
def health():
    return HealthChecks(timeout_s=0.01)


@pytest.fixture
async def ask(health):
    app = OperationsApp(health=health, metrics=Metrics(CollectorRegistry()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_a_server_whose_parts_are_well_is_ready(health, ask):
    health.add("database", Part().check)
    assert ((await ask.get("/readyz")).status_code, (await ask.get("/readyz")).text) == (200, "ready\n")
    found = (await ask.get("/health")).json()
    assert (found["ready"], found["components"]["database"]["ok"]) == (True, True)
    assert found["components"]["database"]["latency_ms"] >= 0


async def test_a_needed_part_that_fails_makes_it_not_ready_but_alive(health, ask):
    part = Part()
    health.add("database", part.check)
    part.fails_with = ConnectionError("password=hunter2")
    assert (await ask.get("/readyz")).status_code == 503
    assert (await ask.get("/healthz")).status_code == 200
    shown = await ask.get("/health")
    assert (shown.status_code, shown.json()["components"]["database"]["reason"]) == (503, "ConnectionError")
    assert "hunter2" not in shown.text
    part.fails_with = None
    assert (await ask.get("/readyz")).status_code == 200


async def test_a_part_that_is_not_needed_is_only_reported(health, ask):
    part = Part()
    part.fails_with = ConnectionError()
    health.add("mail", part.check, needed=False)
    shown = await ask.get("/health")
    assert (shown.status_code, shown.json()["components"]["mail"]["ok"]) == (200, False)


async def test_a_part_that_does_not_answer_is_not_waited_for(health, ask):
    health.add("stuck", asyncio.Event().wait)
    assert (await ask.get("/health")).json()["components"]["stuck"]["reason"] == "no answer within 0.01 s"


async def test_a_draining_server_is_not_ready_but_alive(health, ask):
    health.drain()
    assert ((await ask.get("/readyz")).status_code, (await ask.get("/readyz")).text) == (503, "draining\n")
    assert (await ask.get("/healthz")).status_code == 200
    assert (await ask.get("/health")).json()["draining"] is True


async def test_two_parts_cannot_have_one_name(health):
    health.add("database", Part().check)
    with pytest.raises(ValueError, match="already there"):
        health.add("database", Part().check)


async def test_metrics_are_text_for_prometheus(ask):
    reply = await ask.get("/metrics")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/x", 404), ("POST", "/healthz", 405)]
)
async def test_anything_else_is_refused(ask, method, path, status):
    assert (await ask.request(method, path)).status_code == status
