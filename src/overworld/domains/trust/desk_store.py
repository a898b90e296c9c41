"""The tables of decisions and appeals, and the queue of staff. Every function is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.kernel.standing import Gate


class DecisionRow(Struct, frozen=True, kw_only=True):
    """A decision as it is kept."""

    id: UUID
    player_id: UUID
    decision: str
    gate: Gate | None
    until: datetime | None
    note: str
    by_id: UUID
    at: datetime


class AppealRow(Struct, frozen=True, kw_only=True):
    """An appeal as it is kept, with the words of the decision that answered it."""

    id: UUID
    text: str
    at: datetime
    answered_at: datetime | None
    answer: str | None


class SuspectRow(Struct, frozen=True, kw_only=True):
    """A line of the queue; `since` is what it is sorted by."""

    player_id: UUID
    score: float
    gate: Gate
    gate_since: datetime | None
    appealed_at: datetime | None
    since: datetime


_ADD_DECISION = """
INSERT INTO trust.decision (id, player_id, decision, gate, until, note, by_id, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""
_ANSWER = """
UPDATE trust.appeal SET answered_at = $2, decision_id = $3 WHERE player_id = $1 AND answered_at IS NULL"""


async def decide(tx: Tx, row: DecisionRow) -> None:
    """Keeps a decision, and answers the player's open appeal by it; two round trips. Holds the player's lock."""
    gate = None if row.gate is None else row.gate.value
    await tx.execute(_ADD_DECISION, row.id, row.player_id, row.decision, gate, row.until, row.note, row.by_id, row.at)
    await tx.execute(_ANSWER, row.player_id, row.at, row.id)


_ADD_APPEAL = """
INSERT INTO trust.appeal (id, player_id, text, gate, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (player_id) WHERE answered_at IS NULL DO NOTHING RETURNING true"""


async def add_appeal(tx: Tx, id: UUID, player_id: UUID, *, text: str, gate: Gate, at: datetime) -> bool:
    """Keeps an appeal; False when another one of the player's is open."""
    return bool(await tx.fetchval(_ADD_APPEAL, id, player_id, text, gate.value, at))


_APPEALS = """
SELECT appeal.id, text, appeal.at, answered_at, note AS answer
FROM trust.appeal LEFT JOIN trust.decision ON decision.id = decision_id
WHERE appeal.player_id = $1 ORDER BY appeal.id DESC LIMIT $2"""


async def appeals(tx: Tx, player_id: UUID, *, limit: int) -> list[AppealRow]:
    """A player's appeals, newest first."""
    return [AppealRow(**dict(row)) for row in await tx.fetch(_APPEALS, player_id, limit)]


_DECISIONS = """
SELECT id, player_id, decision, gate, until, note, by_id, at
FROM trust.decision WHERE player_id = $1 ORDER BY id DESC LIMIT $2"""


async def decisions(tx: Tx, player_id: UUID, *, limit: int) -> list[DecisionRow]:
    """What was decided about a player, newest first."""
    return [_decision(row) for row in await tx.fetch(_DECISIONS, player_id, limit)]


_QUEUE = """
SELECT player.id AS player_id, score, player.gate, gate_since, appeal.at AS appealed_at,
    coalesce(gate_since, appeal.at) AS since
FROM trust.player
LEFT JOIN trust.appeal ON appeal.player_id = player.id AND appeal.answered_at IS NULL
WHERE (player.gate <> 'normal' OR appeal.id IS NOT NULL)
  AND ($1::text IS NULL OR player.gate = $1)
  AND (NOT $2::boolean OR appeal.id IS NOT NULL)
  AND ($3::timestamptz IS NULL OR (coalesce(gate_since, appeal.at), player.id) > ($3, $4::uuid))
ORDER BY since, player.id LIMIT $5"""


async def queue(
    tx: Tx, *, gate: Gate | None, appealed: bool, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[SuspectRow]:
    """Who waits for a look: players at a gate, or at any but the normal one, and who appealed; longest first."""
    since, player_id = after or (None, None)
    rows = await tx.fetch(_QUEUE, None if gate is None else gate.value, appealed, since, player_id, limit)
    return [
        SuspectRow(
            player_id=row["player_id"],
            score=row["score"],
            gate=Gate(row["gate"]),
            gate_since=row["gate_since"],
            appealed_at=row["appealed_at"],
            since=row["since"],
        )
        for row in rows
    ]


def _decision(row: Any) -> DecisionRow:
    return DecisionRow(
        id=row["id"],
        player_id=row["player_id"],
        decision=row["decision"],
        gate=None if row["gate"] is None else Gate(row["gate"]),
        until=row["until"],
        note=row["note"],
        by_id=row["by_id"],
        at=row["at"],
    )
