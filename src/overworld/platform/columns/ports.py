"""What the processor of events asks of the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pyarrow import RecordBatch


class EventColumns(Protocol):
    """Takes events in columns, each batch once."""

    async def append(self, batches: Sequence[RecordBatch], *, place: str, at: int) -> None:
        """Keeps the batches (of `events.SCHEMA`) and, in the same transaction, that `place` stands at `at`.

        `place` names a reader and its partition; `at` is its position after these batches. A call whose `at` is not
        beyond what `placed` tells changes nothing, so a batch may be handed over again. On disk when it returns.
        Raises: ValueError for columns of another form; Fault when the disk does not take it.
        """
        ...

    async def placed(self, place: str) -> int | None:
        """How far `place` is: what lies behind it is kept, and nothing else. None before its first batch."""
        ...


class ErasableColumns(Protocol):
    """Lets go of players, known by their pseudonyms of 16 bytes."""

    async def erase(self, players: Sequence[bytes], *, at: datetime) -> None:
        """From now on nothing of the players comes in; what is kept of them goes within minutes, beside other work.

        On disk when it returns: a restart goes on with it. Who was asked for at `at` or later is not asked for again.
        Counts of all players together stay. Raises: Fault.
        """
        ...

    async def erased(self) -> set[bytes]:
        """Of whom nothing is left, here and in the archive. Raises: Fault; Busy."""
        ...

    async def forget_erased(self, *, before: datetime) -> None:
        """Lets those in again whose erasure was done before; for when no log has anything of them. Raises: Fault."""
        ...
