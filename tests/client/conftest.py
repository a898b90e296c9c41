"""Servers that answer as a test says: over HTTP from a table, over the socket from handlers."""

import asyncio
import json
import socket
from datetime import UTC, datetime

import pytest
import uvicorn

from overworld.kernel.clock import FixedClock
from tests.client.scripted import Gateway

USER = {"id": "u1", "username": "ada", "level": 1, "experience": 0, "memberships": [], "created_at": "2026-11-21"}


class Server:
    """Answers each (method, path) with a status and a body, and remembers what was asked."""

    def __init__(self):
        self.url = ""
        self.asked = []
        self.answers = {}
        self.tokens = 0

    def sign_in(self):
        self.tokens += 1
        tokens = {"access_token": f"a{self.tokens}", "refresh_token": f"r{self.tokens}"}
        return 200, tokens | {"token_type": "Bearer", "expires_in": 900, "user": USER}

    async def app(self, scope, receive, send):
        body = (await receive()).get("body", b"")
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["method"], scope["raw_path"].decode(), headers, body and json.loads(body)))
        path = scope["raw_path"].decode()
        status, answer = self.sign_in() if path.startswith("/v1/auth/") else self.answers[scope["method"], path]
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": payload})


@pytest.fixture
async def server():
    """A server on a free port."""
    answering = Server()
    listening = socket.create_server(("127.0.0.1", 0))
    runner = uvicorn.Server(uvicorn.Config(answering.app, interface="asgi3", lifespan="off", log_level="error"))
    task = asyncio.create_task(runner.serve(sockets=[listening]))
    answering.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    yield answering
    runner.should_exit = True
    await task


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock(datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
async def gateway(server):
    """A socket on a free port, and an HTTP server whose `/v1/start` leads to it."""
    async with Gateway() as scripted:
        game = {"collectibles": "coins", "reach_m": 40.0, "room_level": 15}
        server.answers["GET", "/v1/start"] = 200, {"addresses": {"realtime": scripted.url}, "game": game}
        scripted.http = server
        yield scripted
