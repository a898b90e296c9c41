"""A report on bots as one HTML page with its charts in it: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from overworld.app.bots.figures import Report
from overworld.app.bots.told import kind_rows, named, refusal_rows, standing_rows, summary, verdict
from overworld.app.simulate import plot
from overworld.app.simulate.page import document
from overworld.app.simulate.plot import Bar, Line

_HONEST, _CHEAT, _REFUSED = 0, 1, 3


def page(report: Report) -> str:
    """The whole page."""
    return document(
        f"Bots in {report.city}",
        about=f"{summary(report)} Kinds marked * cheat.",
        verdict=verdict(report),
        is_bad=bool(report.faults),
        charts=list(_charts(report)),
        sections=(
            ("Fixes and claims", kind_rows(report)),
            ("How they stand", standing_rows(report)),
            ("Why", refusal_rows(report)),
        ),
    )


def _charts(report: Report) -> Iterator[str]:
    if report.course:
        sent = Line("sent", [(one.at_s, one.sent_per_s) for one in report.course])
        refused = Line("refused", [(one.at_s, one.refused_per_s) for one in report.course])
        yield plot.lines("Fixes a second", x="seconds", y="fixes/s", drawn=[sent, refused])
    flagged = [
        Bar(named(one), round(100 * one.flagged_share, 2), _CHEAT if one.is_cheat else _HONEST)
        for one in report.kinds
        if one.flagged_share is not None
    ]
    if flagged:
        yield plot.bars("Not normal, % of a kind", drawn=flagged)
    noticed = [Bar(named(one), one.noticed_s, _CHEAT) for one in report.kinds if one.noticed_s is not None]
    if noticed:
        yield plot.bars("Noticed after, s (median)", drawn=noticed)
    rates = [
        Bar(named(one), round(100 * sum(one.refused.values()) / one.fixes, 3), _REFUSED)
        for one in report.kinds
        if one.fixes
    ]
    if rates:
        yield plot.bars("Fixes refused, %", drawn=rates)
