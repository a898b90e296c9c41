"""A report on an experiment as one HTML page with its charts in it: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from overworld.app.experiments.drawing import Interval, Point, band, intervals
from overworld.app.simulate import plot
from overworld.app.simulate.page import document
from overworld.app.simulate.plot import Line
from overworld.domains.experiments.report.types import Effect, Finding, MetricFound, Report
from overworld.domains.experiments.report.words import size

_COLOURS: dict[Finding, str] = {"better": "good", "safe": "good", "worse": "bad", "harmed": "bad"}
_LINES_MAX = 4


def page(report: Report) -> str:
    """The whole page."""
    about = (
        f"{report.description} Allocation {report.allocation}, since {report.allocated_at}; as of {report.made_at}. "
        f"Intervals of {100 * (1 - report.alpha):g} % are true whenever they are looked at; effects are against "
        f"{report.control}."
    )
    return document(
        f"Experiment {report.flag}",
        about=about.strip(),
        verdict=report.verdict,
        is_bad=not report.is_sound
        or any(one.finding == "harmed" for metric in report.metrics for one in metric.effects),
        charts=list(_charts(report)),
        sections=(
            ("Players", arm_rows(report)),
            ("Effects", effect_rows(report)),
            ("Means", mean_rows(report)),
            ("How sure", sure_rows(report)),
        ),
    )


def arm_rows(report: Report) -> list[Sequence[str]]:
    """Who is in it, with what was asked for."""
    rows = [("variant", "players", "share", "asked for")]
    rows += [
        (arm.variant, f"{arm.players:,}", f"{100 * arm.share:.2f} %", f"{100 * arm.share_expected:.2f} %")
        for arm in report.arms
    ]
    return list(rows)


def effect_rows(report: Report) -> list[Sequence[str]]:
    """Each metric of each variant against the control."""
    rows = [("metric", "variant", "finding", "effect (interval)", "p, always valid")]
    for metric, effect in _effects(report):
        p = "" if effect.p_value is None else f"{effect.p_value:.2g}"
        rows.append((_named(metric), effect.variant, effect.finding.replace("_", " "), size(effect), p))
    return list(rows)


def mean_rows(report: Report) -> list[Sequence[str]]:
    """What each variant's players did."""
    rows: list[Sequence[str]] = [("metric", "variant", "players", "mean", "deviation", "adjusted mean")]
    for metric in report.metrics:
        for arm in metric.arms:
            numbers = (arm.mean, arm.deviation, arm.mean_adjusted)
            told = ("" if number is None else f"{number:.5g}" for number in numbers)
            rows.append((metric.metric, arm.variant, f"{arm.players:,}", *told))
    return rows


def sure_rows(report: Report) -> list[Sequence[str]]:
    """What says whether the numbers may be believed."""
    ratio = report.ratio
    rows = [
        ("question", "answer"),
        ("sample ratio: chi-square", f"{ratio.chi_square:.3f} with {ratio.degrees} degrees of freedom"),
        ("sample ratio: p", f"{ratio.p_value:.4g} for one look, {ratio.p_value_any_time:.4g} at any time"),
        ("met two variants", str(report.crossed)),
        ("given one by a rule, not compared", str(report.named)),
        ("left out, for a report takes in no more", "some" if report.is_cut else "none"),
    ]
    rows += [
        (
            f"{metric.metric}: in the window of {metric.window_h} h still",
            f"{metric.waiting:,}; variance left by CUPED {100 * metric.variance_left:.1f} %",
        )
        for metric in report.metrics
    ]
    return list(rows)


def _charts(report: Report) -> Iterator[str]:
    drawn = [
        Interval(
            f"{_named(metric)}: {effect.variant}",
            effect.low_pct,
            effect.effect_pct,
            effect.high_pct,
            _COLOURS.get(effect.finding, "a"),
        )
        for metric, effect in _effects(report)
        if effect.low_pct is not None and effect.effect_pct is not None and effect.high_pct is not None
    ]
    if drawn:
        yield intervals("Effects, in % of the control", drawn=drawn, unit=" %")
    for metric, effect in _effects(report):
        points = [
            Point(one.players, one.low, one.effect, one.high)
            for one in effect.course
            if one.low is not None and one.effect is not None and one.high is not None
        ]
        if metric.role == "primary" and points:
            yield band(f"{metric.metric}: {effect.variant}", x="players counted", y="difference", drawn=points)
    lines = [
        Line(arm.variant, [(0, 0), *((i, float(day.players[place])) for i, day in enumerate(report.days, 1))])
        for place, arm in enumerate(report.arms)
        if arm.share_expected
    ]
    if report.days:
        yield plot.lines("Players", x=f"days since {report.days[0].day}", y="players", drawn=lines[:_LINES_MAX])


def _effects(report: Report) -> Iterator[tuple[MetricFound, Effect]]:
    for metric in report.metrics:
        for effect in metric.effects:
            yield metric, effect


def _named(metric: MetricFound) -> str:
    return f"{metric.metric} (guard-rail)" if metric.role == "guard_rail" else metric.metric
