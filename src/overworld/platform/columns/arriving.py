"""What comes to the store, in the form in which it lies there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from overworld.platform.columns.events import ID_BYTES, NOBODY, PLATFORM, SCHEMA
from overworld.platform.columns.layout import COLUMNS
from overworld.platform.columns.seen import U64, keys_of

_INSTANT = pa.timestamp("us")
_ID = pa.uuid()


class Erased(Struct, frozen=True):
    """Who was erased, and what finds them in properties."""

    players: pa.Array
    pattern: str


class Arriving(Struct, frozen=True):
    """Rows on their way in, and a key of each one's id, (n,)."""

    rows: pa.Table
    keys: U64

    def without(self, erased: Erased) -> Arriving:
        """The same without those who were erased; others' properties name them no more."""
        player = _storage(self.rows["player"].combine_chunks())
        theirs = pc.is_in(player, value_set=erased.players)
        kept = pc.invert(theirs)
        rows = self.rows
        if pc.any(theirs).as_py():
            rows = rows.filter(kept)
        if pc.any(pc.equal(rows["source"], PLATFORM)).as_py():
            shown = pc.replace_substring_regex(rows["properties"], pattern=erased.pattern, replacement=NOBODY)
            shown = pc.if_else(pc.equal(rows["source"], PLATFORM), shown, rows["properties"])
            rows = rows.set_column(rows.column_names.index("properties"), "properties", shown)
        return Arriving(rows, self.keys[kept.to_numpy(zero_copy_only=False)])

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
    found: list[bytes] = _storage(ids).to_pylist()
    return found


def erased_of(players: Sequence[bytes]) -> Erased | None:
    """Who was erased, in the form in which arriving rows are looked through; None for nobody."""
    if not players:
        return None
    return Erased(pa.array(players, pa.binary(ID_BYTES)), "|".join(player.hex() for player in players))


def _storage(ids: pa.Array) -> pa.Array:
    return ids.storage if isinstance(ids, pa.ExtensionArray) else ids


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
    storage = _storage(ids)
    begin, buffer = storage.offset * 16, storage.buffers()[1]
    return b"" if buffer is None else buffer.to_pybytes()[begin : begin + 16 * len(storage)]
