"""A report on an experiment, as JSON carries it. Times are RFC 3339 UTC; a number that cannot be said yet is null."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Role = Literal["primary", "secondary", "guard_rail"]
Finding = Literal["better", "worse", "unclear", "safe", "harmed", "too_few"]


class Arm(Struct, frozen=True, kw_only=True):
    """The players of one variant, and the share of all that it should have."""

    variant: str
    players: int
    share: float
    share_expected: float


class RatioFound(Struct, frozen=True, kw_only=True):
    """Whether players came in the ratio that was asked for. `p_value` is for one look, the other for any number."""

    chi_square: float
    degrees: int
    p_value: float
    p_value_any_time: float
    is_sound: bool


class Course(Struct, frozen=True, kw_only=True):
    """The effect as it stood when so many players had been counted."""

    players: int
    effect: float | None
    low: float | None
    high: float | None


class Effect(Struct, frozen=True, kw_only=True):
    """A variant against the control: the difference of means, and the interval that is true at any time.

    `*_pct` are in per cent of the control's mean. `p_value` is always valid: the least of all looks. `fixed_*` is the
    usual interval, true only where one look was planned for now. `alpha` is shared among the variants of one metric.
    """

    variant: str
    finding: Finding
    effect: float | None
    low: float | None
    high: float | None
    effect_pct: float | None
    low_pct: float | None
    high_pct: float | None
    p_value: float | None
    fixed_low: float | None
    fixed_high: float | None
    alpha: float
    course: list[Course]


class ArmMean(Struct, frozen=True, kw_only=True):
    """One variant's players whose window has ended, their mean and standard deviation, and the adjusted mean."""

    variant: str
    players: int
    mean: float | None
    deviation: float | None
    mean_adjusted: float | None


class MetricFound(Struct, frozen=True, kw_only=True):
    """One metric. `waiting` players are in their window still; `variance_left` is what CUPED leaves of the variance."""

    metric: str
    role: Role
    window_h: int
    before_h: int
    higher_is_better: bool
    harm_pct: float
    waiting: int
    theta: float
    variance_left: float
    arms: list[ArmMean]
    effects: list[Effect]


class DayCount(Struct, frozen=True, kw_only=True):
    """How many players each variant had at the end of a day (UTC), by the order of `arms`."""

    day: str
    players: list[int]


class Report(Struct, frozen=True, kw_only=True):
    """All of it. `crossed` players met two variants, `named` ones were given theirs by a rule; neither is compared.

    With `is_cut` there are more players than a report takes in, and those who registered last are left out.
    `verdict` says in words what matters, the most important first.
    """

    flag: str
    description: str
    allocation: int
    allocated_at: str
    made_at: str
    control: str
    alpha: float
    effect_sd: float
    arms: list[Arm]
    crossed: int
    named: int
    is_cut: bool
    ratio: RatioFound
    metrics: list[MetricFound]
    days: list[DayCount]
    verdict: list[str]
    is_sound: bool
