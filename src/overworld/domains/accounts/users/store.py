"""Accounts as staff handle them. Lock order: account, then its sessions and keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users.types import Asked, Note, Person
from overworld.kernel.ports import Tx

_COLUMNS = """
    id, username, username_folded, email, role, created_at, signed_in_at, suspended_at, suspended_why"""
_BEHIND_ALL = "\U0010ffff"
"""No name contains it, for it is no character."""

_FOUND = f"""
SELECT {_COLUMNS}
FROM accounts.account
WHERE username_folded COLLATE "C" >= $2 AND username_folded COLLATE "C" < $3 {{}}
ORDER BY username_folded COLLATE "C" LIMIT $1"""  # noqa: S608 - constants


async def found(tx: Tx, asked: Asked, *, after: str | None, limit: int) -> list[Person]:
    """Accounts by their folded names, from behind one on. One round trip.

    Only the conditions that are asked for are written, in the words of the indexes that are for them.
    """
    first = asked.prefix if after is None else after + "\x01"
    values: list[Any] = [limit, max(first, asked.prefix), asked.prefix + _BEHIND_ALL]
    conditions = ""
    if asked.role is not None:
        values.append(asked.role)
        conditions += f" AND role = ${len(values)}" + (" AND role <> 'player'" if asked.role != Role.PLAYER else "")
    if asked.suspended is not None:
        conditions += f" AND suspended_at IS {'NOT ' if asked.suspended else ''}NULL"
    return [_person(row) for row in await tx.fetch(_FOUND.format(conditions), *values)]


_NAMED = f"SELECT {_COLUMNS} FROM accounts.account WHERE id = $1 OR email_folded = $2"  # noqa: S608 - constants


async def named(tx: Tx, *, account_id: UUID | None, email: str | None) -> list[Person]:
    """The account with an id or a folded e-mail address. One round trip."""
    return [_person(row) for row in await tx.fetch(_NAMED, account_id, email)]


async def one(tx: Tx, account_id: UUID) -> Person | None:
    """The account with an id. One round trip."""
    return next(iter(await named(tx, account_id=account_id, email=None)), None)


_LOCK = f"SELECT {_COLUMNS} FROM accounts.account WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S608 - constants


async def lock(tx: Tx, account_id: UUID) -> Person | None:
    """The account with an id, locked. One round trip."""
    row = await tx.fetchrow(_LOCK, account_id)
    return _person(row) if row else None


_SUSPEND = "UPDATE accounts.account SET suspended_at = $2, suspended_why = $3 WHERE id = $1"


async def suspend(tx: Tx, account_id: UUID, *, at: datetime | None, why: str | None) -> None:
    """Suspends an account; without an instant it is so no more. One round trip."""
    await tx.execute(_SUSPEND, account_id, at, why)


async def set_role(tx: Tx, account_id: UUID, role: Role) -> None:
    """Gives an account a role. One round trip."""
    await tx.execute("UPDATE accounts.account SET role = $2 WHERE id = $1", account_id, role)


_ADD_NOTE = "INSERT INTO accounts.note (id, account_id, author_id, text, at) VALUES ($1, $2, $3, $4, $5)"


async def add_note(tx: Tx, account_id: UUID, note: Note) -> None:
    """Keeps a note about an account. One round trip."""
    await tx.execute(_ADD_NOTE, note.id, account_id, note.author_id, note.text, note.at)


_NOTES = """
SELECT id, author_id, text, at FROM accounts.note
WHERE account_id = $1 AND ($2::uuid IS NULL OR id < $2)
ORDER BY id DESC LIMIT $3"""


async def notes(tx: Tx, account_id: UUID, *, before: UUID | None, limit: int) -> list[Note]:
    """Notes about an account, the newest first, from before one on. One round trip."""
    return [Note(**dict(row)) for row in await tx.fetch(_NOTES, account_id, before, limit)]


def _person(row: Any) -> Person:
    return Person(**{**dict(row), "role": Role(row["role"])})
