"""Accounts elsewhere and visits to providers in the database. Lock order: device, external, account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.accounts.external.types import DEVICE, Elsewhere, Flow, Held, Linked
from overworld.kernel.ports import Tx

_KEEP_FLOW = """
INSERT INTO accounts.external_flow (hash, provider, redirect_uri, account_id, ends_at) VALUES ($1, $2, $3, $4, $5)"""


async def keep_flow(tx: Tx, flow_hash: bytes, flow: Flow) -> None:
    """Keeps a visit that begins. One round trip."""
    await tx.execute(_KEEP_FLOW, flow_hash, flow.provider, flow.redirect_uri, flow.account_id, flow.ends_at)


_USE_FLOW = """
DELETE FROM accounts.external_flow WHERE hash = $1 RETURNING provider, redirect_uri, account_id, ends_at"""


async def use_flow(tx: Tx, flow_hash: bytes) -> Flow | None:
    """The visit, which is over with that; None when there is none, or not any more. One round trip."""
    row = await tx.fetchrow(_USE_FLOW, flow_hash)
    return Flow(**dict(row)) if row else None


_FORGET_FLOWS = """
DELETE FROM accounts.external_flow WHERE hash IN (
    SELECT hash FROM accounts.external_flow WHERE ends_at < $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget_flows(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Drops visits that ended without an answer, at most `rows_max`; gives how many. One round trip."""
    return int((await tx.execute(_FORGET_FLOWS, before, rows_max)).rpartition(" ")[2])


_OWNER = "SELECT account_id FROM accounts.external WHERE issuer = $1 AND subject = $2 FOR KEY SHARE"

_CLAIM = """
INSERT INTO accounts.external (issuer, subject, provider, account_id, linked_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (issuer, subject) DO NOTHING
RETURNING account_id"""


async def claim(tx: Tx, who: Elsewhere, account_id: UUID, at: datetime) -> UUID:
    """Whose an account elsewhere is: its owner's id, or `account_id` when it had none; then the caller makes that one.

    Waits for a twin that claims the same, and keeps it from being let go of until the transaction ends. Up to three
    round trips.
    """
    owner_id: UUID | None = await tx.fetchval(_OWNER, who.issuer, who.subject)
    if owner_id is None:
        owner_id = await tx.fetchval(_CLAIM, who.issuer, who.subject, who.provider, account_id, at)
    if owner_id is None:
        owner_id = await tx.fetchval(_OWNER, who.issuer, who.subject)
    if owner_id is None:
        raise LookupError("an account elsewhere vanished while it was claimed")
    return owner_id


_LINK = """
INSERT INTO accounts.external (issuer, subject, provider, account_id, linked_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING account_id"""


async def link(tx: Tx, who: Elsewhere, account_id: UUID, at: datetime) -> bool:
    """Gives an account elsewhere to an account.

    False when somebody has it already, or the account has another one of the issuer. One round trip.
    """
    return await tx.fetchval(_LINK, who.issuer, who.subject, who.provider, account_id, at) is not None


async def owner(tx: Tx, who: Elsewhere) -> UUID | None:
    """Whose an account elsewhere is. One round trip."""
    found: UUID | None = await tx.fetchval(_OWNER, who.issuer, who.subject)
    return found


_LINK_DEVICE = """
INSERT INTO accounts.device (hash, account_id, made_at)
VALUES ($1, $2, $3)
ON CONFLICT (hash) DO NOTHING
RETURNING account_id"""


async def link_device(tx: Tx, device_hash: bytes, account_id: UUID, at: datetime) -> bool:
    """Gives a device to an account; False when somebody has it already. One round trip."""
    return await tx.fetchval(_LINK_DEVICE, device_hash, account_id, at) is not None


async def owner_of_device(tx: Tx, device_hash: bytes) -> UUID | None:
    """Whose a device is. One round trip."""
    found: UUID | None = await tx.fetchval("SELECT account_id FROM accounts.device WHERE hash = $1", device_hash)
    return found


async def unlink(tx: Tx, account_id: UUID, provider: str) -> None:
    """Takes an account elsewhere from an account. One round trip."""
    await tx.execute("DELETE FROM accounts.external WHERE account_id = $1 AND provider = $2", account_id, provider)


_FORGET_DEVICES = """
DELETE FROM accounts.device WHERE hash IN (
    SELECT hash FROM accounts.device WHERE account_id = $1 ORDER BY hash FOR UPDATE
) RETURNING hash"""


async def forget_linked(tx: Tx, account_id: UUID) -> list[str]:
    """Takes every account elsewhere and every device from an account, and gives the names of those ways.

    For when somebody shows that an account is theirs that others may have put ways of their own into. Call it before
    the account is locked. Two round trips.
    """
    rows = await tx.fetch("DELETE FROM accounts.external WHERE account_id = $1 RETURNING provider", account_id)
    devices = await tx.fetch(_FORGET_DEVICES, account_id)
    return [*(row["provider"] for row in rows), *[DEVICE] * bool(devices)]


_LOCK = "SELECT FROM accounts.account WHERE id = $1 FOR NO KEY UPDATE"


async def lock_account(tx: Tx, account_id: UUID) -> bool:
    """Locks an account; False when there is none. One round trip."""
    return await tx.fetchrow(_LOCK, account_id) is not None


_HELD = """
SELECT password_hash IS NOT NULL AS has_password,
    (SELECT count(*) FROM accounts.device WHERE account_id = account.id) AS devices
FROM accounts.account WHERE id = $1"""

_LINKED = """
SELECT provider, subject, account_id, linked_at
FROM accounts.external WHERE account_id = $1 ORDER BY linked_at, provider"""


async def held(tx: Tx, account_id: UUID) -> Held | None:
    """The ways into an account; None when there is no such account. Two round trips."""
    row = await tx.fetchrow(_HELD, account_id)
    linked = await tx.fetch(_LINKED, account_id)
    if row is None:
        return None
    return Held(
        has_password=row["has_password"], devices=row["devices"], linked=tuple(Linked(**dict(each)) for each in linked)
    )


_SUBJECTS = """
SELECT account_id, subject FROM accounts.external WHERE account_id = ANY($1::uuid[]) AND issuer = $2"""


async def subjects(tx: Tx, account_ids: Sequence[UUID], issuer: str) -> dict[UUID, str]:
    """What an issuer calls the accounts of those who have one with it. One round trip."""
    return {row["account_id"]: row["subject"] for row in await tx.fetch(_SUBJECTS, account_ids, issuer)}


async def forget_password(tx: Tx, account_id: UUID) -> None:
    """Takes the password from an account. One round trip."""
    await tx.execute("UPDATE accounts.account SET password_hash = NULL WHERE id = $1", account_id)


async def forget_devices(tx: Tx, account_id: UUID) -> None:
    """Takes every device from an account. One round trip."""
    await tx.execute(_FORGET_DEVICES, account_id)
