"""A line to a server on which answers can be lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536


class Line:
    """Listens on a port of its own and passes everything on to another one, to and fro.

    While `deaf`, what the server says is thrown away. A server that is gone ends its connections.
    """

    def __init__(self, to_port: int) -> None:
        self.deaf = False
        self._to_port = to_port
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        """Where clients connect."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _connected(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to_port)
        except OSError:
            to_client.close()
            return
        asking = asyncio.create_task(self._pass_on(from_client, to_server))
        await self._pass_on(from_server, to_client, droppable=True)
        asking.cancel()
        to_server.close()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, droppable: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(_CHUNK_BYTES):
                if not (droppable and self.deaf):
                    sink.write(data)
                    await sink.drain()
        sink.close()
