"""Who gets what: pure decisions over claims, in the documented order of refusals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.gameplay.errors import (
    AlreadyCollected,
    CapReached,
    Expired,
    NotFound,
    OutOfReach,
    StalePosition,
)
from overworld.domains.gameplay.types import (
    EXPERIENCE_MAX,
    CollectibleRules,
    CollectibleType,
    Kind,
    Player,
    ProgressionRules,
    Spawn,
    SpawnTable,
)
from overworld.geo import sphere
from overworld.kernel.clock import from_us, rfc3339
from overworld.kernel.money import Currency
from overworld.kernel.refusals import Refusal

Taking = tuple[bytes, UUID]


class Stand(NamedTuple):
    """Where a player's last accepted fix lies, and when the server took it."""

    lat_deg: float
    lng_deg: float
    at_us: int


class Attempt(Struct, frozen=True):
    """A claim that nothing speaks against but the player's day and other takers."""

    player_id: UUID
    spawn: Spawn

    @property
    def taking(self) -> Taking:
        """What is taken if it wins."""
        return self.spawn.taking(self.player_id)


class Win(Struct, frozen=True, kw_only=True):
    """A claim that won, and its player's progress after it."""

    player_id: UUID
    spawn: Spawn
    experience: int
    level: int
    level_before: int

    @property
    def taking(self) -> Taking:
        """What it took."""
        return self.spawn.taking(self.player_id)


class Decision(Struct, frozen=True):
    """The outcomes, aligned with the attempts, and the players as they are after all of them."""

    outcomes: list[Win | Refusal]
    players: dict[UUID, Player]

    @property
    def wins(self) -> list[Win]:
        """The claims that won, in the order of the attempts."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, Win)]


def spawn_table(
    rules: CollectibleRules, progression: ProgressionRules, currencies: Mapping[str, Currency]
) -> SpawnTable:
    """The table of a checked definition; types go by name, so their order in the file changes no spawn.

    Raises: KeyError for a currency that is not there; ValueError for a value that its currency cannot express.
    """
    types = sorted(rules.types.items())
    return SpawnTable(
        cell_level=rules.cell_level,
        window_s=rules.window_s,
        mean_per_cell=rules.mean_per_cell,
        kinds=tuple(_kind(name, declared, currencies[declared.currency], progression) for name, declared in types),
        weights=tuple(declared.weight for _, declared in types),
    )


def _kind(name: str, declared: CollectibleType, currency: Currency, progression: ProgressionRules) -> Kind:
    value_minor = currency.parse(declared.value)
    return Kind(
        type=name,
        value_minor=value_minor,
        currency=currency,
        experience=value_minor * progression.experience_per_unit // 10**currency.scale,
        mode=declared.mode,
    )


def level_of(experience: int, levels: Sequence[int]) -> int:
    """The level of a total of experience; `levels` are the totals at which level 2, 3, ... begin."""
    return bisect_right(levels, experience) + 1


def attempted(
    player_id: UUID, spawn: Spawn, *, stand: Stand | None, now_us: int, rules: CollectibleRules, age_max_s: int
) -> Attempt | Refusal:
    """What a claim comes to before the player's day and other takers are looked at.

    `stand` is None when the player's place is unknown. Refused are, in this order: NotFound, Expired, StalePosition,
    OutOfReach.
    """
    distance_m, fix_age_us = None, 0
    if stand is not None:
        distance_m = sphere.distance_between_m(stand.lat_deg, stand.lng_deg, spawn.lat_deg, spawn.lng_deg)
        fix_age_us = now_us - stand.at_us
    try:
        refuse_closed(spawn, now_us=now_us)
        refuse_far(spawn, distance_m=distance_m, fix_age_us=fix_age_us, rules=rules, age_max_s=age_max_s)
    except Refusal as refusal:
        return refusal
    return Attempt(player_id, spawn)


def refuse_closed(spawn: Spawn, *, now_us: int) -> None:
    """Refuses a collectible outside its window; before it opens nobody may learn that it will.

    Raises: NotFound, Expired.
    """
    if now_us < spawn.opens_us:
        raise NotFound
    if now_us >= spawn.closes_us:
        raise Expired(collectible_id=spawn.id, expired_at=rfc3339(from_us(spawn.closes_us)))


def refuse_far(
    spawn: Spawn, *, distance_m: float | None, fix_age_us: int, rules: CollectibleRules, age_max_s: int
) -> None:
    """Refuses a claim from elsewhere; `distance_m` is None when the player's place is unknown.

    Raises: StalePosition, OutOfReach.
    """
    if distance_m is None or fix_age_us > age_max_s * 1_000_000:
        raise StalePosition(collectible_id=spawn.id, age_max_s=age_max_s)
    if not distance_m <= rules.reach_m:
        raise OutOfReach(collectible_id=spawn.id, reach_m=rules.reach_m, distance_m=distance_m)


def decide(
    attempts: Sequence[Attempt | Refusal],
    *,
    players: Mapping[UUID, Player],
    taken: AbstractSet[Taking],
    today: date,
    daily_cap: int,
    levels: Sequence[int],
) -> Decision:
    """Goes through the attempts one by one, as if each were alone; refusals given stay as they are.

    `players` holds every player of an attempt; `taken` what others have. A player whose row is a day ahead (another
    server's clock) stays on that day.
    """
    now = dict(players)
    gone = set(taken)
    outcomes: list[Win | Refusal] = []
    for attempt in attempts:
        if isinstance(attempt, Refusal):
            outcomes.append(attempt)
            continue
        player = _on_day(now[attempt.player_id], today)
        if player.collected_on_day >= daily_cap:
            outcomes.append(CapReached(collectible_id=attempt.spawn.id, daily_cap=daily_cap))
        elif attempt.taking in gone:
            outcomes.append(AlreadyCollected(collectible_id=attempt.spawn.id))
        else:
            gone.add(attempt.taking)
            now[player.id] = credited(player, attempt.spawn.kind.experience, levels)
            outcomes.append(_win(attempt, before=player, after=now[player.id]))
    return Decision(outcomes, {player.id: player for player in now.values() if player is not players[player.id]})


def _on_day(player: Player, today: date) -> Player:
    return player if player.day >= today else replace(player, day=today, collected_on_day=0)


def credited(player: Player, experience: int, levels: Sequence[int]) -> Player:
    """The player after one more collectible; a level once reached stays."""
    total = min(player.experience + experience, EXPERIENCE_MAX)
    return replace(
        player,
        experience=total,
        level=max(player.level, level_of(total, levels)),
        collected_on_day=player.collected_on_day + 1,
    )


def _win(attempt: Attempt, *, before: Player, after: Player) -> Win:
    return Win(
        player_id=attempt.player_id,
        spawn=attempt.spawn,
        experience=after.experience,
        level=after.level,
        level_before=before.level,
    )
