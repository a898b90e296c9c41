"""Players, collections and the spawn secret in PostgreSQL: sets in, sets out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple

from overworld.domains.gameplay.claim import Known
from overworld.domains.gameplay.messages import CollectibleCollected, LevelReached
from overworld.domains.gameplay.ports import EncodingOutbox
from overworld.domains.gameplay.rules import Wait
from overworld.domains.gameplay.types import Mode, Placement, Player, Progress
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.money import TransferCode
from overworld.kernel.ports import Tx
from overworld.platform.postgres.arrays import numbers
from overworld.platform.postgres.idempotency import Kept

_LOCK_PLAYERS = "SELECT id, experience, level, day, collected_on_day, collected FROM gameplay.lock_players($1::uuid[])"


async def lock_players(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Player]:
    """The players, made where they are missing and locked until the transaction ends.

    One round trip; rows are created and then locked in id order, so crossing batches cannot deadlock.
    """
    rows = await tx.fetch(_LOCK_PLAYERS, list(ids))
    return {row["id"]: Player(**row) for row in rows}


_PROGRESS = "SELECT id, experience, level FROM gameplay.player WHERE id = ANY($1::uuid[])"


async def progress(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Progress]:
    """How far players have come; those who never claimed are absent. One round trip."""
    rows = await tx.fetch(_PROGRESS, list(ids))
    return {row["id"]: Progress(row["experience"], row["level"]) for row in rows}


_UPDATE_PLAYERS = """
UPDATE gameplay.player
SET experience = new.experience, level = new.level, day = new.day, collected_on_day = new.collected_on_day,
    collected = new.collected
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::date[], $5::integer[], $6::bigint[])
    AS new (id, experience, level, day, collected_on_day, collected)
WHERE player.id = new.id"""


async def update_players(tx: Tx, players: Sequence[Player]) -> None:
    """Writes players as they are now; the caller holds their locks. One round trip."""
    await tx.execute(
        _UPDATE_PLAYERS,
        [player.id for player in players],
        [player.experience for player in players],
        [player.level for player in players],
        [player.day for player in players],
        [player.collected_on_day for player in players],
        [player.collected for player in players],
    )


WON, WON_BEFORE, REFUSED_BEFORE, CAP_REACHED, ALREADY_COLLECTED = range(5)
_TOPICS = [CollectibleCollected.topic, LevelReached.topic]


class Batch(Struct, frozen=True, kw_only=True):
    """Claims as columns, for `gameplay.claim`: those that may win, (n,), and those refused already, (m,).

    `players` and `accounts` are ascending and distinct, with the sums of the batch beside them; the `_at` of a claim
    are places in them, from 1. No id comes twice; `alone`, when no player and no reference does either. A refusal with
    the code None is not kept. What is `reduced` pays a share alone. `events` are lines, one for each that may win,
    `placed` the keys of those that were placed, end to end; `days` count from 1970; `levels` are an array as text.
    """

    ids: list[UUID]
    references: list[UUID]
    collectible_ids: list[str]
    player_at: list[int]
    wallet_at: list[int]
    payer_at: list[int]
    amounts_minor: list[int]
    gains: list[int]
    reduced: list[bool]
    events: str
    placed: bytes
    alone: bool
    refused_ids: list[UUID]
    refused_references: list[UUID]
    refused_player_at: list[int]
    refused_codes: list[str | None]
    refused_bodies: list[bytes]
    players: list[UUID]
    days: list[int]
    gained: list[int]
    claimed: list[int]
    gears: list[int]
    worn_at: list[int | None]
    accounts: list[int]
    paid_minor: list[int]
    received_minor: list[int]
    levels: str
    daily_cap: int
    level_event: str
    event_id: UUID
    at: datetime


class Judged(Struct, frozen=True, kw_only=True):
    """What became of a batch: for each claim that could win, (n,), how it ended and its player's progress and balance
    after it; for each refused one, (m,), whether an earlier answer was found. Those are in `known` and `kept`, by ids;
    `reduced` says which of the known were paid a share alone.
    """

    statuses: list[int]
    experiences: list[int]
    levels: list[int]
    balances_minor: list[int]
    refused_statuses: list[int]
    known: dict[UUID, Known]
    kept: dict[bytes, Kept]
    reduced: AbstractSet[UUID] = frozenset()


_JUDGED = """
SELECT * FROM gameplay.claim($1, $2, $3, $4::text::integer[], $5::text::integer[], $6::text::integer[],
    $7::text::bigint[], $8::text::bigint[], $9::text, $10, $11::boolean, $12, $13, $14::text::integer[], $15, $16, $17,
    $18::text::integer[], $19::text::bigint[], $20::text::integer[], $21::text::bigint[], $22::text::bigint[],
    $23::text::bigint[], $24::text::bigint[], $25::text::bigint[], $26::text::bigint[], $27, $28, $29, $30, $31, $32)"""
_WITH_REDUCED = """
SELECT *, CASE WHEN known_ids <> '{}' THEN gameplay.reduced_among(known_ids) ELSE '{}' END AS reduced_ids FROM judged"""

_CLAIM = f"WITH judged AS MATERIALIZED ({_JUDGED}) {_WITH_REDUCED}"

_CLAIM_REDUCED = f"""
WITH judged AS MATERIALIZED ({_JUDGED}), marked AS (
    INSERT INTO gameplay.reduced (transfer_id)
    SELECT claim.id FROM judged, unnest($1::uuid[], judged.statuses, $33::bool[]) AS claim (id, status, is_reduced)
    WHERE claim.status = 0 AND claim.is_reduced
) {_WITH_REDUCED}"""  # noqa: S608


async def claim(tx: Tx, batch: Batch) -> Judged:
    """Carries out a batch whole, events included, in one round trip; it is a transaction of its own if `tx` is none.

    Raises: CheckViolation where it cannot decide item by item; UniqueViolation when another
    transaction claimed some of the same meanwhile. Then nothing is done.
    """
    marks = [batch.reduced] if any(batch.reduced) else []
    row = await tx.fetchrow(
        _CLAIM_REDUCED if marks else _CLAIM,
        batch.ids,
        batch.references,
        ",".join(batch.collectible_ids),
        numbers(batch.player_at),
        numbers(batch.wallet_at),
        numbers(batch.payer_at),
        numbers(batch.amounts_minor),
        numbers(batch.gains),
        batch.events,
        batch.placed,
        batch.alone,
        batch.refused_ids,
        batch.refused_references,
        numbers(batch.refused_player_at),
        batch.refused_codes,
        batch.refused_bodies,
        batch.players,
        numbers(batch.days),
        numbers(batch.gained),
        numbers(batch.claimed),
        numbers(batch.gears),
        numbers(batch.worn_at),
        numbers(batch.accounts),
        numbers(batch.paid_minor),
        numbers(batch.received_minor),
        batch.levels,
        batch.daily_cap,
        TransferCode.COLLECT,
        _TOPICS,
        batch.level_event,
        batch.event_id,
        batch.at,
        *marks,
    )
    known: dict[UUID, Known] = {}
    kept: dict[bytes, Kept] = {}
    if row["known_ids"]:
        columns = ("known_ids", "known_refs", "known_owners", "known_amounts", "known_balances", "known_memos")
        known = {fields[0]: Known(*fields) for fields in zip(*(row[column] for column in columns), strict=True)}
    if row["kept_ids"]:
        rest = zip(row["kept_digests"], row["kept_codes"], row["kept_bodies"], strict=True)
        kept = {claim_id: Kept(*fields) for claim_id, fields in zip(row["kept_ids"], rest, strict=True)}
    return Judged(
        statuses=row["statuses"],
        experiences=row["experiences"],
        levels=row["reached"],
        balances_minor=row["balances"],
        refused_statuses=row["r_statuses"],
        known=known,
        kept=kept,
        reduced=frozenset(row["reduced_ids"]),
    )


_KEEP_REDUCED = "INSERT INTO gameplay.reduced (transfer_id) SELECT unnest($1::uuid[])"


async def keep_reduced(tx: Tx, ids: Sequence[UUID]) -> None:
    """Remembers which transfers of this transaction paid a share alone. One round trip, none without any."""
    if ids:
        await tx.execute(_KEEP_REDUCED, ids)


_REDUCED = "SELECT gameplay.reduced_among($1::uuid[])"


async def reduced(tx: Tx, ids: Sequence[UUID]) -> set[UUID]:
    """Which transfers paid a share alone. One round trip."""
    return set(await tx.fetchval(_REDUCED, ids))


_MARK = UUID(int=2**128 - 1)


def level_event(outbox: EncodingOutbox, *, at: datetime) -> str:
    """The encoded event of a level that was reached, as a format of PostgreSQL: its id, player, level, the one before
    and experience are left open, in the order `%1$s` to `%5$s`.
    """
    marked = LevelReached(player_id=_MARK, level=-2, level_before=-3, experience=-4)
    [raw] = outbox.encoded([marked], at=at)
    text = raw.decode().replace("%", "%%").replace(str(_MARK), "%2$s")
    id_first = re.sub(r'"id":"[^"]*"', '"id":"%1$s"', text, count=1)
    for place, mark in enumerate(("-2", "-3", "-4"), 3):
        id_first = id_first.replace(f":{mark}", f":%{place}$s")
    return id_first


_MAKE_PLAYERS = """
INSERT INTO gameplay.player (id)
SELECT id FROM unnest($1::uuid[]) AS new (id) ORDER BY id
ON CONFLICT (id) DO NOTHING"""


async def make_players(tx: Tx, ids: Sequence[UUID]) -> None:
    """Makes the players who are missing, in id order. One round trip."""
    await tx.execute(_MAKE_PLAYERS, ids)


_KNOWN = "SELECT id, reference, owner_id, amount, balance, memo FROM ledger.known($1::uuid[])"


async def known(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """The transfers that were made under claims' ids before. One round trip."""
    return {row["id"]: Known(*row) for row in await tx.fetch(_KNOWN, ids)}


_KEEP_VALUE = "INSERT INTO gameplay.secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_VALUE = "SELECT value FROM gameplay.secret WHERE name = $1"


async def secret(tx: Tx, name: str, *, otherwise: bytes) -> bytes:
    """The secret of a name, shared by all servers on this database; `otherwise` becomes it when there is none yet.

    Two round trips.
    """
    await tx.execute(_KEEP_VALUE, name, otherwise)
    value: bytes = await tx.fetchval(_VALUE, name)
    return value


_WAITS = """
SELECT player_id, type, until FROM gameplay.wait
WHERE player_id = ANY($1::uuid[]) AND type = ANY($2::text[])"""


async def waits(tx: Tx, player_ids: Collection[UUID], types: Collection[str]) -> dict[Wait, int]:
    """Until when (us) players may not take another of some types; the caller holds their locks. One round trip."""
    rows = await tx.fetch(_WAITS, list(player_ids), list(types))
    return {(row["player_id"], row["type"]): to_us(row["until"]) for row in rows}


_WAIT = """
INSERT INTO gameplay.wait (player_id, type, until)
SELECT player_id, type, until FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (player_id, type, until)
ORDER BY player_id, type
ON CONFLICT (player_id, type) DO UPDATE SET until = excluded.until"""


async def wait(tx: Tx, begun: Mapping[Wait, int]) -> None:
    """Lets players wait until an instant (us) for the next of a type; the caller holds their locks. One round trip."""
    player_ids, types = map(list, zip(*begun, strict=True))
    await tx.execute(_WAIT, player_ids, types, [from_us(until_us) for until_us in begun.values()])


_PLACE = """
INSERT INTO gameplay.placed (
    collectible_id, lat_deg, lng_deg, type, value_minor, currency, experience, mode, opens_at, closes_at, payer_id,
    placed_by, placed_at
)
SELECT new.*, $12, $13 FROM unnest(
    $1::bytea[], $2::double precision[], $3::double precision[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
    $8::text[], $9::timestamptz[], $10::timestamptz[], $11::uuid[]
) AS new
ORDER BY 1
ON CONFLICT (collectible_id) DO NOTHING"""


async def place(tx: Tx, placements: Sequence[Placement], *, by: UUID, at: datetime) -> int:
    """Writes placements and gives how many were new; a key that there is keeps its row. One round trip."""
    columns = zip(*(astuple(one)[:-1] for one in placements), strict=True)
    return int((await tx.execute(_PLACE, *map(list, columns), by, at)).rpartition(" ")[2])


_PLACED = """
SELECT collectible_id AS key, lat_deg, lng_deg, type, value_minor, currency, experience, mode, opens_at, closes_at,
    payer_id, withdrawn_at
FROM gameplay.placed"""
_OF_KEYS = f"{_PLACED} WHERE collectible_id = ANY($1::bytea[])"
_LIVE = f"""{_PLACED}
WHERE withdrawn_at IS NULL AND (closes_at, collectible_id) > ($1, $2)
ORDER BY closes_at, collectible_id LIMIT $3"""


async def placed(tx: Tx, keys: Sequence[bytes]) -> list[Placement]:
    """The placements of some keys, in no order; unknown keys are left out. One round trip."""
    return [_placement(row) for row in await tx.fetch(_OF_KEYS, list(keys))]


async def live(tx: Tx, *, after: tuple[datetime, bytes], limit: int) -> list[Placement]:
    """Placements that nobody withdrew, by the time they close, beyond an instant and a key. One round trip."""
    return [_placement(row) for row in await tx.fetch(_LIVE, *after, limit)]


_PAYING = """
SELECT currency, count(*) AS placed FROM gameplay.placed
WHERE withdrawn_at IS NULL AND closes_at > $2 AND currency = ANY($1::text[])
GROUP BY currency"""


async def paying(tx: Tx, currencies: Sequence[str], *, at: datetime) -> dict[str, int]:
    """How many placements that nobody withdrew and that close later pay in some currencies. One round trip."""
    return {row["currency"]: row["placed"] for row in await tx.fetch(_PAYING, list(currencies), at)}


_WITHDRAW = """
UPDATE gameplay.placed SET withdrawn_at = $2 WHERE collectible_id = $1 AND withdrawn_at IS NULL RETURNING 1"""


async def withdraw(tx: Tx, key: bytes, *, at: datetime) -> bool:
    """Withdraws a placement; False when that was done before or there is none. One round trip."""
    return await tx.fetchval(_WITHDRAW, key, at) is not None


_WITHDRAWN = """
SELECT collectible_id, withdrawn_at FROM gameplay.placed
WHERE collectible_id = ANY($1::bytea[]) AND withdrawn_at IS NOT NULL"""


async def withdrawn(tx: Tx, keys: Sequence[bytes]) -> dict[bytes, datetime]:
    """Which of some placements somebody has withdrawn, and when. One round trip."""
    return {row["collectible_id"]: row["withdrawn_at"] for row in await tx.fetch(_WITHDRAWN, list(keys))}


def _placement(row: Any) -> Placement:
    return Placement(**{**row, "mode": Mode(row["mode"])})
