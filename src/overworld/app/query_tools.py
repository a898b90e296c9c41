"""What `overworld query` does with an answer: a table for people, CSV, JSON or Parquet for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from msgspec import Struct

from overworld.app.plain_table import aligned
from overworld.kernel.refusals import Refusal
from overworld.platform.columns.asking import Asked, Bounds, asked

_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}


class OutUnusable(Refusal):
    """The answer cannot be written there."""

    code = "analytics.out_unusable"
    status = 400


class Told(Struct, frozen=True):
    """How many rows were written, and whether there were more."""

    rows: int
    truncated: bool


def tell(folder: Path, sql: str, *, bounds: Bounds, format: str | None, out: Path | None) -> Told:
    """Asks and writes the answer. Raises: BadSql; NoStore; OutUnusable."""
    kind = format or (_ENDINGS.get(out.suffix) if out else "table")
    if kind is None:
        raise OutUnusable(f"{out} should end in one of {', '.join(_ENDINGS)}, or --format say what to write")
    if kind == "parquet" and out is None and sys.stdout.isatty():
        raise OutUnusable("Parquet is not for a terminal: name a file with --out")
    with asked(folder, sql, bounds=bounds) as answer, _opened(out) as sink:
        count = _WRITERS[kind](answer, sink)
        return Told(count, answer.truncated[0])


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    """A file takes the place of an older one when it is whole."""
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("wb") as sink:
            yield sink
        part.replace(out)
    except OSError as error:
        raise OutUnusable(f"cannot write {out}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _table(answer: Asked, sink: IO[bytes]) -> int:
    rows = [[_word(value) for value in row.values()] for batch in answer.batches for row in batch.to_pylist()]
    numbers = [
        i for i, kind in enumerate(answer.schema.types) if pa.types.is_integer(kind) or pa.types.is_floating(kind)
    ]
    lines = aligned([answer.schema.names, *rows], right=numbers)
    sink.writelines(f"{line}\n".encode() for line in lines)
    return len(rows)


def _csv(answer: Asked, sink: IO[bytes]) -> int:
    count = 0
    flat = pa.schema([(field.name, _flat(field.type)) for field in answer.schema])
    with pyarrow.csv.CSVWriter(sink, flat) as writer:
        for batch in answer.batches:
            writer.write(_flattened(batch, flat))
            count += batch.num_rows
    return count


def _json(answer: Asked, sink: IO[bytes]) -> int:
    count, encode = 0, msgspec.json.Encoder(enc_hook=str).encode
    for batch in answer.batches:
        sink.writelines(encode(row) + b"\n" for row in batch.to_pylist())
        count += batch.num_rows
    return count


def _parquet(answer: Asked, sink: IO[bytes]) -> int:
    count = 0
    with pyarrow.parquet.ParquetWriter(sink, answer.schema, compression="zstd") as writer:
        for batch in answer.batches:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


_WRITERS = {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}


def _flat(kind: pa.DataType) -> pa.DataType:
    """CSV knows no lists, no records, no ids and no bytes: they become text."""
    is_plain = not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or isinstance(kind, pa.ExtensionType))
    return kind if is_plain else pa.string()


def _flattened(batch: pa.RecordBatch, flat: pa.Schema) -> pa.RecordBatch:
    columns = [
        column
        if column.type == field.type
        else pa.array([None if value is None else _word(value) for value in column.to_pylist()], pa.string())
        for column, field in zip(batch.columns, flat, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=flat)


def _word(value: Any) -> str:
    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else str(value)
