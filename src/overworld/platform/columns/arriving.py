"""What comes to the store, in the form in which it lies there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Struct

from overworld.platform.columns.events import SCHEMA
from overworld.platform.columns.layout import COLUMNS
from overworld.platform.columns.seen import U64, keys_of

_INSTANT = pa.timestamp("us")
_ID = pa.uuid()


class Arriving(Struct, frozen=True):
    """Rows on their way in, and a key of each one's id, (n,)."""

    rows: pa.Table
    keys: U64

    def twins(self, likely: npt.NDArray[np.bool_], *, hot: Callable[[pa.Array], pa.Array]) -> npt.NDArray[np.bool_]:
        """Which rows are kept already or stand here before, of those that `likely` suspects; bool (n,)."""
        ids = self.rows["event_id"].combine_chunks()
        suspects = np.flatnonzero(likely)
        kept = set(as_bytes(hot(ids.take(pa.array(suspects)))))
        twins = np.zeros(len(likely), np.bool_)
        keys_of_suspects = set(self.keys[suspects].tolist())
        rows = np.flatnonzero(np.isin(self.keys, np.array(list(keys_of_suspects), np.uint64)))
        for row, event_id in zip(rows.tolist(), as_bytes(ids.take(pa.array(rows))), strict=True):
            twins[row] = event_id in kept
            kept.add(event_id)
        return twins


def arrived(batches: Sequence[pa.RecordBatch]) -> Arriving:
    """The batches as one table of the store. Raises: ValueError for columns of another form."""
    for batch in batches:
        if not batch.schema.equals(SCHEMA):
            raise ValueError(f"events have other columns than events.SCHEMA says: {batch.schema}")
    table = pa.Table.from_batches(batches, SCHEMA).combine_chunks()
    ids = _one(table["event_id"])
    columns = [_shaped(field.name, table[field.name]) for field in SCHEMA]
    return Arriving(pa.table(columns, names=list(COLUMNS)), keys_of(data_of(ids)))


def as_bytes(ids: pa.Array) -> list[bytes]:
    """The ids, each of 16 bytes."""
    storage = ids.storage if isinstance(ids, pa.ExtensionArray) else ids
    found: list[bytes] = storage.to_pylist()
    return found


def _shaped(name: str, column: pa.ChunkedArray) -> pa.Array:
    whole = _one(column)
    if name in ("event_id", "player"):
        return pa.ExtensionArray.from_storage(_ID, whole)
    if name in ("at", "received_at"):
        return whole.cast(_INSTANT)
    return whole.view(pa.int64()) if name == "cell" else whole


def _one(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece."""
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def data_of(ids: pa.Array) -> bytes:
    """The ids, one after another."""
    storage = ids.storage if isinstance(ids, pa.ExtensionArray) else ids
    begin, buffer = storage.offset * 16, storage.buffers()[1]
    return b"" if buffer is None else buffer.to_pybytes()[begin : begin + 16 * len(storage)]
