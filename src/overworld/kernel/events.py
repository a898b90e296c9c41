"""Facts that have happened. A domain writes them in the transaction that made them true; the log publishes them.

An event class declares its topic and its fields; an undeclared field fails where the event is built. Events grow
only by fields with defaults, and a field never changes its type.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, dataclass_transform
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

_encode = msgspec.json.Encoder().encode


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Event(Struct, frozen=True, kw_only=True):
    """The base of every event. Subclasses set `topic` (`events.noun.past`), unique in the product.

    `key` says whose event it is (a player, a cell): events with one key are delivered in order.
    """

    topic: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[Event]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        topic = cls.__dict__.get("topic")
        if topic is None:
            return
        known = Event.registry.setdefault(topic, cls)
        if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
            raise TypeError(f"topic {topic!r} is already used by {known.__module__}.{known.__qualname__}")

    @property
    def key(self) -> str:
        """Whose event this is; the base has none."""
        return ""


class Envelope(Struct, frozen=True, kw_only=True):
    """An event as it lies in the log: its identity, topic, time and whose it is; the fields still encoded.

    `trace` is the `traceparent` of what made it true, empty where that is not known.
    """

    id: UUID
    topic: str
    at: datetime
    key: str
    game: str = ""
    trace: str = ""
    data: Raw

    def decode(self) -> Event:
        """The typed event. Unknown fields of a newer writer are ignored.

        Raises: KeyError for a topic that this build does not know; msgspec.ValidationError for a damaged event.
        """
        return _reader_of(self.topic)(self.data)


@cache
def _reader_of(topic: str) -> Callable[[Raw], Event]:
    return msgspec.json.Decoder(Event.registry[topic]).decode


class Enclosed(Struct, frozen=True, kw_only=True, gc=False):
    """An event on its way into the log: encoded it is what its `Envelope` is, in one pass for many of them."""

    id: UUID
    topic: str
    at: datetime
    key: str
    game: str
    trace: str
    data: Event


def enclose(event: Event, *, id: UUID, at: datetime, game: str = "", trace: str = "") -> Envelope:
    """The envelope of a new event; `game` is the digest of the game definition in force."""
    data = Raw(_encode(event))
    return Envelope(id=id, topic=event.topic, at=at, key=event.key, game=game, trace=trace, data=data)
