"""How bots stand is what the server tells each of them; what it does not tell stays unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from overworld.app.bots.pool import Pool
from overworld.app.bots.standings import Standings

NORMAL = b'{"gate":"normal","reasons":[],"score":1.0}'
REFUSED = b'{"gate":"refused","reasons":[{"kind":"mock","text":"words","at":"2026-06-01T12:00:00Z"}]}'
Answer = Callable[[str], tuple[int, bytes]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server that answers each token with what `answer` says of it; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode():
            token = next(line for line in head.splitlines() if line.startswith("Authorization")).split()[-1]
            assert head.startswith("GET /v1/users/me/standing ")
            status, body = answer(token)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def told(answer: Answer):
    async with answering(answer) as url:
        pool = Pool(url, at_once=3, tls=None)
        standings = Standings(pool, {bot: f"t{bot}" for bot in range(6)})
        answered = await standings.ask(range(6), began_s=monotonic() - 5, at_once=3)
        pool.close()
        return answered, standings.told


async def test_each_bot_is_asked_with_its_own_token_and_reasons_are_kept():
    answered, found = await told(lambda token: (200, REFUSED if token == "t4" else NORMAL))
    assert answered == 6
    assert found.gate == {0: "normal", 1: "normal", 2: "normal", 3: "normal", 4: "refused", 5: "normal"}
    assert found.reasons[4] == ("mock",)
    assert set(found.noticed_s) == {4}
    assert found.noticed_s[4] >= 5


async def test_a_gate_that_is_not_known_is_no_detection():
    _, found = await told(lambda _: (200, b'{"gate":"someday"}'))
    assert set(found.gate.values()) == {"unknown"}
    assert found.noticed_s == {}


async def test_a_server_without_the_route_is_asked_no_more():
    asked: list[str] = []

    def answer(token: str) -> tuple[int, bytes]:
        asked.append(token)
        return 404, b"{}"

    answered, found = await told(answer)
    assert (answered, found.gate) == (0, {})
    assert len(asked) <= 3


async def test_what_is_no_answer_leaves_the_standing_unknown():
    _, found = await told(lambda token: (200, b"<html>") if token == "t1" else (503, b"{}"))
    assert found.gate == {}
