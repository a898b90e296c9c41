"""What the processor of events asks of the store."""

from __future__ import annotations

from collections.abc import Sequence
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
