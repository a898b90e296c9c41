"""Telemetry's SQL. Every function is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.telemetry.types import Parcel, Refused, Row
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx
from overworld.platform.eventlog.types import Position

_decode = msgspec.msgpack.Decoder(list[Parcel]).decode


class NewRow(Struct, frozen=True):
    """Requests on their way into the log; `parcels` are encoded, and compressed when `is_packed`."""

    events: int
    is_packed: bool
    parcels: bytes


_APPEND = """
INSERT INTO telemetry.raw (at, events, bytes, is_packed, parcels)
SELECT $1, events, length(parcels), is_packed, parcels
FROM unnest($2::int[], $3::boolean[], $4::bytea[]) AS wanted (events, is_packed, parcels)"""


async def append(tx: Tx, rows: Sequence[NewRow], *, at: datetime) -> None:
    """Puts rows into the raw log."""
    columns = [row.events for row in rows], [row.is_packed for row in rows], [row.parcels for row in rows]
    await tx.execute(_APPEND, at, *columns)


_READ = """
SELECT stamp, id, events, bytes, is_packed, parcels FROM (
    SELECT stamp, id, events, bytes, is_packed, parcels, sum(events) OVER (ORDER BY stamp, id) - events AS events_before
    FROM (
        SELECT * FROM telemetry.raw
        WHERE (stamp, id) > ($1, $2) AND stamp < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY stamp, id
        LIMIT $3
    ) AS next
) AS counted
WHERE events_before < $4
ORDER BY stamp, id"""
ROWS_MAX = 4_096


async def read(tx: Tx, *, after: Position, events_max: int) -> list[Row]:
    """The next rows that no open transaction can still come before, about as many as hold `events_max` events."""
    rows = await tx.fetch(_READ, after.stamp, after.id, ROWS_MAX, events_max)
    return [Row(Position(row["stamp"], row["id"]), _parcels(row), row["events"], row["bytes"]) for row in rows]


def _parcels(row: Any) -> list[Parcel]:
    packed = row["parcels"]
    if row["is_packed"]:
        import zstandard  # noqa: PLC0415 - servers start without it

        packed = zstandard.ZstdDecompressor().decompress(packed)
    return _decode(packed)


_WAITING = """
SELECT coalesce(sum(bytes), 0)::bigint AS bytes, count(*) AS rows FROM (
    SELECT bytes FROM telemetry.raw
    WHERE (stamp, id) > coalesce(
        (SELECT (stamp, id) FROM telemetry.step WHERE reader = $1 AND is_kept ORDER BY number DESC LIMIT 1),
        ('0'::xid8, 0::bigint))
    LIMIT $2
) AS counted"""
_WAITING_ROWS_MAX = 200_000


async def waiting_bytes(tx: Tx, reader: str) -> int:
    """About how many bytes the processor has not come to yet; no more than 200,000 rows are looked at."""
    row = await tx.fetchrow(_WAITING, reader, _WAITING_ROWS_MAX)
    return int(row["bytes"])


_STEP = """
INSERT INTO telemetry.step (reader, number, stamp, id, made_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (reader, number) DO UPDATE SET stamp = excluded.stamp, id = excluded.id, made_at = excluded.made_at"""


async def put_step(tx: Tx, reader: str, *, number: int, place: Position, at: datetime) -> None:
    """Says what a number will mean; a step that the columns did not take is replaced."""
    await tx.execute(_STEP, reader, number, place.stamp, place.id, at)


_MARK_KEPT = """
UPDATE telemetry.step SET is_kept = (number <= $2) WHERE reader = $1 AND is_kept <> (number <= $2)"""


async def mark_kept(tx: Tx, reader: str, *, number: int) -> None:
    """Says up to which step the columns have everything, and that they have nothing of later ones."""
    await tx.execute(_MARK_KEPT, reader, number)


_STEP_OF = """
SELECT stamp, id, number FROM telemetry.step WHERE reader = $1 AND number <= $2 ORDER BY number DESC LIMIT 1"""


async def step_of(tx: Tx, reader: str, *, number: int) -> tuple[int, Position] | None:
    """The newest step up to a number, and where it ends; None when none is kept."""
    row = await tx.fetchrow(_STEP_OF, reader, number)
    return None if row is None else (row["number"], Position(row["stamp"], row["id"]))


_LAST_NUMBER = """
SELECT coalesce(max(number), 0) FROM telemetry.step WHERE reader = $1"""


async def last_number(tx: Tx, reader: str) -> int:
    """The highest number of a reader's steps; 0 without any."""
    return int(await tx.fetchval(_LAST_NUMBER, reader))


_REFUSE = """
INSERT INTO telemetry.refused (stamp, id, number, reason, detail, received_at, sent_at, player_id, agent, event)
SELECT * FROM unnest($1::xid8[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::timestamptz[],
                     $7::timestamptz[], $8::uuid[], $9::text[], $10::bytea[])
ON CONFLICT (stamp, id, number) DO NOTHING"""


async def refuse(tx: Tx, refused: Sequence[Refused]) -> None:
    """Keeps events that were not taken; one that is known already stays as it is."""
    await tx.execute(
        _REFUSE,
        [one.place.stamp for one in refused],
        [one.place.id for one in refused],
        [one.number for one in refused],
        [one.reason for one in refused],
        [one.detail for one in refused],
        [from_us(one.received_us) for one in refused],
        [None if one.sent_us is None else from_us(one.sent_us) for one in refused],
        [one.player for one in refused],
        [one.agent for one in refused],
        [one.event for one in refused],
    )


_REFUSED = """
SELECT stamp, id, number, reason, detail, received_at, sent_at, player_id, agent, event
FROM telemetry.refused
WHERE ($1::text IS NULL OR reason = $1) AND (stamp, id, number) > ($3, $4, $5)
ORDER BY stamp, id, number
LIMIT $2"""


async def refused(
    tx: Tx, *, reason: str | None, count_max: int, after: tuple[int, int, int] = (0, 0, 0)
) -> list[Refused]:
    """Events that were not taken, oldest first."""
    return [_refused(row) for row in await tx.fetch(_REFUSED, reason, count_max, *after)]


def _refused(row: Any) -> Refused:
    return Refused(
        place=Position(row["stamp"], row["id"]),
        number=row["number"],
        reason=row["reason"],
        detail=row["detail"],
        received_us=to_us(row["received_at"]),
        sent_us=None if row["sent_at"] is None else to_us(row["sent_at"]),
        player=row["player_id"],
        agent=row["agent"],
        event=row["event"],
    )


_TAKE_BACK = """
DELETE FROM telemetry.refused USING unnest($1::xid8[], $2::bigint[], $3::int[]) AS wanted (stamp, id, number)
WHERE refused.stamp = wanted.stamp AND refused.id = wanted.id AND refused.number = wanted.number
RETURNING refused.stamp, refused.id, refused.number"""


_REFUSED_AT = """
SELECT refused.* FROM telemetry.refused
JOIN unnest($1::xid8[], $2::bigint[], $3::int[]) AS wanted (stamp, id, number) USING (stamp, id, number)"""


async def refused_at(tx: Tx, ids: Sequence[tuple[int, int, int]]) -> list[Refused]:
    """The refused events with these ids, as far as they are there."""
    return [_refused(row) for row in await tx.fetch(_REFUSED_AT, *([one[i] for one in ids] for i in range(3)))]


async def take_back(tx: Tx, ids: Sequence[tuple[int, int, int]]) -> set[tuple[int, int, int]]:
    """Forgets refused events, because they go into the log again; gives which were still there."""
    rows = await tx.fetch(_TAKE_BACK, *([one[i] for one in ids] for i in range(3)))
    return {(row["stamp"], row["id"], row["number"]) for row in rows}


_COUNTED = """
SELECT reason, count(*) AS count FROM telemetry.refused GROUP BY reason ORDER BY count DESC, reason"""


async def refused_by_reason(tx: Tx) -> dict[str, int]:
    """How many events were not taken, by reason, the most frequent first."""
    return {row["reason"]: row["count"] for row in await tx.fetch(_COUNTED)}


_KNOWN_OR_FRESH = """
WITH made AS (
    INSERT INTO telemetry.secret (secret) VALUES ($1) ON CONFLICT (is_alone) DO NOTHING RETURNING secret
)
SELECT secret FROM made UNION ALL SELECT secret FROM telemetry.secret LIMIT 1"""


async def secret(tx: Tx, fresh: bytes) -> bytes:
    """The secret of this installation; `fresh` where there was none."""
    found: bytes = await tx.fetchval(_KNOWN_OR_FRESH, fresh)
    return found


class ErasureRow(Struct, frozen=True):
    """A player who is to be erased, or was."""

    pseudonym: bytes
    asked_at: datetime
    done_at: datetime | None


_ASK_ERASURE = """
INSERT INTO telemetry.erasure (pseudonym, asked_at) VALUES ($1, $2)
ON CONFLICT (pseudonym) DO UPDATE SET asked_at = excluded.asked_at, done_at = NULL"""


async def ask_erasure(tx: Tx, pseudonym: bytes, *, at: datetime) -> None:
    """Notes that a player is to be erased."""
    await tx.execute(_ASK_ERASURE, pseudonym, at)


_FORGET_REFUSED_OF = """
DELETE FROM telemetry.refused WHERE player_id = $1 OR position($2::bytea IN event) > 0"""


async def forget_refused_of(tx: Tx, account: UUID | None, *, name: bytes) -> None:
    """Forgets refused events that came with an account's token, or have a name, as JSON writes it, in them."""
    await tx.execute(_FORGET_REFUSED_OF, account, name)


_ERASURES = """
SELECT pseudonym, asked_at, done_at FROM telemetry.erasure ORDER BY asked_at, pseudonym"""


async def erasures(tx: Tx) -> list[ErasureRow]:
    """Every erasure that is remembered, oldest first."""
    return [ErasureRow(row["pseudonym"], row["asked_at"], row["done_at"]) for row in await tx.fetch(_ERASURES)]


_MARK_ERASED = """
UPDATE telemetry.erasure SET done_at = $3 FROM unnest($1::bytea[], $2::timestamptz[]) AS done (pseudonym, asked_at)
WHERE erasure.pseudonym = done.pseudonym AND erasure.asked_at = done.asked_at"""


async def mark_erased(tx: Tx, done: Sequence[ErasureRow], *, at: datetime) -> None:
    """Says that nothing is left of players, unless somebody has asked again meanwhile."""
    await tx.execute(_MARK_ERASED, [one.pseudonym for one in done], [one.asked_at for one in done], at)


_FORGET_ERASURES = """
DELETE FROM telemetry.erasure WHERE done_at < $1"""


async def forget_erasures(tx: Tx, *, before: datetime) -> None:
    """Forgets who was erased before."""
    await tx.execute(_FORGET_ERASURES, before)


_FORGET_REFUSED = """
DELETE FROM telemetry.refused WHERE received_at < $1"""
_FORGET_STEPS = """
DELETE FROM telemetry.step AS old
WHERE made_at < $1 AND number < (SELECT max(number) FROM telemetry.step AS new WHERE new.reader = old.reader)"""


async def forget(tx: Tx, *, refused_before: datetime, steps_before: datetime) -> None:
    """Forgets old refused events and steps; the last step of each reader stays. Two round trips."""
    await tx.execute(_FORGET_REFUSED, refused_before)
    await tx.execute(_FORGET_STEPS, steps_before)


async def has_unread(tx: Tx, reader: str, *, table: str) -> bool:
    """Whether a day's table has rows that a reader has not come to; `table` is a name of ours."""
    query = f"""
    SELECT EXISTS (
        SELECT FROM {table}
        WHERE (stamp, id) > coalesce(
            (SELECT (stamp, id) FROM telemetry.step WHERE reader = $1 AND is_kept ORDER BY number DESC LIMIT 1),
            ('0'::xid8, 0::bigint)))"""  # noqa: S608
    found: bool = await tx.fetchval(query, reader)
    return found
