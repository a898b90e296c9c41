"""The columns of profiles in their accounts' rows, and the table of pictures. Lock order: account, avatar."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.accounts.profiles.types import Edited, Found, Look, Privacy
from overworld.kernel.ports import Tx

_PRIVACY = "findable, shows_progress, shows_badges, shows_memberships"
_LOOK = f"SELECT locale, avatar, {_PRIVACY} FROM accounts.account WHERE id = $1"  # noqa: S608 - constants


async def look(tx: Tx, account_id: UUID, *, locked: bool = False) -> Look | None:
    """What an account's profile says, with the account locked or not; None without the account. One round trip."""
    row = await tx.fetchrow(f"{_LOOK} FOR NO KEY UPDATE" if locked else _LOOK, account_id)
    return Look(locale=row["locale"], avatar=row["avatar"], privacy=_privacy(row)) if row else None


_LOCK = f"SELECT locale, settings, {_PRIVACY} FROM accounts.account WHERE id = $1 FOR NO KEY UPDATE"  # noqa: S608 - constants


async def lock(tx: Tx, account_id: UUID) -> Edited | None:
    """What an owner changes, with its account locked; None without the account. One round trip."""
    row = await tx.fetchrow(_LOCK, account_id)
    if row is None:
        return None
    return Edited(locale=row["locale"], settings=msgspec.json.decode(row["settings"]), privacy=_privacy(row))


_KEEP = f"""
UPDATE accounts.account SET (locale, settings, {_PRIVACY}) = ($2, $3::jsonb, $4, $5, $6, $7) WHERE id = $1"""  # noqa: S608 - constants


async def keep(tx: Tx, account_id: UUID, edited: Edited) -> None:
    """Puts what an owner changes in the place of what was there. One round trip."""
    shows = edited.privacy
    await tx.execute(
        _KEEP,
        account_id,
        edited.locale,
        msgspec.json.encode(edited.settings).decode(),
        shows.findable,
        shows.progress,
        shows.badges,
        shows.memberships,
    )


_SEARCH = """
SELECT id, username, username_folded, avatar
FROM accounts.account
WHERE findable AND suspended_at IS NULL
    AND username_folded COLLATE "C" >= $1 AND username_folded COLLATE "C" < $2 AND username_folded COLLATE "C" > $3
ORDER BY username_folded COLLATE "C"
LIMIT $4"""


async def search(tx: Tx, *, first: str, before: str, after: str, limit: int) -> list[Found]:
    """Those who want to be found whose folded names lie from `first` to before `before`, and beyond `after`.

    In the order of code points. By the index alone, so it reads no more rows than it gives. One round trip.
    """
    return [
        Found(id=row["id"], username=row["username"], folded=row["username_folded"], avatar=row["avatar"])
        for row in await tx.fetch(_SEARCH, first, before, after, limit)
    ]


_EXPECT = """
INSERT INTO accounts.avatar (name, account_id, gone_at) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET gone_at = excluded.gone_at WHERE accounts.avatar.gone_at IS NOT NULL"""


async def expect(tx: Tx, name: bytes, account_id: UUID, *, until: datetime) -> None:
    """Says that files of a picture may be there; unless it is shown by `until`, they go. Waits for a sweep of it."""
    await tx.execute(_EXPECT, name, account_id, until)


async def is_expected(tx: Tx, name: bytes) -> bool:
    """Whether a picture's files are there to be shown; locks it, so that no sweep takes them. One round trip."""
    return await tx.fetchrow("SELECT FROM accounts.avatar WHERE name = $1 FOR UPDATE", name) is not None


_GO = "UPDATE accounts.avatar SET gone_at = $3 WHERE account_id = $1 AND gone_at IS NULL AND name IS DISTINCT FROM $2"

_SHOW = """
WITH shown AS (
    UPDATE accounts.avatar SET gone_at = NULL WHERE name = $2
)
UPDATE accounts.account SET avatar = $2 WHERE id = $1"""


async def show(tx: Tx, account_id: UUID, name: bytes | None, *, at: datetime) -> None:
    """Lets an account show a picture, or none; the one before may go. Two round trips; the account is locked."""
    await tx.execute(_GO, account_id, name, at)
    await tx.execute(_SHOW, account_id, name)


_GONE = "SELECT name FROM accounts.avatar WHERE gone_at <= $1 ORDER BY gone_at LIMIT 1 FOR UPDATE SKIP LOCKED"


async def lock_gone(tx: Tx, at: datetime) -> bytes | None:
    """A picture whose files may go, locked; those that others locked are passed over. One round trip."""
    name: bytes | None = await tx.fetchval(_GONE, at)
    return name


async def forget(tx: Tx, name: bytes) -> None:
    """Drops a picture whose files are gone. One round trip."""
    await tx.execute("DELETE FROM accounts.avatar WHERE name = $1", name)


def _privacy(row: Any) -> Privacy:
    return Privacy(
        findable=row["findable"],
        progress=row["shows_progress"],
        badges=row["shows_badges"],
        memberships=row["shows_memberships"],
    )
