"""The lines of an export as Parquet files, for who asks questions of them with a database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

TRANSFERS = {
    "index": "BIGINT",
    "block": "BIGINT",
    "kind": "VARCHAR",
    "code": "INTEGER",
    "currency": "VARCHAR",
    "amount_minor": "BIGINT",
    "debit_code": "INTEGER",
    "debit": "VARCHAR",
    "credit_code": "INTEGER",
    "credit": "VARCHAR",
    "id_hash": "VARCHAR",
    "reference_hash": "VARCHAR",
    "pending_id_hash": "VARCHAR",
    "leaf": "VARCHAR",
}
BALANCES = {
    "month": "VARCHAR",
    "currency": "VARCHAR",
    "account_code": "INTEGER",
    "account": "VARCHAR",
    "debits_minor": "DECIMAL(38, 0)",
    "credits_minor": "DECIMAL(38, 0)",
    "debits_pending_minor": "DECIMAL(38, 0)",
    "credits_pending_minor": "DECIMAL(38, 0)",
}
_ROWS = 10_000
_TABLES = {"transfer": ("transfers", TRANSFERS), "balance": ("balances", BALANCES)}


def write(folder: Path) -> list[str]:
    """Writes each Parquet file beside the lines it is made of; gives their names."""
    names = []
    with _engine() as engine:
        for name, columns in _TABLES.values():
            rows = engine.read_json(str(folder / f"{name}.jsonl"), format="newline_delimited", columns=columns)
            rows.write_parquet(str(folder / f"{name}.parquet"), compression="zstd")
            names.append(f"{name}.parquet")
    return names


def differences(folder: Path) -> Iterator[tuple[str, str]]:
    """Where a Parquet file that is there does not say what the lines say: (`transfer 17`, what)."""
    for what, (name, columns) in _TABLES.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            continue
        with (folder / f"{name}.jsonl").open("rb") as lines, _engine() as engine:
            for place, (line, row) in enumerate(zip_longest(lines, _rows(engine, path, list(columns)))):
                if line is None or row is None:
                    yield f"{what} {place}", f"is in the {'Parquet file' if line is None else 'lines'} alone"
                    break
                told = json.loads(line)
                if [_text(told.get(column)) for column in columns] != [_text(value) for value in row]:
                    yield f"{what} {place}", "is another in the Parquet file than in the lines"


def _engine() -> duckdb.DuckDBPyConnection:
    import duckdb  # noqa: PLC0415  # every server would import it, and few ever export

    return duckdb.connect()


def _rows(engine: duckdb.DuckDBPyConnection, path: Path, columns: list[str]) -> Iterator[tuple[object, ...]]:
    named = ", ".join(columns)
    asked = engine.execute(f"SELECT {named} FROM read_parquet(?)", [str(path)])  # noqa: S608 - names of our own
    while some := asked.fetchmany(_ROWS):
        yield from some


def _text(value: object) -> str | None:
    return None if value is None else str(value)
