"""The two subprotocols of `overworld.v1`: the same messages as JSON text or as MessagePack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from msgspec import Struct
from picows import WSMsgType

Subprotocol = Literal["json", "msgpack"]


class Codec(Struct, frozen=True):
    """How messages look as bytes, and in which kind of WebSocket frame they travel."""

    name: str
    frame: WSMsgType
    encode: Callable[[Any], bytes]
    decode: Callable[..., Any]


def _to_msgpack(message: Any) -> bytes:
    """Instants and ids are strings, as in JSON."""
    return msgspec.msgpack.encode(msgspec.to_builtins(message))


CODECS: dict[Subprotocol, Codec] = {
    "json": Codec("overworld.v1.json", WSMsgType.TEXT, msgspec.json.encode, msgspec.json.decode),
    "msgpack": Codec("overworld.v1.msgpack", WSMsgType.BINARY, _to_msgpack, msgspec.msgpack.decode),
}
