"""The versions in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple

from overworld.kernel.ports import Tx

_LATEST = """
SELECT number, name, digest, definition, hooks_digest, begun_at, spawns_from
FROM game.version ORDER BY number DESC LIMIT $1"""
_ADD = """
INSERT INTO game.version (number, name, digest, definition, hooks_digest, begun_at, spawns_from)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_LOCK = "LOCK TABLE game.version IN SHARE ROW EXCLUSIVE MODE"


class Row(Struct, frozen=True, kw_only=True):
    """A version as it is kept."""

    number: int
    name: str
    digest: str
    definition: bytes
    hooks_digest: str
    begun_at: datetime
    spawns_from: datetime


async def lock(tx: Tx) -> None:
    """Lets nobody else begin a version until the transaction ends. One round trip."""
    await tx.execute(_LOCK)


async def latest(tx: Tx, *, count: int = 1) -> list[Row]:
    """The newest versions, newest first. One round trip."""
    return [_row(row) for row in await tx.fetch(_LATEST, count)]


async def add(tx: Tx, row: Row) -> None:
    """Keeps another version. One round trip."""
    await tx.execute(_ADD, *astuple(row))


def _row(row: Any) -> Row:
    return Row(**row)
