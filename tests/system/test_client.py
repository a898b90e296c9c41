"""A Player of the Python client on a real server whose line can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from bench.prove.line import Line
from bench.servers import ServerProcess, free_ports
from overworld.client import ChatMessage, Fix, PeerMessage, Player
from overworld.geo import cells
from tests.system.player import LJUBLJANA, ROOM_LEVEL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

WAIT_S = 30.0
ROOM = f"location:cell:{cells.token(cells.cell_of(*LJUBLJANA, ROOM_LEVEL))}"
CHAT = "chat:global"


class Cut(Line):
    """A line that can be cut."""

    def __init__(self, to_port: int) -> None:
        super().__init__(to_port)
        self._ends: list[asyncio.StreamWriter] = []

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._ends.append(to_client)
        await super()._connected(from_client, to_client)

    def cut(self) -> None:
        """Ends every connection, without a word on either side."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory) -> AsyncIterator[tuple[ServerProcess, Cut]]:
    """A server, and the line by which its clients find its socket."""
    ports = free_ports()
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(Cut(ports[1]))
        environment = {"OVERWORLD_REALTIME__PUBLIC_URL": f"ws://127.0.0.1:{line.port}/v1/realtime"}
        server = ServerProcess(tmp_path_factory.mktemp("client") / "data", ports=ports, environment=environment)
        yield await stack.enter_async_context(server), line


def player(server: ServerProcess, name: str, **options) -> Player:
    return Player(server.http, sign_in=lambda api: api.device(f"the-device-of-{name}"), pause_s=0.01, **options)


def here() -> Fix:
    return Fix(lat=LJUBLJANA[0], lng=LJUBLJANA[1], accuracy_m=5.0, timestamp=datetime.now(UTC))


async def said(listening: Player, count: int) -> list[str]:
    """The next so many chat messages."""
    heard: list[str] = []
    async with asyncio.timeout(WAIT_S):
        while len(heard) < count:
            match await listening.events.get():
                case ChatMessage(data=message):
                    heard.append(message.text)
    return heard


@pytest.mark.parametrize("subprotocol", ["json", "msgpack"])
async def test_what_was_said_while_the_line_was_cut_is_heard_once_and_in_order(house, subprotocol):
    server, line = house
    async with player(server, "ann", subprotocol=subprotocol) as ann, player(server, "bob") as bob:
        await ann.listen({CHAT})
        await bob.chat(CHAT, "one")
        assert await said(ann, 1) == ["one"]
        for text in ("two", "three"):
            line.cut()
            await bob.report_packed([here()])
            await bob.chat(CHAT, text)
        assert await said(ann, 2) == ["two", "three"]
        assert ann.resumed == ann.drops >= 1
        assert await ann.listen({CHAT}) == set()


async def test_players_in_a_room_reach_each_other_also_after_a_cut(house):
    server, line = house
    async with player(server, "cat") as cat, player(server, "dan", subprotocol="msgpack") as dan:
        for one in (cat, dan):
            assert (await one.report(here())).accepted
            assert await one.listen({ROOM}) == {ROOM}
        line.cut()
        assert [verdict.accepted for verdict in await dan.report_packed([here()])] == [True]
        await cat.report_packed([here()])
        await cat.peer(dan.api.session.user.id, {"wave": [1, 2]})
        async with asyncio.timeout(WAIT_S):
            while not isinstance(event := await dan.events.get(), PeerMessage):
                pass
        assert (event.data.sender, event.data.payload) == (cat.api.session.user.id, {"wave": [1, 2]})


async def test_a_server_that_was_killed_learns_again_where_a_player_stands(house):
    server, _ = house
    async with player(server, "eve") as eve:
        assert (await eve.report(here())).accepted
        assert await eve.listen({ROOM}) == {ROOM}
        await server.kill()
        await server.start()
        assert (await eve.report_packed([here()]))[0].accepted
        assert (eve.drops, eve.resumed) == (1, 0)
        assert await eve.listen({ROOM}) == set()
