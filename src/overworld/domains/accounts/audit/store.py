"""The tables of the audit log. Nothing in them ever changes but what waits for its number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts.audit.chain import BEGINNING
from overworld.domains.accounts.audit.types import Asked, Head, Kept, Link
from overworld.kernel.audit import AuditEntry
from overworld.kernel.ports import Tx

_LOCK_KEY = 0x6F77_6175  # "owau": one process seals at a time

_ADD = """
INSERT INTO accounts.audit (id, at, actor_id, action, target, before, after, address, trace_id, note)
SELECT id, $2, actor_id, action, target, before, after, address, trace_id, note
FROM unnest($1::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::text[], $9::text[],
    $10::text[]) AS new (id, actor_id, action, target, before, after, address, trace_id, note)"""


async def add(tx: Tx, ids: Sequence[UUID], entries: Sequence[AuditEntry], at: datetime) -> None:
    """Adds entries under their ids, aligned, (n,). One round trip."""
    await tx.execute(
        _ADD,
        ids,
        at,
        [one.actor_id for one in entries],
        [one.action for one in entries],
        [one.target for one in entries],
        [one.before for one in entries],
        [one.after for one in entries],
        [one.address for one in entries],
        [one.trace_id for one in entries],
        [one.note for one in entries],
    )


async def take_turn(tx: Tx) -> bool:
    """Whether it is this transaction's turn to seal; else another one has it."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK_KEY))


async def oldest_waiting(tx: Tx) -> datetime | None:
    """Since when the oldest entry without a number waits; None when all have theirs."""
    at: datetime | None = await tx.fetchval("SELECT min(at) FROM accounts.audit_waiting")
    return at


_HEAD = "SELECT number, hash FROM accounts.audit_link ORDER BY number DESC LIMIT 1"


async def head(tx: Tx) -> Head:
    """Where the chain ends; number 0 when it has not begun."""
    row = await tx.fetchrow(_HEAD)
    return Head(row["number"], row["hash"]) if row else Head(0, BEGINNING)


_COLUMNS = """
    audit.id, audit.at, actor_id, action, target, before, after, address, trace_id, note, number, hash"""

_LAST = f"""
SELECT {_COLUMNS}, (SELECT hash FROM accounts.audit_link WHERE number = link.number - 1) AS previous
FROM accounts.audit_link AS link LEFT JOIN accounts.audit ON audit.id = entry_id
ORDER BY number DESC LIMIT 1"""  # noqa: S608 - constants


async def last(tx: Tx) -> tuple[Kept, bytes] | None:
    """The entry at the end of the chain and the hash before it; None when there is none."""
    row = await tx.fetchrow(_LAST)
    return None if row is None or row["id"] is None else (_kept(row), row["previous"] or BEGINNING)


_WAITING = f"""
SELECT {_COLUMNS}
FROM accounts.audit_waiting AS waiting
JOIN accounts.audit ON audit.id = waiting.entry_id
LEFT JOIN accounts.audit_link AS link ON link.entry_id = audit.id
ORDER BY waiting.at, waiting.entry_id LIMIT $1"""  # noqa: S608 - constants


async def waiting(tx: Tx, *, count_max: int) -> list[Kept]:
    """Entries without a number, the oldest first."""
    return [_kept(row) for row in await tx.fetch(_WAITING, count_max)]


_LINK = """
WITH linked AS (
    INSERT INTO accounts.audit_link (number, entry_id, hash)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bytea[])
)
DELETE FROM accounts.audit_waiting WHERE entry_id = ANY ($2::uuid[])"""


async def link(tx: Tx, links: Sequence[Link]) -> None:
    """Puts entries at the end of the chain; they wait no more. One round trip."""
    await tx.execute(_LINK, [one.number for one in links], [one.entry_id for one in links], [one.hash for one in links])


_FOUND = f"""
SELECT {_COLUMNS}
FROM accounts.audit LEFT JOIN accounts.audit_link AS link ON link.entry_id = audit.id
WHERE {{}} ORDER BY audit.at DESC, audit.id DESC LIMIT $1"""  # noqa: S608 - constants


async def found(tx: Tx, asked: Asked, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Kept]:
    """The entries that were asked for, newest first, from before a time and id on.

    Only the conditions that are asked for are written, so that each has its index.
    """
    wanted: list[tuple[str, Any]] = [
        ("actor_id = {}", asked.actor_id),
        ("(action = {0} OR starts_with(action, {0} || '.'))", asked.action),
        ("target = {}", asked.target),
        ("audit.at >= {}", asked.since),
        ("audit.at < {}", asked.until),
        ("(audit.at, audit.id) < {}", before),
    ]
    conditions, values = ["true"], [limit]
    for condition, value in wanted:
        if value is not None:
            parts = value if isinstance(value, tuple) else (value,)
            places = [f"${len(values) + place}" for place in range(1, len(parts) + 1)]
            conditions.append(condition.format(places[0] if len(places) == 1 else f"({', '.join(places)})"))
            values += parts
    return [_kept(row) for row in await tx.fetch(_FOUND.format(" AND ".join(conditions)), *values)]


_CHAINED = f"""
SELECT entry_id, {_COLUMNS}
FROM accounts.audit_link AS link LEFT JOIN accounts.audit ON audit.id = entry_id
WHERE number > $1 ORDER BY number LIMIT $2"""  # noqa: S608 - constants


async def chained(tx: Tx, *, after: int, limit: int) -> list[tuple[Link, Kept | None]]:
    """A stretch of the chain behind a number; None for an entry that is gone."""
    return [
        (Link(row["number"], row["entry_id"], row["hash"]), None if row["id"] is None else _kept(row))
        for row in await tx.fetch(_CHAINED, after, limit)
    ]


_LOOSE = """
SELECT count(*) FILTER (WHERE waiting.entry_id IS NOT NULL) AS waiting,
    count(*) FILTER (WHERE waiting.entry_id IS NULL) AS lost
FROM accounts.audit
LEFT JOIN accounts.audit_link AS link ON link.entry_id = audit.id
LEFT JOIN accounts.audit_waiting AS waiting ON waiting.entry_id = audit.id
WHERE link.entry_id IS NULL"""


async def loose(tx: Tx) -> tuple[int, int]:
    """How many entries wait for their number, and how many have none and do not wait for one either."""
    row = await tx.fetchrow(_LOOSE)
    return row["waiting"], row["lost"]


def _kept(row: Any) -> Kept:
    entry = AuditEntry(
        actor_id=row["actor_id"],
        action=row["action"],
        target=row["target"],
        before=row["before"],
        after=row["after"],
        address=row["address"],
        trace_id=row["trace_id"],
        note=row["note"],
    )
    return Kept(id=row["id"], at=row["at"], entry=entry, number=row["number"], hash=row["hash"])
