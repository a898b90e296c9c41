"""What is paid: a member's bonus on top, multiplied by what the player carries, and how much of that to whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from overworld.domains.gameplay.types import WHOLE_BP, Worn
from overworld.kernel.money import AMOUNT_MINOR_MAX


def paid_minor(value_minor: int, memberships: Iterable[str], bonuses: Mapping[str, tuple[int, int]]) -> int:
    """What a collectible pays to who has some memberships: the one with the largest bonus counts, parts are dropped.

    Never more than one transfer can move.
    """
    shares = [bonuses[name] for name in memberships if name in bonuses]
    bonus_minor = max((value_minor * part // whole for part, whole in shares), default=0)
    return min(value_minor + bonus_minor, AMOUNT_MINOR_MAX) if bonus_minor else value_minor


def multiplied(bare_minor: int, worn: Worn) -> int:
    """What a claim pays to who carries something, parts dropped: at least 1, at most what one transfer can move."""
    paid = bare_minor * worn.tool_bp * worn.boost_bp // (WHOLE_BP * WHOLE_BP)
    return min(max(paid, 1), AMOUNT_MINOR_MAX)


def share_bp_of(share: float) -> int:
    """A share as parts of 10,000, at least one."""
    return max(1, round(share * WHOLE_BP))


def shared_minor(whole_minor: int, share_bp: int) -> int:
    """A share of an amount, parts dropped: of something never nothing."""
    return max(1, whole_minor * share_bp // WHOLE_BP) if whole_minor else 0
