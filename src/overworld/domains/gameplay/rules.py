"""Who gets what: pure decisions over claims, in the documented order of refusals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from types import MappingProxyType
from uuid import UUID

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.gameplay.amounts import multiplied, paid_minor, share_bp_of, shared_minor
from overworld.domains.gameplay.errors import (
    AlreadyCollected,
    BadPlacement,
    CapReached,
    CoolingDown,
    Expired,
    LowTrust,
    NotFound,
    OutOfReach,
    StalePosition,
)
from overworld.domains.gameplay.messages import AsOf, CollectibleToPlace
from overworld.domains.gameplay.types import (
    BARE,
    EXPERIENCE_MAX,
    WHOLE_BP,
    Biome,
    BiomeTable,
    Catalogue,
    CollectibleRules,
    Kind,
    Mode,
    Placement,
    Player,
    ProgressionRules,
    Spawn,
    SpawnTable,
    Worn,
)
from overworld.geo import cells
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import from_us, rfc3339
from overworld.kernel.money import Currency
from overworld.kernel.ports import FixColumns
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import UNSUSPECTED, Gate, Standing

Wait = tuple[UUID, str]
"""Who has to wait, and for which type."""

PLACED_BACK_MAX = timedelta(days=366)
PLACED_AHEAD_MAX = timedelta(days=1_827)
_NORMAL, _REFUSED = Gate.NORMAL, Gate.REFUSED  # asking the enum for each claim would cost a tenth of judging it
_DAY_LEVEL = 5
_DAY_CELLS = 6_144  # of that level on Earth
_DAY_US = 86_400_000_000
_US_PER_DEG = _DAY_US // 360
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Attempt(Struct, frozen=True, gc=False):
    """A claim that nothing speaks against but the player's day and other takers.

    It would pay `bare_minor` to empty hands, and counts on `day`. `at_us` is when it was made, if that was not now. Of
    what it would pay `share_bp` is paid, and when it `is_held`, not at once.
    """

    player_id: UUID
    spawn: Spawn
    bare_minor: int
    day: date
    worn: Worn = BARE
    at_us: int | None = None
    share_bp: int = WHOLE_BP
    is_held: bool = False

    @property
    def amount_minor(self) -> int:
        """What it pays with what the player carries, as far as they are trusted."""
        whole_minor = self.bare_minor if self.worn is BARE else multiplied(self.bare_minor, self.worn)
        return whole_minor if self.share_bp == WHOLE_BP else shared_minor(whole_minor, self.share_bp)

    @property
    def is_reduced(self) -> bool:
        """Whether it pays a share alone."""
        return self.share_bp != WHOLE_BP

    @property
    def reference(self) -> UUID:
        """What is taken if it wins."""
        return self.spawn.reference_for(self.player_id)


class Claimants(Struct, frozen=True, kw_only=True):
    """Who wants what, and what is known of them; aligned, (n,)."""

    player_ids: Sequence[UUID]
    memberships: Sequence[tuple[str, ...]]
    fixes: FixColumns
    standings: Sequence[Standing]
    worn: Sequence[Worn]


class Terms(Struct, frozen=True, kw_only=True):
    """What a game asks of a claim, worked out. A bonus is a share of the value: numerator and denominator."""

    reach_m: float
    age_max_s: int
    trust_min: float
    reduced_bp: int
    is_local_day: bool
    bonuses: Mapping[str, tuple[int, int]]


class Win(Struct, frozen=True, kw_only=True):
    """A claim that won, and its player's progress after it."""

    player_id: UUID
    spawn: Spawn
    amount_minor: int
    experience: int
    level: int
    level_before: int
    is_reduced: bool = False
    is_held: bool = False


class Decision(Struct, frozen=True):
    """The outcomes, aligned with the attempts, and what changes: players, and until when (us) they have to wait."""

    outcomes: list[Win | Refusal]
    players: dict[UUID, Player]
    waits: dict[Wait, int]

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
    catalogue = catalogue_of(rules, progression, currencies)
    types = sorted(rules.types.items())
    return SpawnTable(
        cell_level=rules.cell_level,
        window_s=rules.window_s,
        mean_per_cell=rules.mean_per_cell,
        kinds=tuple(_kind(name, catalogue) for name, _ in types),
        weights=tuple(declared.weight for _, declared in types),
        near_land=rules.near_land,
        biomes=tuple(_biome_table(name, biome, rules) for name, biome in sorted(rules.biomes.items(), key=_ranked)),
    )


def _ranked(named: tuple[str, Biome]) -> tuple[int, str]:
    return named[1].rank, named[0]


def _biome_table(name: str, biome: Biome, rules: CollectibleRules) -> BiomeTable:
    types = sorted(rules.types.items())
    return BiomeTable(
        name=name,
        biome=biome,
        mean_per_cell=rules.mean_per_cell if biome.mean_per_cell is None else biome.mean_per_cell,
        weights=tuple(biome.weights.get(kind, declared.weight) for kind, declared in types),
    )


def catalogue_of(
    rules: CollectibleRules, progression: ProgressionRules, currencies: Mapping[str, Currency]
) -> Catalogue:
    """What a checked definition has."""
    return Catalogue(types=rules.types, currencies=currencies, experience_per_unit=progression.experience_per_unit)


def _kind(name: str, catalogue: Catalogue) -> Kind:
    declared = catalogue.types[name]
    currency = catalogue.currencies[declared.currency]
    value_minor = currency.parse(declared.value)
    return Kind(
        type=name,
        value_minor=value_minor,
        currency=currency,
        experience=catalogue.experience_of(value_minor, currency),
        mode=declared.mode,
        cooldown_s=declared.cooldown_s,
    )


def level_of(experience: int, levels: Sequence[int]) -> int:
    """The level of a total of experience; `levels` are the totals at which level 2, 3, ... begin."""
    return bisect_right(levels, experience) + 1


def terms_of(rules: CollectibleRules, *, age_max_s: int) -> Terms:
    """The terms of a checked definition; positions older than `age_max_s` do not count."""
    return Terms(
        reach_m=rules.reach_m,
        age_max_s=age_max_s,
        trust_min=rules.trust_min,
        reduced_bp=share_bp_of(rules.reduced_share),
        is_local_day=rules.day == "local",
        bonuses={name: Decimal(share).as_integer_ratio() for name, share in rules.member_bonus.items()},
    )


def attempted(
    wanted: Sequence[Spawn | Refusal], claimants: Claimants, *, now_us: int, terms: Terms
) -> list[Attempt | Refusal]:
    """What claims come to before the players' days and other takers are looked at, aligned with them, (n,).

    Refused are, in this order: NotFound and Expired, StalePosition, LowTrust, OutOfReach; before a collectible opens
    nobody may learn that it will. Refusals given stay as they are. Gates decide how much of a reward is paid, and when.
    """
    fixes, age_max_us = claimants.fixes, terms.age_max_s * 1_000_000
    reach_m, trust_min, bonuses = terms.reach_m, terms.trust_min, terms.bonuses
    days = days_of(fixes, now_us=now_us, terms=terms)
    known = zip(
        fixes.known, fixes.lat_deg, fixes.lng_deg, fixes.at_us, claimants.standings, claimants.worn, strict=True
    )
    asked = zip(wanted, claimants.player_ids, claimants.memberships, known, days, strict=True)
    outcomes: list[Attempt | Refusal] = []
    for spawn, player_id, memberships, (has_fix, lat_deg, lng_deg, at_us, standing, worn), day in asked:
        if not isinstance(spawn, Spawn):
            outcomes.append(spawn)
        elif not spawn.opens_us <= now_us < spawn.closes_us:
            outcomes.append(_closed(spawn, now_us=now_us))
        elif not has_fix or now_us - at_us > age_max_us:
            outcomes.append(StalePosition(collectible_id=spawn.id, age_max_s=terms.age_max_s))
        elif standing is not UNSUSPECTED and (standing.gate is _REFUSED or not standing.score >= trust_min):
            outcomes.append(_distrusted(spawn, standing, trust_min))
        else:
            distance_m = distance_between_m(lat_deg, lng_deg, spawn.lat_deg, spawn.lng_deg)
            if distance_m <= reach_m:
                bare_minor = spawn.kind.value_minor
                if memberships and bonuses:
                    bare_minor = paid_minor(bare_minor, memberships, bonuses)
                attempt = Attempt(player_id, spawn, bare_minor, day, worn)
                if standing is not UNSUSPECTED and standing.gate is not _NORMAL:
                    attempt = _gated(attempt, standing.gate, terms)
                outcomes.append(attempt)
            else:
                outcomes.append(OutOfReach(collectible_id=spawn.id, reach_m=reach_m, distance_m=distance_m))
    return outcomes


def attempted_as_of(
    spawn: Spawn | Refusal, claimants: Claimants, i: int, as_of: AsOf, *, terms: Terms
) -> Attempt | Refusal:
    """What the claim of the `i`-th claimant comes to as of another place and instant; refused as by `attempted`."""
    alone = Claimants(
        player_ids=claimants.player_ids[i : i + 1],
        memberships=claimants.memberships[i : i + 1],
        fixes=FixColumns([True], [as_of.lat_deg], [as_of.lng_deg], [as_of.at_us]),
        standings=claimants.standings[i : i + 1],
        worn=claimants.worn[i : i + 1],
    )
    [outcome] = attempted([spawn], alone, now_us=as_of.at_us, terms=terms)
    return replace(outcome, at_us=as_of.at_us) if isinstance(outcome, Attempt) else outcome


def _distrusted(spawn: Spawn, standing: Standing, trust_min: float) -> Refusal:
    return LowTrust(collectible_id=spawn.id, trust=standing.score, trust_min=trust_min, gate=standing.gate)


def _gated(attempt: Attempt, gate: Gate, terms: Terms) -> Attempt:
    """The attempt of a player who is not at the normal gate, nor refused."""
    if gate is Gate.REDUCED:
        return replace(attempt, share_bp=terms.reduced_bp)
    return replace(attempt, is_held=True)


def _closed(spawn: Spawn, *, now_us: int) -> Refusal:
    if now_us < spawn.opens_us:
        return NotFound()
    return Expired(collectible_id=spawn.id, expired_at=rfc3339(from_us(spawn.closes_us)))


def day_of(now_us: int, lng_deg: float = 0.0) -> date:
    """The date of the mean solar time at a longitude; at 0 it is the date of UTC.

    Source: the sun passes 15 degrees of longitude an hour.
    """
    return date.fromordinal(_EPOCH_ORDINAL + (now_us + round(lng_deg * _US_PER_DEG)) // _DAY_US)


def days_of(fixes: FixColumns, *, now_us: int, terms: Terms) -> Iterable[date]:
    """The day on which each claim counts, (n,); of no meaning where the place is not known.

    All of a level-5 cell, a few hundred kilometres, share one noon, so that nobody's day ends at a step to the side.
    """
    if not terms.is_local_day:
        return repeat(day_of(now_us), len(fixes.known))
    places = cells.cells_of(np.array(fixes.lat_deg), np.array(fixes.lng_deg), _DAY_LEVEL).tolist()
    each = zip(places, fixes.known, strict=True)
    return [day_of(now_us, _noon_deg(cell)) if known else date.min for cell, known in each]


@lru_cache(maxsize=_DAY_CELLS)
def _noon_deg(cell: int) -> float:
    return cells.centre_deg(cell)[1]


def decide(
    attempts: Sequence[Attempt | Refusal],
    *,
    players: Mapping[UUID, Player],
    taken: AbstractSet[UUID],
    waits: Mapping[Wait, int],
    now_us: int,
    daily_cap: int,
    levels: Sequence[int],
    worn: Mapping[UUID, Worn] = MappingProxyType({}),
    pay: Callable[[Attempt], Refusal | None] = lambda _: None,
) -> Decision:
    """Goes through the attempts one by one, as if each were alone; refusals given stay as they are.

    Refused are, in this order: CapReached, CoolingDown, AlreadyCollected, and what `pay` refuses, which is asked about
    each that would win, once, in their order. `players` holds every player of an attempt;
    `taken` the references of what others have; `waits` until when players may not take another of a type, where they
    had to wait once; `worn` what players carry, and it is worked out anew what each attempt pays.

    A player's day never goes back: who has reached a date, by another server's clock or by travelling east where days
    are local, stays there until a later one has begun where they are. Earth has two dates at most at any instant, so
    all travelling together gains the count of one day, once.
    """
    now = dict(players)
    gone = set(taken)
    until_us = dict(waits)
    begun: dict[Wait, int] = {}
    outcomes: list[Win | Refusal] = []
    for asked in attempts:
        if isinstance(asked, Refusal):
            outcomes.append(asked)
            continue
        player = _on_day(now[asked.player_id], asked.day)
        attempt = _paying(asked, player, worn.get(asked.player_id, BARE))
        kind, wait = attempt.spawn.kind, (attempt.player_id, attempt.spawn.kind.type)
        made_us = now_us if attempt.at_us is None else attempt.at_us
        if player.collected_on_day >= daily_cap:
            outcomes.append(CapReached(collectible_id=attempt.spawn.id, daily_cap=daily_cap))
        elif kind.cooldown_s and until_us.get(wait, made_us) > made_us:
            outcomes.append(_cooling(attempt, wait_us=until_us[wait] - made_us))
        elif attempt.reference in gone:
            outcomes.append(AlreadyCollected(collectible_id=attempt.spawn.id))
        elif (unpaid := pay(attempt)) is not None:
            outcomes.append(unpaid)
        else:
            gone.add(attempt.reference)
            if kind.cooldown_s:
                until_us[wait] = begun[wait] = made_us + kind.cooldown_s * 1_000_000
            now[player.id] = credited(player, 0 if attempt.is_held else kind.experience, levels)
            outcomes.append(_win(attempt, before=player, after=now[player.id]))
    changed = {player.id: player for player in now.values() if player is not players[player.id]}
    return Decision(outcomes, changed, begun)


def _paying(attempt: Attempt, player: Player, worn: Worn) -> Attempt:
    """The attempt with what the player carries now; a tool that is worn out pays no more than a hand."""
    if worn.worn_at is not None and player.collected >= worn.worn_at:
        worn = replace(worn, tool_bp=WHOLE_BP)
    return replace(attempt, worn=worn)


def _cooling(attempt: Attempt, *, wait_us: int) -> Refusal:
    return CoolingDown(collectible_id=attempt.spawn.id, retry_after_s=-(-wait_us // 1_000_000))


def _on_day(player: Player, today: date) -> Player:
    return player if player.day >= today else replace(player, day=today, collected_on_day=0)


def credited(player: Player, experience: int, levels: Sequence[int]) -> Player:
    """The player after one more collectible; a level once reached stays."""
    wiser = experienced(player, experience, levels)
    return replace(wiser, collected_on_day=player.collected_on_day + 1, collected=player.collected + 1)


def experienced(player: Player, experience: int, levels: Sequence[int]) -> Player:
    """The player with more experience; a level once reached stays."""
    total = min(player.experience + experience, EXPERIENCE_MAX)
    return replace(player, experience=total, level=max(player.level, level_of(total, levels)))


def _win(attempt: Attempt, *, before: Player, after: Player) -> Win:
    return Win(
        player_id=attempt.player_id,
        spawn=attempt.spawn,
        amount_minor=attempt.amount_minor,
        experience=after.experience,
        level=after.level,
        level_before=before.level,
        is_reduced=attempt.is_reduced,
        is_held=attempt.is_held,
    )


def placement(item: CollectibleToPlace, i: int, *, key: bytes, catalogue: Catalogue, now: datetime) -> Placement:
    """The placement that the `i`-th of a request asks for, under a key.

    Raises: BadPlacement for what the game does not have, worth nothing, or open at no time to come.
    """
    declared = catalogue.types.get(item.type)
    if declared is None:
        raise BadPlacement("The game has no such type.", item=i, field="type")
    currency = catalogue.currencies.get(item.currency or declared.currency)
    if currency is None:
        raise BadPlacement("The game has no such currency.", item=i, field="currency")
    try:
        value_minor = currency.parse(item.value or declared.value)
    except ValueError as error:
        raise BadPlacement(f"The value is no amount of this currency: {error}.", item=i, field="value") from error
    if value_minor == 0:
        raise BadPlacement("It is worth nothing.", item=i, field="value")
    opens_at = now if item.opens_at is None else item.opens_at
    if not now - PLACED_BACK_MAX <= opens_at < item.closes_at:
        raise BadPlacement("It opens after it closes, or opened too long ago.", item=i, field="opens_at")
    if not now < item.closes_at <= now + PLACED_AHEAD_MAX:
        raise BadPlacement("It is closed already, or closes too far in the future.", item=i, field="closes_at")
    experience = catalogue.experience_of(value_minor, currency) if item.experience is None else item.experience
    return Placement(
        key=key,
        lat_deg=item.lat,
        lng_deg=item.lng,
        type=item.type,
        value_minor=value_minor,
        currency=currency.code,
        experience=min(experience, EXPERIENCE_MAX),
        mode=Mode(item.mode or declared.mode),
        opens_at=opens_at,
        closes_at=item.closes_at,
        payer_id=item.payer_id,
    )
