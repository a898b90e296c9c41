"""RESP, the protocol of Redis that Tile38 speaks too: commands out, and where an answer ends; version 2.

Source: redis.io, "Redis serialization protocol specification"; tile38.com, "Network protocols".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Self, TypeAlias, cast
from urllib.parse import urlsplit

from msgspec import Struct

from bench.load.process import Tally

Reply: TypeAlias = "int | bytes | list[Reply] | RespError | None"
Answered = Callable[[int, bytes], None]

_OK, _FAILED, _CUT = 200, 500, 0
_LATITUDES_DEG = 1e-5  # a metre to and fro


class RespError(Exception):
    """What a server answers to a command that it refuses."""


def encode(*words: str | bytes | float) -> bytes:
    """A command as an array of bulk strings."""
    texts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n%b" % (len(texts), b"".join(b"$%d\r\n%b\r\n" % (len(text), text) for text in texts))


def decode(data: bytes, at: int = 0) -> tuple[Reply, int]:
    """The reply that begins at a place, and where the next one does. Raises: ValueError when it is not whole."""
    end = data.index(b"\r\n", at)
    kind, text, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"+":
        return text, after
    if kind == b"-":
        return RespError(text.decode()), after
    if kind == b":":
        return int(text), after
    count = int(text)
    if count < 0:
        return None, after
    if kind == b"$":
        if len(data) < after + count + 2:
            raise ValueError("the reply is not whole")
        return data[after : after + count], after + count + 2
    if kind != b"*":
        raise ValueError(f"no reply begins with {kind!r}")
    items: list[Reply] = []
    for _ in range(count):
        item, after = decode(data, after)
        items.append(item)
    return items, after


_PING, _PONG = encode("PING"), b"+PONG\r\n"


class RespLine(asyncio.Protocol):
    """A connection. Commands are sent together with a PING, whose answer ends theirs: nothing else has to be parsed,
    so the client is as light as ours over HTTP.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._answered: Answered | None = None
        self._transport: asyncio.Transport

    @classmethod
    async def connect(cls, url: str) -> Self:
        """A connection to the server at an address such as `redis://127.0.0.1:6379`. Raises: OSError."""
        where = urlsplit(url)
        assert where.hostname is not None, url
        assert where.port is not None, url
        _, line = await asyncio.get_running_loop().create_connection(cls, where.hostname, where.port)
        return line

    def send(self, commands: bytes, answered: Answered) -> None:
        """Sends commands; calls back with 200 and what was answered, 500 when one was refused, 0 when the line was
        cut. Those before must have been answered.
        """
        self._answered = answered
        self._transport.write(commands + _PING)

    async def ask(self, commands: bytes) -> bytes:
        """Sends commands and gives what was answered. Raises: RespError."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.send(commands, lambda status, body: answer.set_result((status, body)))
        status, body = await answer
        if status != _OK:
            raise RespError(body[:200].decode(errors="replace") or "the connection was cut")
        return body

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        if len(self._parts) > 1 and len(data) < len(_PONG):
            self._parts = [b"".join(self._parts)]
        if self._parts[-1].endswith(_PONG):
            body = b"".join(self._parts)[: -len(_PONG)]
            self._parts = []
            self._tell(_FAILED if body.startswith(b"-") or b"\r\n-" in body else _OK, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(_CUT, b"")

    def _tell(self, status: int, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, body)


class UpdatesPlan(Struct, frozen=True, kw_only=True):
    """Members to move, each with its first place in degrees; a batch of commands is under way on each connection."""

    url: str
    connections: int
    batch: int
    members: Sequence[tuple[str, float, float]]
    command: str


class UpdatesLoad:
    """Moves members of a server as fast as it answers."""

    def __init__(self, plan: UpdatesPlan, lines: list[RespLine]) -> None:
        self._plan = plan
        self._lines = lines
        self._next = 0
        self._until_s = 0.0
        self._open = 0
        self._tally = Tally()
        self._ended = asyncio.Event()

    @classmethod
    async def connect(cls, plan: UpdatesPlan) -> Self:
        """The load, connected. Raises: OSError."""
        return cls(plan, [await RespLine.connect(plan.url) for _ in range(plan.connections)])

    async def prepare(self, units: int) -> None:
        """Nothing takes time here."""

    async def round(self, seconds: float) -> None:
        """Sends for so long, then waits for the last answers."""
        self._tally, begun_s = Tally(), perf_counter()
        self._until_s = begun_s + seconds
        self._open = len(self._lines)
        self._ended.clear()
        for line in self._lines:
            self._send(line)
        await self._ended.wait()
        self._tally.seconds = perf_counter() - begun_s

    async def tally(self) -> Tally:
        """What came of the last round."""
        return self._tally

    async def close(self) -> None:
        """Ends the connections."""
        for line in self._lines:
            line.close()

    def _send(self, line: RespLine) -> None:
        plan, sent_s = self._plan, perf_counter()
        commands = []
        for _ in range(plan.batch):
            member, lat_deg, lng_deg = plan.members[self._next % len(plan.members)]
            away_deg = self._next // len(plan.members) % 2 * _LATITUDES_DEG
            commands.append(update(plan.command, member, lat_deg + away_deg, lng_deg))
            self._next += 1

        def answered(status: int, body: bytes) -> None:
            self._tally.latencies_s.append(perf_counter() - sent_s)
            if status == _OK:
                self._tally.done += plan.batch
            else:
                self._tally.faults.append(f"updates were answered {body[:100]!r}")
            if status == _OK and perf_counter() < self._until_s:
                self._send(line)
            else:
                self._open -= 1
                if not self._open:
                    self._ended.set()

        line.send(b"".join(commands), answered)


KEY = "crowd"


def update(command: str, member: str, lat_deg: float, lng_deg: float) -> bytes:
    """Moves a member: `GEOADD` of Redis, or `SET` of Tile38."""
    lat, lng = f"{lat_deg:.7f}", f"{lng_deg:.7f}"
    if command == "GEOADD":
        return encode("GEOADD", KEY, lng, lat, member)
    return encode("SET", KEY, member, "POINT", lat, lng)


def search(command: str, lat_deg: float, lng_deg: float, *, radius_m: float, limit: int) -> bytes:
    """The nearest members with places and distances: `GEOSEARCH` of Redis, or `NEARBY` of Tile38."""
    lat, lng = f"{lat_deg:.7f}", f"{lng_deg:.7f}"
    if command == "GEOSEARCH":
        return encode(
            *("GEOSEARCH", KEY, "FROMLONLAT", lng, lat, "BYRADIUS", radius_m, "m"),
            *("ASC", "COUNT", limit, "WITHDIST", "WITHCOORD"),
        )
    return encode("NEARBY", KEY, "LIMIT", limit, "DISTANCE", "POINTS", "POINT", lat, lng, radius_m)


def found(command: str, body: bytes) -> list[Any]:
    """The members that a search gave, in its order. Raises: TypeError when it gave something else."""
    reply, _ = decode(body)
    if command == "NEARBY" and isinstance(reply, list):
        reply = reply[1]
    if not isinstance(reply, list):
        raise TypeError(f"a search was answered {reply!r}")
    return [item[0] if isinstance(item, list) else item for item in reply]
