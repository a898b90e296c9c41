"""The `[economy]` of game.toml: what its author wants the game's economy to be, and where a run misses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import fields

from overworld.app.definition import Located, did_you_mean

Band = Annotated[tuple[Annotated[float, Meta(ge=-1e12, le=1e12)], ...], Meta(min_length=2, max_length=2)]
"""The lowest and the highest value that is fine."""


class Targets(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[economy.targets]` of game.toml: a band for each figure that matters; the others are not judged.

    `inflation_per_day` is the growth of the supply in a day as a share of it; `growth_per_player_day` the same in units
    for each player who played; `sinks_share` how much of what was made the sinks took back; `gini` and `top_1_percent`
    the concentration of wallets; `days_to_level_N` the median of all players; `quest_completion` the share of what was
    started.
    """

    inflation_per_day: Band | None = None
    growth_per_player_day: Band | None = None
    sinks_share: Band | None = None
    gini: Band | None = None
    top_1_percent: Band | None = None
    claims_per_player_day: Band | None = None
    days_to_level_2: Band | None = None
    days_to_level_5: Band | None = None
    days_to_level_10: Band | None = None
    days_to_level_20: Band | None = None
    quest_completion: Band | None = None


class EconomyRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[economy]` of game.toml. The figures are those of `currency`; the first of the game where none is named."""

    currency: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    targets: Targets = Targets()


class Judged(Struct, frozen=True, kw_only=True):
    """A figure beside its band. `off_by` is how far it lies outside, 0 within; both are None where it has no value."""

    name: str
    low: float
    high: float
    value: float | None
    off_by: float | None
    is_missed: bool
    why: str


def check_economy(rules: EconomyRules, currencies: Mapping[str, object], located: Located) -> None:
    """Notes what is wrong with the section of a definition."""
    if rules.currency is not None and rules.currency not in currencies:
        hint = did_you_mean(rules.currency, list(currencies))
        located.refuse(("economy", "currency"), f"there is no currency `{rules.currency}`", hint=hint)
    for name, (low, high) in _bands(rules.targets):
        if low > high:
            located.refuse(("economy", "targets", name), f"{low:g} is above {high:g}", allowed="the lower one first")


def judged(targets: Targets, figures: Mapping[str, float | None], *, days: float) -> list[Judged]:
    """Every declared band with its figure.

    A median time that fewer than half of the players reached is missed once the run was longer than the band allows,
    and open before. So is everything else that the run was too short or too small for.
    """
    return [_judged(name, low, high, figures[name], days) for name, (low, high) in _bands(targets)]


def _judged(name: str, low: float, high: float, value: float | None, days: float) -> Judged:
    off_by, missed, why = None, False, "not known after so small a run"
    if value is not None:
        off_by = max(low - value, value - high, 0.0)
        missed = off_by > 0
        why = f"{value:.4g} is {off_by:.4g} {'below' if value < low else 'above'} it" if missed else f"{value:.4g}"
    elif name.startswith("days_to_level_") and days >= high:
        missed, why = True, f"fewer than half of the players came there in {days:g} days"
    return Judged(name=name, low=low, high=high, value=value, off_by=off_by, is_missed=missed, why=why)


def _bands(targets: Targets) -> Iterator[tuple[str, tuple[float, float]]]:
    for field in fields(targets):
        band = getattr(targets, field.name)
        if band is not None:
            yield field.name, (band[0], band[1])
