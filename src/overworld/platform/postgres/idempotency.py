"""Keys that make a command safe to send twice.

What was answered is kept in the transaction that did the work, so effect and memory are one: a retry gets the first
answer, a refusal included. A caller must hold a lock that serialises the commands of one account (its own row), taken
before `recall`; then a twin that is in flight elsewhere has been waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Refusal, refusal_from
from overworld.platform.postgres.migrations import Schema

R = TypeVar("R")

SCHEMA = Schema(name="platform", folder=Path(__file__).parent / "idempotency_schema")
RETENTION = timedelta(hours=24)
_SERVER_ERROR = 500


class KeyReused(Refusal):
    """This Idempotency-Key was used before for another request.

    Retrying does not help: choose a new key for a new request.
    """

    code = "http.key_reused"
    status = 422


class KeyTaken(Exception):
    """Another command of the account took the key while this transaction ran: roll back and run again."""


class Keyed(Struct, frozen=True):
    """One use of a key: whose it is, the key, and what was asked under it; the last two as 16-byte digests."""

    account_id: UUID
    key_hash: bytes
    digest: bytes


class Kept(NamedTuple):
    """A row as it is kept: what was asked, the refusal's code or None, and the encoded answer."""

    digest: bytes
    code: str | None
    body: bytes


class _KeptRefusal(Struct, frozen=True):
    detail: str | None
    fields: dict[str, Any]


def keyed(account_id: UUID, key: str, *, operation: str, body: object) -> Keyed:
    """The use of `key` for `operation` with `body` (anything msgspec encodes; equal bodies give equal digests).

    The key may be any text: it is hashed, so neither its length nor its characters reach the database.
    """
    asked = operation.encode() + b"\x00" + msgspec.json.encode(body, order="deterministic")
    return Keyed(account_id, _hash(key.encode("utf-8", "surrogatepass")), _hash(asked))


_RECALL = """
SELECT n, digest, code, body
FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS wanted (account_id, key_hash, n)
JOIN platform.idempotency USING (account_id, key_hash)"""


async def recall(tx: Tx, wanted: Sequence[Keyed], *, answer: type[R]) -> list[R | Refusal | None]:
    """What was answered under each key, aligned with `wanted`, (n,): the answer, the refusal, or None for a new key.

    A key that was used for something else gives `KeyReused`; a refusal that comes back is marked `replayed`. One
    round trip.
    """
    outcomes: list[R | Refusal | None] = [None] * len(wanted)
    rows = await tx.fetch(_RECALL, [use.account_id for use in wanted], [use.key_hash for use in wanted])
    for row in rows:
        i = row["n"] - 1
        outcomes[i] = recalled(wanted[i], Kept(row["digest"], row["code"], row["body"]), answer=answer)
    return outcomes


def recalled(use: Keyed, kept: Kept, *, answer: type[R]) -> R | Refusal:
    """What was answered under a key, as it was kept; `KeyReused` when the key was used for something else."""
    if kept.digest != use.digest:
        return KeyReused()
    if kept.code is None:
        return msgspec.json.decode(kept.body, type=answer)
    refused = msgspec.json.decode(kept.body, type=_KeptRefusal)
    refusal = refusal_from(kept.code, detail=refused.detail, fields=refused.fields)
    refusal.replayed = True
    return refusal


_REMEMBER = """
WITH kept AS (
    INSERT INTO platform.idempotency (account_id, key_hash, digest, code, body, kept_at)
    SELECT account_id, key_hash, digest, code, body, $6
    FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::text[], $5::bytea[])
        AS answered (account_id, key_hash, digest, code, body)
    ORDER BY account_id, key_hash
    ON CONFLICT (account_id, key_hash) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM kept"""


async def remember(tx: Tx, answered: Sequence[tuple[Keyed, Struct | Refusal]], *, at: datetime) -> None:
    """Keeps what was answered under each key; no key may come twice in one call.

    Server errors (status 500 and above) and `KeyReused` are not kept, so the same key can be tried again. One round
    trip, none when nothing is to be kept; rows are written in key order.
    Raises: KeyTaken.
    """
    kept = [(use, outcome) for use, outcome in answered if _is_kept(outcome)]
    if not kept:
        return
    written = await tx.fetchval(
        _REMEMBER,
        [use.account_id for use, _ in kept],
        [use.key_hash for use, _ in kept],
        [use.digest for use, _ in kept],
        [outcome.code if isinstance(outcome, Refusal) else None for _, outcome in kept],
        [encoded(outcome) for _, outcome in kept],
        at,
    )
    if written != len(kept):
        raise KeyTaken


def first_uses(uses: Sequence[Keyed]) -> list[int]:
    """For each use the place of the first one of the same account and key in the batch, (n,); its own for a first."""
    first: dict[tuple[UUID, bytes], int] = {}
    return [first.setdefault((use.account_id, use.key_hash), i) for i, use in enumerate(uses)]


def repeated(use: Keyed, *, first: Keyed, outcome: R | Refusal) -> R | Refusal:
    """What another use of a key in one batch answers: the first's outcome, or `KeyReused` where the two differ."""
    if use.digest != first.digest:
        return KeyReused()
    if not isinstance(outcome, Refusal):
        return outcome
    again = copy(outcome)
    again.replayed = True
    return again


_FORGET = """
DELETE FROM platform.idempotency
WHERE (account_id, key_hash) IN (
    SELECT account_id, key_hash FROM platform.idempotency WHERE kept_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget_before(tx: Tx, before: datetime, *, rows_max: int = 10_000) -> int:
    """Drops answers kept before an instant (now - `RETENTION`), at most `rows_max` of them; gives how many.

    Call again while it gives `rows_max`. One round trip.
    """
    return int((await tx.execute(_FORGET, before, rows_max)).rpartition(" ")[2])


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _is_kept(outcome: Struct | Refusal) -> bool:
    if isinstance(outcome, Refusal):
        return outcome.status < _SERVER_ERROR and not isinstance(outcome, KeyReused)
    return True


def encoded(outcome: Struct | Refusal) -> bytes:
    """An answer as it is kept."""
    if isinstance(outcome, Refusal):
        return msgspec.json.encode(_KeptRefusal(outcome.detail, outcome.public_fields()))
    return msgspec.json.encode(outcome)
