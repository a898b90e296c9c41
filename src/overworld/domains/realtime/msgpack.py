"""`overworld.v1.msgpack`: the messages of `overworld.v1.json` as MessagePack.

JSON is the model: what JSON cannot say is no message, and both subprotocols say the same with the same types.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from overworld.domains.realtime.errors import BadFrame
from overworld.domains.realtime.messages import AnyClientMessage, ServerMessage
from overworld.domains.realtime.ports import PlayerSeen
from overworld.domains.realtime.protocol import JsonSubprotocol, PlayersFrame, Undecodable, players_nearby

# The widest integers of MessagePack; a larger one goes as the float that most readers of JSON make of it.
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1
# Source: the MessagePack specification. Maps and arrays of up to 15 members have a header of one byte.
_MAP_16, _ARRAY_16 = b"\xde", b"\xdc"
_FIXMAP, _FIXMAP_MAX = 0x80, 15
_MAP_16_HEADER_BYTES = 3
_SEQ = msgspec.msgpack.encode("seq")


class MsgpackSubprotocol:
    """`overworld.v1.msgpack`: one MessagePack map per binary frame."""

    name = "overworld.v1.msgpack"
    binary = True

    def __init__(self, json: JsonSubprotocol) -> None:
        self._json = json
        self._decoder = msgspec.msgpack.Decoder()
        self._encoder = msgspec.msgpack.Encoder()
        self._json_encoder = msgspec.json.Encoder()
        self._json_decoder = msgspec.json.Decoder()

    def decode(self, payload: bytes) -> AnyClientMessage:
        try:
            message = self._decoder.decode(payload)
            _require_json(message)
            text = self._json_encoder.encode(message)
        except (msgspec.MsgspecError, UnicodeError, ValueError, OverflowError, RecursionError) as error:
            raise Undecodable(BadFrame(str(error)), None) from None
        return self._json.decode(text)

    def encode(self, message: ServerMessage) -> bytes:
        return self._encoded(self._modelled(message))

    def tail(self, message: Struct | bytes, *, channel: str | None = None) -> bytes:
        members = self._modelled(message)
        if channel is not None:
            members = {"channel": channel} | members
        packed = self._encoded(members)
        header_bytes = 1 if len(members) <= _FIXMAP_MAX else _MAP_16_HEADER_BYTES
        return _MAP_16 + (len(members) + 1).to_bytes(2, "big") + packed[header_bytes:]

    def stamped(self, seq: int, tail: bytes) -> bytes:
        head, rest = tail[:_MAP_16_HEADER_BYTES], tail[_MAP_16_HEADER_BYTES:]
        return head + _SEQ + self._encoder.encode(seq) + rest

    def players_frame(self, *, cell: str, seen: Sequence[PlayerSeen]) -> PlayersFrame:
        before = self._encoded(self._modelled(players_nearby(cell)))[:-1]  # the items' header is the last byte
        entries = [(str(player.id), self._encoded(self._modelled(player))) for player in seen]

        def head(count: int) -> bytes:
            return before + _ARRAY_16 + count.to_bytes(2, "big")

        return PlayersFrame(head=head, entries=entries, separator=b"", foot=b"")

    def _modelled(self, message: Any) -> Any:
        """What the JSON of a message says, as plain values."""
        text = message if isinstance(message, bytes) else self._json_encoder.encode(message)
        return self._json_decoder.decode(text)

    def _encoded(self, value: Any) -> bytes:
        try:
            return self._encoder.encode(value)
        except OverflowError:
            return self._encoder.encode(_packable(value))


def _require_json(value: Any) -> None:
    """Raises: ValueError, RecursionError for what JSON cannot say."""
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise ValueError("a number that is not finite")
        case list():
            for one in value:
                _require_json(one)
        case dict():
            for key, one in value.items():
                if type(key) is not str:
                    raise ValueError("a key that is no string")
                _require_json(one)
        case _:
            raise ValueError(f"{type(value).__name__} is no type of these messages")


def _packable(value: Any) -> Any:
    """The value with integers that MessagePack cannot hold as floats."""
    if type(value) is dict:
        return {key: _packable(one) for key, one in value.items()}
    if type(value) is list:
        return [_packable(one) for one in value]
    if type(value) is int and not _INT_MIN <= value <= _INT_MAX:
        return float(value)
    return value
