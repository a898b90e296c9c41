"""From who is in an experiment and what they did to the report: pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from overworld.domains.experiments.report.types import (
    Arm,
    ArmMean,
    Course,
    DayCount,
    Effect,
    Finding,
    MetricFound,
    RatioFound,
    Report,
    Role,
)
from overworld.domains.experiments.report.words import verdict
from overworld.domains.experiments.statistics import ratio, sequential
from overworld.domains.experiments.statistics.columns import Outcome, Subjects
from overworld.domains.experiments.statistics.moments import Moments, moments
from overworld.domains.experiments.types import Experiment, Flag, Metric
from overworld.kernel.clock import from_us, rfc3339

LOOKS = 40
"""Points of a course: what was seen is compared with 0 at each, as if somebody had looked then."""

_DAY_US = 86_400_000_000
_DAYS_MAX = 400


def analysed(
    flag: Flag, experiment: Experiment, subjects: Subjects, outcomes: Mapping[str, Outcome], *, at: datetime
) -> Report:
    """The report on a flag that measures; a metric without an outcome is left out."""
    variants = flag.definition.variants
    counts = np.bincount(subjects.arm, minlength=len(variants))
    players, weights = int(counts.sum()), sum(one.weight for one in variants)
    found = ratio.check(counts.tolist(), [one.weight for one in variants])
    metrics = [
        _metric(flag, experiment, metric, outcomes[metric.name], role=role)
        for metric, role in _roles(experiment)
        if metric.name in outcomes
    ]
    report = Report(
        flag=flag.key,
        description=flag.definition.description,
        allocation=flag.allocation,
        allocated_at=rfc3339(flag.allocated_at),
        made_at=rfc3339(at),
        control=experiment.control,
        alpha=experiment.alpha,
        effect_sd=experiment.effect_sd,
        arms=[
            Arm(
                variant=one.name,
                players=int(count),
                share=int(count) / players if players else 0.0,
                share_expected=one.weight / weights,
            )
            for one, count in zip(variants, counts, strict=True)
        ],
        crossed=subjects.crossed,
        named=subjects.named,
        is_cut=subjects.is_cut,
        ratio=RatioFound(
            chi_square=found.chi_square,
            degrees=found.degrees,
            p_value=found.p_value,
            p_value_any_time=found.p_value_any_time,
            is_sound=found.is_sound,
        ),
        metrics=metrics,
        days=_days(subjects, len(variants)),
        verdict=[],
        is_sound=found.is_sound and not subjects.crossed,
    )
    return verdict(report)


def _roles(experiment: Experiment) -> list[tuple[Metric, Role]]:
    return [
        (experiment.primary, "primary"),
        *((metric, "secondary") for metric in experiment.secondary),
        *((metric, "guard_rail") for metric in experiment.guard_rails),
    ]


def _metric(flag: Flag, experiment: Experiment, metric: Metric, outcome: Outcome, *, role: Role) -> MetricFound:
    variants = flag.definition.variants
    n = len(outcome.arm)
    looks = np.unique(np.linspace(n / LOOKS, n, LOOKS).astype(np.int64)) if n else np.zeros(0, np.int64)
    looks = looks[looks > 0]
    before = outcome.before if n and not np.isnan(outcome.before).all() else None
    found = moments(outcome.arm, outcome.value, before, arms=len(variants), looks=looks) if n else None
    names = [one.name for one in variants]
    compared = [i for i, one in enumerate(variants) if one.weight and one.name != experiment.control]
    return MetricFound(
        metric=metric.name,
        role=role,
        window_h=metric.window_h,
        before_h=metric.before_h,
        higher_is_better=metric.higher_is_better,
        harm_pct=metric.harm_pct,
        waiting=outcome.waiting,
        theta=0.0 if found is None else float(found.theta[-1]),
        variance_left=1.0 if found is None else float(found.kept[-1]),
        arms=[_mean(names[i], found, i) for i, one in enumerate(variants) if one.weight],
        effects=[
            _effect(metric, experiment, found, looks.tolist(), arm=i, names=names, share=len(compared), role=role)
            for i in compared
        ],
    )


def _mean(name: str, found: Moments | None, arm: int) -> ArmMean:
    if found is None:
        return ArmMean(variant=name, players=0, mean=None, deviation=None, mean_adjusted=None)
    return ArmMean(
        variant=name,
        players=int(found.players[arm, -1]),
        mean=_number(found.plain[arm, -1]),
        deviation=_number(math.sqrt(found.plain_variance[arm, -1])),
        mean_adjusted=_number(found.mean[arm, -1]),
    )


def _effect(
    metric: Metric,
    experiment: Experiment,
    found: Moments | None,
    looks: Sequence[int],
    *,
    arm: int,
    names: Sequence[str],
    share: int,
    role: Role,
) -> Effect:
    alpha = experiment.alpha / share
    nothing = (None,) * 9
    if found is None:
        return _told(names[arm], "too_few", nothing, alpha, [])
    control = names.index(experiment.control)
    course = sequential.effects(found, arm=arm, control=control, effect_sd=experiment.effect_sd, alpha=alpha)
    points = [
        Course(players=players, effect=_number(effect), low=_number(low), high=_number(high))
        for players, effect, low, high in zip(looks, course.effect, course.low, course.high, strict=True)
    ]
    effect, low, high = (float(column[-1]) for column in (course.effect, course.low, course.high))
    if math.isnan(effect):
        return _told(names[arm], "too_few", nothing, alpha, points)
    fixed = float(sequential.fixed_radius(course.variance[-1:], alpha=alpha)[0])
    unit = abs(float(found.mean[control, -1])) / 100
    numbers = (
        *(effect, low, high),
        *(None if unit == 0 else value / unit for value in (effect, low, high)),
        *(float(course.p[-1]), effect - fixed, effect + fixed),
    )
    return _told(names[arm], _finding(metric, role, low=low, high=high, unit=unit), numbers, alpha, points)


def _told(
    variant: str, finding: Finding, numbers: Sequence[float | None], alpha: float, course: list[Course]
) -> Effect:
    effect, low, high, effect_pct, low_pct, high_pct, p, fixed_low, fixed_high = numbers
    return Effect(
        variant=variant,
        finding=finding,
        effect=effect,
        low=low,
        high=high,
        effect_pct=effect_pct,
        low_pct=low_pct,
        high_pct=high_pct,
        p_value=p,
        fixed_low=fixed_low,
        fixed_high=fixed_high,
        alpha=alpha,
        course=course,
    )


def _finding(metric: Metric, role: Role, *, low: float, high: float, unit: float) -> Finding:
    """What an interval says. `unit` is one per cent of the control's mean.

    A guard-rail is harmed when all of the interval is worse than nothing at all, and safe when none of it is worse than
    the harm that is borne.
    """
    worst, best = (low, high) if metric.higher_is_better else (-high, -low)
    if role == "guard_rail":
        if best < 0:
            return "harmed"
        return "safe" if worst > -metric.harm_pct * unit else "unclear"
    if worst > 0:
        return "better"
    return "worse" if best < 0 else "unclear"


def _days(subjects: Subjects, arms: int) -> list[DayCount]:
    """Players at the end of each day, the last four hundred."""
    if not len(subjects.at_us):
        return []
    day = subjects.at_us // _DAY_US
    ends = np.arange(int(day[0]), int(day[-1]) + 1)
    by_arm = [np.searchsorted(day[subjects.arm == arm], ends, side="right") for arm in range(arms)]
    return [
        DayCount(day=from_us(int(end) * _DAY_US).date().isoformat(), players=[int(column[i]) for column in by_arm])
        for i, end in enumerate(ends.tolist())
    ][-_DAYS_MAX:]


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
