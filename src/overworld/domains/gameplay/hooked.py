"""Claims as a game's own rule sees them, many at once, and what its verdicts make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import fields, replace
from numpy.typing import NDArray

from overworld.domains.gameplay.errors import RefusedByRule, RuleFailed
from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.rules import Attempt, Claimants
from overworld.domains.gameplay.spawns import is_placed
from overworld.geo.sphere import distance_between_m
from overworld.kernel.money import AMOUNT_MINOR_MAX
from overworld.kernel.refusals import Refusal

AS_IT_IS_BP = 10_000
MULTIPLIER_BP_MAX = 1_000_000


class ClaimColumns(Struct, frozen=True, kw_only=True):
    """Claims that nothing else speaks against so far, a row each, (n,); columns that nobody can write to.

    `value_minor` is what a claim would pay to empty hands, a member's bonus included, in minor units of `currency`;
    what a player carries multiplies what the rule makes of it. The place is the collectible's, `distance_m` how far the
    player is, or was, from it at `at_us`, microseconds since 1970: now, or when an action was done without a network.
    `type` and `currency` are columns of `str`, `player_id` of UUID, `memberships` of tuples of names.
    """

    player_id: NDArray[np.object_]
    type: NDArray[np.object_]
    currency: NDArray[np.object_]
    value_minor: NDArray[np.int64]
    distance_m: NDArray[np.float64]
    lat_deg: NDArray[np.float64]
    lng_deg: NDArray[np.float64]
    trust: NDArray[np.float64]
    memberships: NDArray[np.object_]
    placed: NDArray[np.bool_]
    at_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.type)

    def part(self, first: int, end: int) -> ClaimColumns:
        """The rows from one to before another."""
        return ClaimColumns(**{field.name: getattr(self, field.name)[first:end] for field in fields(self)})


Verdict = int | str | None
"""What a rule says of a claim: how many basis points of its value it pays, why it is refused, or None: it failed."""


def columns_of(rows: Sequence[tuple[Any, ...]]) -> ClaimColumns:
    """Rows in the order of the fields, as columns."""
    named: dict[str, Any] = {}
    kinds = ("O", "O", "O", "i8", "f8", "f8", "f8", "f8", "O", "?", "i8")
    names = [field.name for field in fields(ClaimColumns)]
    for name, kind, values in zip(names, kinds, zip(*rows, strict=True) if rows else [()] * len(names), strict=True):
        column = np.empty(len(values), kind)
        column[:] = values if kind != "O" else np.fromiter(values, "O", len(values))
        column.flags.writeable = False
        named[name] = column
    return ClaimColumns(**named)


def claims_seen(
    attempts: Sequence[Attempt | Refusal],
    claimants: Claimants,
    *,
    now_us: int,
    as_of: Sequence[AsOf | None] | None = None,
) -> ClaimColumns:
    """The attempts among these, as columns: from where the claimants are, or from where they were then."""
    fixes = claimants.fixes
    now = zip(fixes.lat_deg, fixes.lng_deg, [now_us] * len(attempts), strict=True)
    then = as_of or [None] * len(attempts)
    places = [(was.lat_deg, was.lng_deg, was.at_us) if was else here for here, was in zip(now, then, strict=True)]
    known = zip(attempts, claimants.memberships, places, claimants.standings, strict=True)
    return columns_of(
        [
            (
                one.player_id,
                one.spawn.kind.type,
                one.spawn.kind.currency.code,
                one.bare_minor,
                distance_between_m(lat_deg, lng_deg, one.spawn.lat_deg, one.spawn.lng_deg),
                one.spawn.lat_deg,
                one.spawn.lng_deg,
                standing.score,
                memberships,
                is_placed(one.spawn.key),
                at_us,
            )
            for one, memberships, (lat_deg, lng_deg, at_us), standing in known
            if isinstance(one, Attempt)
        ]
    )


def ruled(attempts: Sequence[Attempt | Refusal], verdicts: Sequence[Verdict]) -> list[Attempt | Refusal]:
    """The attempts as a rule has judged those that it was shown, aligned with them; refusals given stay as they are.

    Whatever a rule multiplies by, a claim that is paid pays one minor unit at least.
    """
    left = iter(verdicts)
    return [_ruled(one, next(left)) if isinstance(one, Attempt) else one for one in attempts]


def _ruled(attempt: Attempt, verdict: Verdict) -> Attempt | Refusal:
    if verdict is None:
        return RuleFailed(collectible_id=attempt.spawn.id)
    if isinstance(verdict, str):
        return RefusedByRule(collectible_id=attempt.spawn.id, reason=verdict)
    if verdict == AS_IT_IS_BP:
        return attempt
    bare_minor = attempt.bare_minor * verdict // AS_IT_IS_BP
    return replace(attempt, bare_minor=max(1, min(bare_minor, AMOUNT_MINOR_MAX)))
