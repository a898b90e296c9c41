"""What experiments decide over: flags, attributes, decisions, and what an operator may set."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

VARIANTS_MAX = 10
RULES_MAX = 50
CONDITIONS_MAX = 20
VALUES_MAX = 200
METRICS_MAX = 20
VALUE_BYTES_MAX = 8_192
WEIGHT_MAX = 10_000
TEXT_LENGTH_MAX = 200
UNIT_LENGTH_MAX = 256
WINDOW_H_MAX = 2_160

Scalar = bool | int | float | str
Attributes = Mapping[str, Any]
"""What is known of a player: scalars and lists of text by name; anything else holds no condition."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="letters, digits, and . _ -")]
FlagKey = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower case, digits, and . _ -")]
Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]
Attribute = Annotated[str, Meta(min_length=1, max_length=64)]


class ExperimentSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many flags there may be, and how long is kept what experiments count."""

    flags_max: Annotated[int, Meta(ge=1, le=10_000, description="Flags that there may be")] = 500
    kept_days: Annotated[
        int, Meta(ge=1, le=3_650, description="Days that exposures and facts of experiments are kept")
    ] = 180
    subjects_max: Annotated[int, Meta(ge=1_000, le=50_000_000, description="Players that one report takes in")] = (
        500_000
    )


class Op(StrEnum):
    """How an attribute is compared. An attribute that a player does not have holds `not_in` alone."""

    IN = "in"
    NOT_IN = "not_in"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    STARTS_WITH = "starts_with"
    VERSION_AT_LEAST = "version_at_least"
    VERSION_AT_MOST = "version_at_most"


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the values of a flag; `weight` is its part of what is drawn, relative to the other ones."""

    name: Name
    value: Any
    weight: Annotated[int, Meta(ge=0, le=WEIGHT_MAX)] = 1


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is asked of one attribute. `in` and `starts_with` hold when one of the values does.

    The attribute may be a list of text (`memberships`): then it is enough that one of its items compares.
    """

    attribute: Attribute
    op: Op = Op.IN
    values: Annotated[tuple[Scalar, ...], Meta(min_length=1, max_length=VALUES_MAX)]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a variant is given to: the first rule whose conditions all hold, and whose rollout a player is in.

    Without `variant` one is drawn by weight, which is what an experiment compares.
    """

    when: Annotated[tuple[Condition, ...], Meta(max_length=CONDITIONS_MAX)] = ()
    rollout_pct: Annotated[float, Meta(ge=0, le=100)] = 100.0
    variant: Name | None = None
    description: Text = ""


class Metric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is counted of each player: its sum over `window_h` from the exposure, and over `before_h` before it.

    `before_h` 0 adjusts by nothing. `harm_pct` is for guard-rails: how much worse, in per cent of the control's mean,
    is still no harm.
    """

    name: Name
    window_h: Annotated[int, Meta(ge=1, le=WINDOW_H_MAX)] = 168
    before_h: Annotated[int, Meta(ge=0, le=WINDOW_H_MAX)] = 336
    higher_is_better: bool = True
    harm_pct: Annotated[float, Meta(ge=0, le=100)] = 1.0


class Experiment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a flag measures. `effect_sd` is the effect that is looked for, in standard deviations of the metric."""

    control: Name
    primary: Metric
    secondary: Annotated[tuple[Metric, ...], Meta(max_length=METRICS_MAX)] = ()
    guard_rails: Annotated[tuple[Metric, ...], Meta(max_length=METRICS_MAX)] = ()
    effect_sd: Annotated[float, Meta(gt=0, le=10)] = 0.1
    alpha: Annotated[float, Meta(ge=0.0001, le=0.2)] = 0.05

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All of them, the primary one first."""
        return (self.primary, *self.secondary, *self.guard_rails)


class Definition(Struct, frozen=True, kw_only=True):
    """All that is declared of a flag but its key. An empty `salt` is the key."""

    description: str = ""
    enabled: bool = True
    variants: tuple[Variant, ...]
    default: str
    rules: tuple[Rule, ...] = ()
    salt: str = ""
    experiment: Experiment | None = None


class Flag(Struct, frozen=True, kw_only=True):
    """A flag as it is kept."""

    id: UUID
    key: str
    definition: Definition
    revision: int
    allocation: int
    allocated_at: datetime
    created_at: datetime
    updated_at: datetime


class Reason(StrEnum):
    """Why somebody gets a variant, in the words of OpenFeature."""

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"


class Decision(Struct, frozen=True, kw_only=True):
    """The variant of a flag that somebody gets, its value, and why."""

    variant: str
    value: Any
    reason: Reason


class Exposure(Struct, frozen=True, kw_only=True):
    """A player was shown a variant of a flag that is measured; `day` is that of `at`, UTC."""

    flag_id: UUID
    flag: str
    allocation: int
    player_id: UUID
    day: date
    variant: str
    randomised: bool
    at: datetime


class Fact(Struct, frozen=True):
    """Something that counts for a metric."""

    metric: str
    player_id: UUID
    at: datetime
    value: float
