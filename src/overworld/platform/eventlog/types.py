"""The values of the event log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx

Handle = Callable[[Sequence[Envelope]], Awaitable[None]]
"""What a consumer does with events: in order, at least once, so it must be idempotent."""

Apply = Callable[[Tx, Sequence[Envelope]], Awaitable[None]]
"""What a fold does with events, in the transaction that moves its cursor: in order, exactly once."""


Wanted = Callable[[], frozenset[str] | None]
"""The topics that a reader wants, which may change while it waits; None for all."""


class Position(Struct, frozen=True, order=True):
    """A place in the log: a batch's stamp and number. Everything up to it has been read."""

    stamp: int
    id: int


START = Position(0, 0)


class Head(Struct, frozen=True, kw_only=True):
    """The last batch that may be read, and whether batches lie there that wait for an older transaction to end."""

    position: Position
    pending: bool


P = TypeVar("P")


class Batch(Struct, Generic[P], frozen=True):
    """One batch as a reader gets it: its place in its log, and its events of the topics asked for."""

    position: P
    events: list[Envelope]


class Lag(Struct, frozen=True, kw_only=True):
    """How far a consumer is behind.

    `batches_behind` counts unread batches of any topic, up to `BATCHES_COUNTED_MAX`; `behind_s` is the age of the
    oldest of them, 0 when there is none.
    """

    consumer: str
    batches_behind: int
    behind_s: float
    dead_letters: int
    moved_at: datetime


class DeadLetter(Struct, frozen=True, kw_only=True):
    """An event that a consumer could not handle, with the last error and how often it was tried.

    `replay_wanted_at`: when staff asked that it be handled again; None when nobody did, or when it failed again.
    """

    consumer: str
    event_id: UUID
    topic: str
    envelope: Envelope
    error: str
    attempts: int
    failed_at: datetime
    replay_wanted_at: datetime | None = None


class Which(Struct, frozen=True, kw_only=True):
    """Which dead letters are meant: those to which everything given applies."""

    consumer: str | None = None
    topic: str | None = None
    event_ids: tuple[UUID, ...] | None = None


class Replay(Struct, frozen=True, kw_only=True):
    """How many dead letters a consumer was asked to handle again, and whether there is such a consumer still."""

    consumer: str
    letters: int
    reads: bool


BATCHES_COUNTED_MAX = 10_000
