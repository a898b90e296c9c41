"""A crowd that does nothing costs little, and is gone when it is gone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import psutil
import pytest
import pytest_asyncio

from overworld.app.open_files import allow_open_files
from tests.system.raw_socket import RawSocket, raw_socket
from tests.system.target import Target, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("security: crowds"),
]

CROWD = 2_000
AT_ONCE = 50
BYTES_PER_SOCKET_MAX = 100_000
PONG_WITHIN_S = 1
WAIT_S = 30


@pytest.fixture(scope="module", autouse=True)
def open_files() -> None:
    """The crowd needs as many open files here as there."""
    allow_open_files(connections_max=2 * CROWD)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    chosen = {"OVERWORLD_REALTIME__SOCKETS_PER_ACCOUNT_MAX": "1000", "OVERWORLD_HTTP__HEAD_TIMEOUT_S": "1"}
    # Its memory is measured, so it shares none with others.
    async with under_attack(tmp_path_factory.mktemp("crowds"), environment=chosen, afresh=True) as target:
        yield target


def memory_bytes(target: Target) -> int:
    """What the server itself holds, without its database."""
    size: int = psutil.Process(target.server.family[0].pid).memory_info().rss
    return size


async def measured(target: Target, name: str) -> float:
    """One of the server's own numbers."""
    metrics = (await target.http.get(f"{target.server.operations}/metrics")).text
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, metrics
    return float(found[1])


async def answers_soon(target: Target, socket: RawSocket) -> None:
    """Both ports answer somebody who is not of the crowd."""
    async with asyncio.timeout(PONG_WITHIN_S):
        assert (await socket.ask({"type": "ping"}))["type"] == "pong"
        assert (await target.http.get("/.well-known/jwks.json")).status_code == 200


async def test_two_thousand_idle_sockets_cost_little_and_leave_nothing(target):
    tokens = [(await target.player()).token for _ in range(CROWD // 1_000)]
    innocent = (await target.player()).token
    async with raw_socket(target.server.realtime, token=innocent) as socket:
        before = memory_bytes(target)
        async with AsyncExitStack() as crowd:
            for begin in range(0, CROWD, AT_ONCE):
                token = tokens[begin // 1_000]
                coming = [raw_socket(target.server.realtime, token=token) for _ in range(AT_ONCE)]
                await asyncio.gather(*(crowd.enter_async_context(one) for one in coming))
                await answers_soon(target, socket)
            assert await measured(target, "overworld_sockets") == CROWD + 1
            assert memory_bytes(target) - before < CROWD * BYTES_PER_SOCKET_MAX
        async with asyncio.timeout(WAIT_S):
            while await measured(target, "overworld_sockets") > 1:
                await answers_soon(target, socket)


async def test_two_thousand_silent_connections_are_ended_by_the_server(target):
    """They have a moment to say what they want."""
    where = urlsplit(target.server.http)
    before = memory_bytes(target)
    lines = [await asyncio.open_connection(where.hostname, where.port) for _ in range(CROWD)]
    innocent = (await target.player()).token
    async with raw_socket(target.server.realtime, token=innocent) as socket, asyncio.timeout(WAIT_S):
        await answers_soon(target, socket)
        assert memory_bytes(target) - before < CROWD * BYTES_PER_SOCKET_MAX
        assert set(await asyncio.gather(*(reader.read() for reader, _ in lines))) == {b""}
        await answers_soon(target, socket)
    for _, writer in lines:
        writer.close()
