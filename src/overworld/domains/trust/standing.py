"""What becomes of a player's row when their state has changed: score, gate in force, when it changes next."""

from __future__ import annotations

from datetime import datetime

from overworld.domains.trust import scoring
from overworld.domains.trust.messages import TrustChanged
from overworld.domains.trust.store import Row
from overworld.domains.trust.types import TrustRules
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.standing import Gate

TOLD_FROM = 0.05
"""A score that moved by less is not told; what others decide by it does not ask for more."""


def settle(row: Row, at: datetime, rules: TrustRules) -> TrustChanged | None:
    """Works a row out anew as of an instant; the event when somebody should hear of it."""
    at_us = to_us(at)
    if row.decided is not None and row.decided.until <= at:
        row.decided = None
    row.state.gate = scoring.gate_at(row.state, at_us, rules)
    row.score = scoring.score_at(row.state, at_us, rules)
    before, row.gate = row.gate, row.state.gate if row.decided is None else row.decided.gate
    if row.gate is not before:
        row.gate_since = None if row.gate is Gate.NORMAL else at
    opens_us = scoring.opens_us(row.state, at_us, rules)
    changes = [] if opens_us is None else [from_us(opens_us)]
    if row.decided is not None:
        changes.append(row.decided.until)
    row.next_at = min(changes, default=None)
    if row.gate is before and abs(row.score - row.told_score) < TOLD_FROM:
        return None
    row.told_score = row.score
    return TrustChanged(player_id=row.id, score=row.score, gate=row.gate, gate_before=before)


def ends_at(row: Row, at: datetime, rules: TrustRules) -> datetime | None:
    """When the gate is normal again if nothing more happens; None when it is."""
    if row.gate is Gate.NORMAL:
        return None
    normal_us = scoring.normal_us(row.state, to_us(at), rules)
    ends = [] if normal_us is None else [from_us(normal_us)]
    if row.decided is not None:
        ends.append(row.decided.until)
    return max(ends, default=None)
