"""The tables of trust. Every function is one round trip unless it says otherwise."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.trust.tracks import Walked
from overworld.domains.trust.types import Evidence, Kind, PlayerState
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx
from overworld.kernel.standing import Gate, Standing

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PlayerState).decode
_figures = msgspec.json.Decoder(dict[str, float]).decode
_ACCOUNTS_READ_MAX = 64


class Decided(Struct, frozen=True):
    """A gate that staff set, until when, and what the player is told."""

    gate: Gate
    until: datetime
    note: str


class Row(Struct, kw_only=True):
    """A player's row, as it is changed under its lock."""

    id: UUID
    state: PlayerState
    score: float = 1.0
    gate: Gate = Gate.NORMAL
    gate_since: datetime | None = None
    told_score: float = 1.0
    next_at: datetime | None = None
    decided: Decided | None = None


_COLUMNS = "id, state, score, gate, gate_since, told_score, next_at, decided_gate, decided_until, decided_note"
_LOCK = f"SELECT {_COLUMNS} FROM trust.player WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608
_MAKE = """
INSERT INTO trust.player (id) SELECT id FROM unnest($1::uuid[]) AS new (id) ORDER BY id ON CONFLICT (id) DO NOTHING"""


async def lock(tx: Tx, player_ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The rows of players, made where missing, locked in id order. Three round trips when there are new players."""
    wanted = sorted(set(player_ids))
    if not wanted:
        return {}
    rows = {row["id"]: _row(row) for row in await tx.fetch(_LOCK, wanted)}
    if missing := [player_id for player_id in wanted if player_id not in rows]:
        await tx.execute(_MAKE, missing)
        rows |= {row["id"]: _row(row) for row in await tx.fetch(_LOCK, missing)}
    return rows


_ONE = f"SELECT {_COLUMNS} FROM trust.player WHERE id = $1"  # noqa: S608


async def read(tx: Tx, player_id: UUID) -> Row:
    """A player's row without a lock; that of somebody of whom nothing is known when there is none."""
    row = await tx.fetchrow(_ONE, player_id)
    return Row(id=player_id, state=PlayerState()) if row is None else _row(row)


_DUE = f"""
SELECT {_COLUMNS} FROM trust.player WHERE next_at <= $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"""  # noqa: S608


async def lock_due(tx: Tx, at: datetime, *, rows_max: int) -> list[Row]:
    """Players whose gate may change by itself by now and whom nobody else holds."""
    return [_row(row) for row in await tx.fetch(_DUE, at, rows_max)]


_WRITE = """
UPDATE trust.player AS had
SET state = new.state, score = new.score, gate = new.gate, gate_since = new.gate_since, told_score = new.told_score,
    next_at = new.next_at, decided_gate = new.decided_gate, decided_until = new.decided_until,
    decided_note = new.decided_note
FROM unnest(
    $1::uuid[], $2::bytea[], $3::double precision[], $4::text[], $5::timestamptz[], $6::double precision[],
    $7::timestamptz[], $8::text[], $9::timestamptz[], $10::text[]
) AS new (id, state, score, gate, gate_since, told_score, next_at, decided_gate, decided_until, decided_note)
WHERE had.id = new.id"""


async def write(tx: Tx, rows: Sequence[Row]) -> None:
    """Writes rows that are locked."""
    if not rows:
        return
    decided = [row.decided for row in rows]
    await tx.execute(
        _WRITE,
        [row.id for row in rows],
        [_encode(row.state) for row in rows],
        [row.score for row in rows],
        [row.gate.value for row in rows],
        [row.gate_since for row in rows],
        [row.told_score for row in rows],
        [row.next_at for row in rows],
        [None if one is None else one.gate.value for one in decided],
        [None if one is None else one.until for one in decided],
        [None if one is None else one.note for one in decided],
    )


_STANDINGS = "SELECT id, score, gate FROM trust.player WHERE id = ANY($1::uuid[])"


async def standings(tx: Tx, player_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Where players stand; who is absent was never suspected."""
    rows = await tx.fetch(_STANDINGS, list(player_ids))
    return {row["id"]: Standing(row["score"], Gate(row["gate"])) for row in rows}


_ADD_EVIDENCE = """
INSERT INTO trust.evidence
    (id, player_id, kind, at, began_at, ended_at, weight, half_life_s, reason, figures, model)
SELECT id, player_id, kind, at, began_at, ended_at, weight, half_life_s, reason, figures::jsonb, $11
FROM unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[],
    $7::double precision[], $8::double precision[], $9::text[], $10::text[]
) AS new (id, player_id, kind, at, began_at, ended_at, weight, half_life_s, reason, figures)"""


async def add_evidence(tx: Tx, ids: Sequence[UUID], found: Sequence[Evidence], *, model: int) -> None:
    """Adds evidence; `ids` are aligned with it and grow. `model` is the version of the anomaly model."""
    if not found:
        return
    await tx.execute(
        _ADD_EVIDENCE,
        ids,
        [one.player_id for one in found],
        [one.kind.value for one in found],
        [from_us(one.at_us) for one in found],
        [from_us(one.began_us) for one in found],
        [from_us(one.ended_us) for one in found],
        [one.weight for one in found],
        [one.half_life_s for one in found],
        [one.reason for one in found],
        [msgspec.json.encode(one.figures).decode() for one in found],
        model,
    )


class KeptEvidence(Struct, frozen=True):
    """Evidence as it is kept, with its id and the version of the model beside."""

    id: UUID
    evidence: Evidence
    model: int


_EVIDENCE = """
SELECT id, player_id, kind, at, began_at, ended_at, weight, half_life_s, reason, figures::text AS figures, model
FROM trust.evidence WHERE player_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"""


async def evidence(tx: Tx, player_id: UUID, *, before: UUID | None, limit: int) -> list[KeptEvidence]:
    """What speaks against a player, newest first."""
    rows = await tx.fetch(_EVIDENCE, player_id, before, limit)
    return [KeptEvidence(row["id"], _evidence(row), row["model"]) for row in rows]


def _evidence(row: Any) -> Evidence:
    return Evidence(
        player_id=row["player_id"],
        kind=Kind(row["kind"]),
        at_us=to_us(row["at"]),
        began_us=to_us(row["began_at"]),
        ended_us=to_us(row["ended_at"]),
        weight=row["weight"],
        half_life_s=row["half_life_s"],
        reason=row["reason"],
        figures=_figures(row["figures"]),
    )


_SHINGLES = "SELECT hash, player_id, walked_at, at FROM trust.shingle WHERE hash = ANY($1::bigint[])"
_ADD_SHINGLES = """
INSERT INTO trust.shingle (hash, player_id, walked_at, at)
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
ON CONFLICT (hash) DO NOTHING"""


async def shingles(tx: Tx, hashes: Sequence[int]) -> dict[int, Walked]:
    """Who walked stretches first."""
    if not hashes:
        return {}
    rows = await tx.fetch(_SHINGLES, hashes)
    return {row["hash"]: Walked(row["player_id"], to_us(row["walked_at"]), to_us(row["at"])) for row in rows}


async def add_shingles(tx: Tx, new: Mapping[int, Walked]) -> None:
    """Keeps who walked stretches first."""
    if not new:
        return
    rows = sorted(new.items())
    await tx.execute(
        _ADD_SHINGLES,
        [shingle for shingle, _ in rows],
        [walked.player_id for _, walked in rows],
        [from_us(walked.at_us) for _, walked in rows],
        [from_us(walked.told_us) for _, walked in rows],
    )


_DEVICES = f"""
SELECT asked.place, known.player_id FROM unnest($1::bytea[]) AS asked (place)
CROSS JOIN LATERAL (
    SELECT player_id FROM trust.device WHERE place = asked.place ORDER BY player_id LIMIT {_ACCOUNTS_READ_MAX}
) AS known"""  # noqa: S608 - a constant
_ADD_DEVICES = """
INSERT INTO trust.device (place, player_id, at) SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::timestamptz[])
ON CONFLICT (place, player_id) DO UPDATE SET at = excluded.at"""


async def devices(tx: Tx, places: Collection[bytes]) -> dict[bytes, list[UUID]]:
    """The accounts that signed in from places, some of them where there are very many."""
    found: dict[bytes, list[UUID]] = {}
    if places:
        for row in await tx.fetch(_DEVICES, sorted(places)):
            found.setdefault(row["place"], []).append(row["player_id"])
    return found


async def add_devices(tx: Tx, seen: Mapping[tuple[bytes, UUID], int]) -> None:
    """Keeps who signed in from where, and when last."""
    if not seen:
        return
    rows = sorted(seen.items())
    await tx.execute(
        _ADD_DEVICES,
        [place for (place, _), _ in rows],
        [player_id for (_, player_id), _ in rows],
        [from_us(at_us) for _, at_us in rows],
    )


_MODEL = "SELECT seen FROM trust.model WHERE version = $1 FOR UPDATE"
_MODEL_STATE = "SELECT state FROM trust.model WHERE version = $1"
_SAVE_MODEL = """
INSERT INTO trust.model (version, seen, state, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (version) DO UPDATE SET seen = excluded.seen, state = excluded.state, at = excluded.at"""


async def model_seen(tx: Tx, version: int) -> int:
    """How many windows the model as it is kept has learned, 0 when there is none yet. Locks it."""
    return await tx.fetchval(_MODEL, version) or 0


async def model_state(tx: Tx, version: int) -> bytes:
    """The model as it is kept."""
    state: bytes = await tx.fetchval(_MODEL_STATE, version)
    return state


async def save_model(tx: Tx, version: int, *, seen: int, state: bytes, at: datetime) -> None:
    """Keeps the model as it is now."""
    await tx.execute(_SAVE_MODEL, version, seen, state, at)


_FORGET: dict[str, str] = {
    table: f"""
DELETE FROM trust.{table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM trust.{table} WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))"""  # noqa: S608
    for table in ("evidence", "shingle", "device")
}


async def forget(tx: Tx, table: str, before: datetime, *, rows_max: int) -> int:
    """Drops old rows of `evidence`, `shingle` or `device`; gives how many."""
    return int((await tx.execute(_FORGET[table], before, rows_max)).rpartition(" ")[2])


_COUNTS = "SELECT gate, count(*) AS players FROM trust.player WHERE gate <> 'normal' GROUP BY gate"


async def counts(tx: Tx) -> dict[Gate, int]:
    """How many players stand at each gate but the normal one."""
    return {Gate(row["gate"]): row["players"] for row in await tx.fetch(_COUNTS)}


def _row(row: Any) -> Row:
    decided = row["decided_gate"]
    return Row(
        id=row["id"],
        state=PlayerState() if row["state"] is None else _decode(row["state"]),
        score=row["score"],
        gate=Gate(row["gate"]),
        gate_since=row["gate_since"],
        told_score=row["told_score"],
        next_at=row["next_at"],
        decided=None if decided is None else Decided(Gate(decided), row["decided_until"], row["decided_note"] or ""),
    )
