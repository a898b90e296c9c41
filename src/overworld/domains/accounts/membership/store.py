"""The tables of clubs. Lock order: account, club; a membership changes under both locks only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts.membership.rules import Grant, Proof, Seat
from overworld.domains.accounts.membership.types import Listed, Member
from overworld.kernel.ports import Tx

_LOCK_ACCOUNTS = "SELECT id FROM accounts.account WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


async def lock_accounts(tx: Tx, account_ids: Iterable[UUID]) -> set[UUID]:
    """Locks accounts in the order of ids; gives those that there are. One round trip."""
    return {row["id"] for row in await tx.fetch(_LOCK_ACCOUNTS, sorted(account_ids))}


_MEMBERS = """
SELECT club, number, account_id, granted_at, ends_at
FROM unnest($1::text[], $2::uuid[]) AS seat (club, account_id)
JOIN accounts.membership USING (club, account_id)"""


async def members(tx: Tx, seats: Iterable[Seat]) -> dict[Seat, Member]:
    """Who of some has a number in which club. One round trip."""
    wanted = sorted(set(seats))
    rows = await tx.fetch(_MEMBERS, [club for club, _ in wanted], [account_id for _, account_id in wanted])
    return {(row["club"], row["account_id"]): _member(row) for row in rows}


_MAKE_CLUBS = """
INSERT INTO accounts.club (name)
SELECT name FROM unnest($1::text[]) AS new (name) ORDER BY name
ON CONFLICT (name) DO NOTHING"""

_LOCK_CLUBS = "SELECT name, given FROM accounts.club WHERE name = ANY($1::text[]) ORDER BY name FOR NO KEY UPDATE"


async def lock_clubs(tx: Tx, names: Iterable[str]) -> dict[str, int]:
    """The numbers that some clubs have given, their rows locked in the order of names and made where missing.

    One round trip; three where one is new.
    """
    wanted = sorted(set(names))
    rows = await tx.fetch(_LOCK_CLUBS, wanted)
    if len(rows) < len(wanted):
        await tx.execute(_MAKE_CLUBS, wanted)
        rows = await tx.fetch(_LOCK_CLUBS, wanted)
    return {row["name"]: row["given"] for row in rows}


_OWNERS = """
SELECT club, proof, account_id
FROM unnest($1::text[], $2::bytea[]) AS used (club, proof)
JOIN accounts.membership USING (club, proof)"""


async def owners(tx: Tx, proofs: Iterable[Proof]) -> dict[Proof, UUID]:
    """Who proved a membership by which account elsewhere. Holds while the clubs are locked. One round trip."""
    wanted = sorted(set(proofs))
    if not wanted:
        return {}
    rows = await tx.fetch(_OWNERS, [club for club, _ in wanted], [proof for _, proof in wanted])
    return {(row["club"], row["proof"]): row["account_id"] for row in rows}


_INSERT = """
WITH given AS (
    UPDATE accounts.club SET given = new.given
    FROM (
        SELECT club, max(number) AS given FROM unnest($1::text[], $2::integer[]) AS one (club, number) GROUP BY club
    ) AS new
    WHERE club.name = new.club
)
INSERT INTO accounts.membership (club, number, account_id, proof, granted_at, ends_at)
SELECT * FROM unnest($1::text[], $2::integer[], $3::uuid[], $4::bytea[], $5::timestamptz[], $6::timestamptz[])"""

_RENEW = """
UPDATE accounts.membership AS held SET ends_at = new.ends_at
FROM unnest($1::text[], $2::integer[], $3::timestamptz[]) AS new (club, number, ends_at)
WHERE held.club = new.club AND held.number = new.number"""


async def write(tx: Tx, grants: Sequence[Grant]) -> None:
    """Puts new members on the rolls and extends those that were renewed; of one seat the last grant counts.

    The accounts are locked, and the clubs of new members. Two round trips at most.
    """
    new = {grant.application.seat: grant.application.proof for grant in grants if not grant.renewed}
    last = {grant.application.seat: grant.member for grant in grants}
    made = [last[seat] for seat in new]
    if made:
        await tx.execute(
            _INSERT,
            [member.club for member in made],
            [member.number for member in made],
            [member.account_id for member in made],
            list(new.values()),
            [member.granted_at for member in made],
            [member.ends_at for member in made],
        )
    longer = [member for seat, member in last.items() if seat not in new]
    if longer:
        await tx.execute(
            _RENEW,
            [member.club for member in longer],
            [member.number for member in longer],
            [member.ends_at for member in longer],
        )


_LISTED = """
SELECT number, account_id, username, granted_at
FROM accounts.membership JOIN accounts.account ON account.id = account_id
WHERE club = $1 AND number > $2 AND (ends_at IS NULL OR ends_at > $3)
ORDER BY number
LIMIT $4"""


async def listed(tx: Tx, club: str, *, after: int, now: datetime, limit: int) -> list[Listed]:
    """The members of a club whose membership runs, in the order of numbers, beyond a number. One round trip."""
    return [Listed(**row) for row in map(dict, await tx.fetch(_LISTED, club, after, now, limit))]


_HOLDERS = "SELECT account_id FROM accounts.membership WHERE club = $1 AND (ends_at IS NULL OR ends_at > $2)"


async def holders(tx: Tx, club: str, *, now: datetime) -> list[UUID]:
    """The members of a club whose membership runs, in no order. One round trip."""
    return [row["account_id"] for row in await tx.fetch(_HOLDERS, club, now)]


async def given(tx: Tx, club: str) -> int:
    """How many numbers a club has given. One round trip."""
    return await tx.fetchval("SELECT given FROM accounts.club WHERE name = $1", club) or 0


def _member(row: Any) -> Member:
    return Member(**dict(row))
