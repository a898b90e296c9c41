"""A report in words."""

from __future__ import annotations

from msgspec.structs import replace

from overworld.domains.experiments.report.types import Effect, MetricFound, Report

_SAID = {
    "better": "{variant} is better than {control} at {metric}: {size}.",
    "worse": "{variant} is worse than {control} at {metric}: {size}.",
    "unclear": "{variant} and {control} cannot be told apart at {metric} yet: {size}.",
    "harmed": "Guard-rail {metric}: {variant} does harm: {size}.",
    "safe": "Guard-rail {metric}: {variant} does no harm that matters: {size}.",
    "too_few": "{variant}: too few players have been counted at {metric} to say anything, or all did the same.",
}


def verdict(report: Report) -> Report:
    """The report with its verdict."""
    lines = []
    if not report.ratio.is_sound:
        lines.append(
            "The variants have not the players that their weights give them "
            f"(chi-square {report.ratio.chi_square:.1f}, p {report.ratio.p_value:.1e}): find out why before you "
            "believe any number below."
        )
    if report.crossed:
        lines.append(f"{report.crossed} players met two variants, which should not be: they are left out.")
    order = {"primary": 0, "guard_rail": 1, "secondary": 2}
    for metric in sorted(report.metrics, key=lambda one: order[one.role]):
        lines += [_line(report, metric, effect) for effect in metric.effects]
    return replace(report, verdict=lines)


def _line(report: Report, metric: MetricFound, effect: Effect) -> str:
    template = _SAID[effect.finding]
    if metric.role == "guard_rail" and effect.finding == "unclear":
        template = "Guard-rail {metric}: whether {variant} does harm is not known yet: {size}."
    return template.format(variant=effect.variant, control=report.control, metric=metric.metric, size=size(effect))


def size(effect: Effect) -> str:
    """The effect and its interval, in per cent where that can be said."""
    if effect.effect_pct is not None and effect.low_pct is not None and effect.high_pct is not None:
        return f"{effect.effect_pct:+.2f} % ({effect.low_pct:+.2f} to {effect.high_pct:+.2f})"
    if effect.effect is not None and effect.low is not None and effect.high is not None:
        return f"{effect.effect:+.4g} ({effect.low:+.4g} to {effect.high:+.4g})"
    return "nothing yet"
