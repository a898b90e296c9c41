"""The subprotocols: bytes to messages and back. Pure; a connection holds the one it negotiated.

An event that goes to many is encoded once: its **tail** is everything after the sequence number, shared by all, and
each connection puts `{"seq":N,` in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, get_args
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from overworld.domains.realtime.errors import BadFrame, UnknownType
from overworld.domains.realtime.messages import CID_LENGTH_MAX, Action, AnyClientMessage, Event, Nearby, ServerMessage
from overworld.domains.realtime.ports import PlayerSeen


class Undecodable(Exception):
    """A frame that is no message: the refusal to answer with, and the frame's `cid` where one can be read."""

    def __init__(self, refusal: BadFrame | UnknownType, cid: str | None) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.cid = cid


class Subprotocol(Protocol):
    """How one subprotocol writes the messages of `overworld.v1`."""

    name: str

    def decode(self, payload: str) -> AnyClientMessage:
        """The message in a frame. Raises: Undecodable."""
        ...

    def decode_action(self, data: Raw) -> Action:
        """The head of an action. Raises: BadFrame."""
        ...

    def encode(self, message: ServerMessage) -> bytes:
        """A reply, complete."""
        ...

    def tail(self, message: Struct | bytes, *, channel: str | None = None) -> bytes:
        """What all receivers of an event share; the channel is named in it."""
        ...

    def players_tail(self, *, cell: str, seen: Sequence[PlayerSeen]) -> PlayersTail:
        """The `players.nearby` of a cell, ready to leave one player out."""
        ...

    def stamped(self, seq: int, tail: bytes) -> bytes:
        """A complete event frame of one connection."""
        ...


class PlayersTail:
    """A shared event tail from which a player's own entry can be cut without encoding again."""

    __slots__ = ("_entries", "whole")

    def __init__(self, *, head: bytes, entries: Sequence[tuple[str, bytes]], foot: bytes) -> None:
        self._entries: dict[str, tuple[int, int]] = {}
        position = len(head)
        for player, entry in entries:
            self._entries[player] = (position, position + len(entry))
            position += len(entry) + 1
        self.whole = head + b",".join(entry for _, entry in entries) + foot

    def without(self, player_id: UUID | str) -> bytes:
        """The tail without the player's entry; the shared bytes themselves when they are not in it."""
        span = self._entries.get(str(player_id))
        if span is None:
            return self.whole
        start, end = span
        if self.whole[end : end + 1] == b",":
            end += 1
        elif len(self._entries) > 1:
            start -= 1
        return self.whole[:start] + self.whole[end:]


class _Envelope(Struct, frozen=True):
    type: Any = None
    cid: Any = None


class JsonSubprotocol:
    """`overworld.v1.json`: one JSON object per text frame."""

    name = "overworld.v1.json"

    def __init__(self) -> None:
        self._decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
        self._envelopes = msgspec.json.Decoder(_Envelope)
        self._actions = msgspec.json.Decoder(Action)
        self._encoder = msgspec.json.Encoder()
        self._types = {kind.__struct_config__.tag for kind in get_args(AnyClientMessage)}

    def decode(self, payload: str) -> AnyClientMessage:
        try:
            return self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._undecodable(payload, str(error)) from None

    def decode_action(self, data: Raw) -> Action:
        try:
            return self._actions.decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise BadFrame(f"data: {error}") from None

    def encode(self, message: ServerMessage) -> bytes:
        return self._encoder.encode(message)

    def tail(self, message: Struct | bytes, *, channel: str | None = None) -> bytes:
        body = message if isinstance(message, bytes) else self._encoder.encode(message)
        if channel is None:
            return body[1:]
        return b'"channel":%b,%b' % (self._encoder.encode(channel), body[1:])

    def players_tail(self, *, cell: str, seen: Sequence[PlayerSeen]) -> PlayersTail:
        frame = self.tail(Event(type="players.nearby", data=Nearby(cells=[cell], items=[])))
        entries = [(str(player.id), self._encoder.encode(player)) for player in seen]
        return PlayersTail(head=frame[:-3], entries=entries, foot=frame[-3:])

    def stamped(self, seq: int, tail: bytes) -> bytes:
        return b'{"seq":%d,%b' % (seq, tail)

    def _undecodable(self, payload: str, reason: str) -> Undecodable:
        try:
            envelope = self._envelopes.decode(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return Undecodable(BadFrame(reason), None)
        cid = envelope.cid if isinstance(envelope.cid, str) and len(envelope.cid) <= CID_LENGTH_MAX else None
        if isinstance(envelope.type, str) and envelope.type not in self._types:
            return Undecodable(UnknownType(), cid)
        return Undecodable(BadFrame(reason), cid)
