"""Rows as staff and players read them."""

from __future__ import annotations

from typing import cast

from overworld.domains.trust.desk_store import AppealRow, DecisionRow, SuspectRow
from overworld.domains.trust.messages import AppealSeen, Decision, DecisionSeen, EvidenceSeen, Suspect
from overworld.domains.trust.store import KeptEvidence
from overworld.kernel.clock import from_us


def appeal_seen(row: AppealRow) -> AppealSeen:
    """An appeal."""
    return AppealSeen(id=row.id, text=row.text, at=row.at, answered_at=row.answered_at, answer=row.answer)


def decision_seen(row: DecisionRow) -> DecisionSeen:
    """A decision."""
    return DecisionSeen(
        id=row.id,
        decision=cast(Decision, row.decision),
        gate=row.gate,
        until=row.until,
        note=row.note,
        by=row.by_id,
        at=row.at,
    )


def evidence_seen(kept: KeptEvidence) -> EvidenceSeen:
    """A piece of evidence."""
    one = kept.evidence
    return EvidenceSeen(
        id=kept.id,
        kind=one.kind,
        at=from_us(one.at_us),
        began_at=from_us(one.began_us),
        ended_at=from_us(one.ended_us),
        weight=one.weight,
        half_life_s=one.half_life_s,
        reason=one.reason,
        figures=one.figures,
        model=kept.model,
    )


def suspect(row: SuspectRow) -> Suspect:
    """A line of the queue."""
    return Suspect(
        player_id=row.player_id,
        score=row.score,
        gate=row.gate,
        gate_since=row.gate_since,
        appealed_at=row.appealed_at,
    )
