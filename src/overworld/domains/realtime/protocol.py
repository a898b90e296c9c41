"""The subprotocols: bytes to messages and back. Pure; a connection holds the one it negotiated.

An event that goes to many is encoded once for each subprotocol: its **tail** is everything but the sequence number,
shared by all, and each stream puts its own number in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from overworld.domains.realtime.errors import BadFrame, UnknownType
from overworld.domains.realtime.messages import CID_LENGTH_MAX, Action, AnyClientMessage, Event, Nearby, ServerMessage
from overworld.domains.realtime.ports import PlayerSeen

T = TypeVar("T")


class Undecodable(Exception):
    """A frame that is no message: the refusal to answer with, and the frame's `cid` where one can be read."""

    def __init__(self, refusal: BadFrame | UnknownType, cid: str | None) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
        self.cid = cid


class Subprotocol(Protocol):
    """How one subprotocol writes the messages of `overworld.v1`."""

    name: str
    binary: bool
    """Whether its messages are binary frames; else they are text."""

    def decode(self, payload: bytes) -> AnyClientMessage:
        """The message in a frame; what is left encoded in it is JSON. Raises: Undecodable."""
        ...

    def encode(self, message: ServerMessage) -> bytes:
        """A reply, complete."""
        ...

    def tail(self, message: Struct | bytes, *, channel: str | None = None) -> bytes:
        """What all receivers of an event share; the channel is named in it. Bytes are a JSON object."""
        ...

    def stamped(self, seq: int, tail: bytes) -> bytes:
        """A complete event frame of one stream."""
        ...

    def players_frame(self, *, cell: str, seen: Sequence[PlayerSeen]) -> PlayersFrame:
        """The `players.nearby` of a cell, complete, ready to leave one player out."""
        ...


class OncePerSubprotocol(Generic[T]):
    """Something encoded when the first receiver needs it, once for each subprotocol."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[Subprotocol], T]) -> None:
        self._make = make
        self._made: dict[Subprotocol, T] = {}

    def __call__(self, subprotocol: Subprotocol) -> T:
        made = self._made.get(subprotocol)
        if made is None:
            made = self._made[subprotocol] = self._make(subprotocol)
        return made


class PlayersFrame:
    """A shared frame from which a player's own entry can be cut without encoding again.

    `head` gives the bytes before a number of entries, as many for every number.
    """

    __slots__ = ("_entries", "_head", "_separator", "whole")

    def __init__(
        self, *, head: Callable[[int], bytes], entries: Sequence[tuple[str, bytes]], separator: bytes, foot: bytes
    ) -> None:
        self._head = head
        self._separator = separator
        self._entries: dict[str, tuple[int, int]] = {}
        begin = head(len(entries))
        position = len(begin)
        for player, entry in entries:
            self._entries[player] = (position, position + len(entry))
            position += len(entry) + len(separator)
        self.whole = begin + separator.join(entry for _, entry in entries) + foot

    def without(self, player_id: UUID | str) -> bytes:
        """The frame without the player's entry; the shared bytes themselves when they are not in it."""
        span = self._entries.get(str(player_id))
        if span is None:
            return self.whole
        start, end = span
        begin = self._head(len(self._entries) - 1)
        if start > len(begin):
            start -= len(self._separator)
        elif len(self._entries) > 1:
            end += len(self._separator)
        return begin + self.whole[len(begin) : start] + self.whole[end:]


_ACTIONS = msgspec.json.Decoder(Action)
_AFTER_ITEMS = len(b"]}}")


class _Envelope(Struct, frozen=True):
    type: Any = None
    cid: Any = None


class JsonSubprotocol:
    """`overworld.v1.json`: one JSON object per text frame."""

    name = "overworld.v1.json"
    binary = False

    def __init__(self) -> None:
        self._decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
        self._envelopes = msgspec.json.Decoder(_Envelope)
        self._encoder = msgspec.json.Encoder()
        self._types = {kind.__struct_config__.tag for kind in get_args(AnyClientMessage)}

    def decode(self, payload: bytes) -> AnyClientMessage:
        try:
            return self._decoder.decode(payload.decode())
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._undecodable(payload, error) from None

    def encode(self, message: ServerMessage) -> bytes:
        return self._encoder.encode(message)

    def tail(self, message: Struct | bytes, *, channel: str | None = None) -> bytes:
        body = message if isinstance(message, bytes) else self._encoder.encode(message)
        if channel is None:
            return body[1:]
        return b'"channel":%b,%b' % (self._encoder.encode(channel), body[1:])

    def stamped(self, seq: int, tail: bytes) -> bytes:
        return b'{"seq":%d,%b' % (seq, tail)

    def players_frame(self, *, cell: str, seen: Sequence[PlayerSeen]) -> PlayersFrame:
        frame = self._encoder.encode(players_nearby(cell))
        head, foot = frame[:-_AFTER_ITEMS], frame[-_AFTER_ITEMS:]
        entries = [(str(player.id), self._encoder.encode(player)) for player in seen]
        return PlayersFrame(head=lambda _: head, entries=entries, separator=b",", foot=foot)

    def _undecodable(self, payload: bytes, error: Exception) -> Undecodable:
        try:
            envelope = self._envelopes.decode(payload.decode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return Undecodable(BadFrame("not UTF-8" if isinstance(error, UnicodeError) else str(error)), None)
        cid = envelope.cid if isinstance(envelope.cid, str) and len(envelope.cid) <= CID_LENGTH_MAX else None
        if isinstance(envelope.type, str) and envelope.type not in self._types:
            return Undecodable(UnknownType(), cid)
        return Undecodable(BadFrame(str(error)), cid)


def players_nearby(cell: str) -> Event:
    """The `players.nearby` of a cell where nobody is."""
    return Event(type="players.nearby", data=Nearby(cells=[cell], items=[]))


def decode_action(data: Raw) -> Action:
    """The head of an action, whichever subprotocol it came by. Raises: BadFrame."""
    try:
        return _ACTIONS.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadFrame(f"data: {error}") from None
