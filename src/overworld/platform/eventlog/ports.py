"""The log as its readers see it, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from overworld.platform.eventlog.consumer import Consumer
from overworld.platform.eventlog.desk import Desk
from overworld.platform.eventlog.fold import Fold
from overworld.platform.eventlog.types import Apply, DeadLetter, Handle, Lag


class Log(Protocol):
    """What `EventLog` and `KafkaLog` both are. `tests/platform/eventlog/contract` says what every log keeps.

    Events of one key and topic come in order; a consumer gets each at least once, a fold's effects happen once.
    """

    @property
    def desk(self) -> Desk:
        """What an operator does with it."""
        ...

    def consumer(self, name: str, *, topics: Sequence[str], handle: Handle) -> Consumer:
        """A durable consumer; its name is its identity for ever. A new one begins with the oldest event kept."""
        ...

    def fold(self, name: str, *, topics: Sequence[str], apply: Apply) -> Fold:
        """As `consumer`, for a handler that writes in the transaction which moves its place."""
        ...

    async def lag(self) -> list[Lag]:
        """How far each consumer is behind, by name."""
        ...

    async def dead_letters(self, consumer: str, *, count_max: int = 100) -> list[DeadLetter]:
        """What a consumer could not handle, newest event first."""
        ...

    async def forget(self, consumer: str) -> bool:
        """Drops a consumer's place; gives whether there was one."""
        ...
