"""A report on bots in words and aligned columns: for the terminal, and for the tables of the page."""

from __future__ import annotations

from collections.abc import Iterator

from overworld.app.bots.figures import KindFigures, Report
from overworld.app.bots.wire import GATES
from overworld.app.plain_table import aligned

Rows = list[tuple[str, ...]]
_NONE = "-"


def lines(report: Report) -> Iterator[str]:
    """The report for a terminal."""
    yield summary(report)
    for rows in (kind_rows(report), standing_rows(report), refusal_rows(report)):
        if len(rows) > 1:
            yield ""
            yield from aligned(rows, right=range(1, len(rows[0])))
    yield ""
    yield from verdict(report)


def summary(report: Report) -> str:
    """What was run, in a sentence."""
    what = f"seed {report.seed}" if report.replayed is None else f"again from {report.replayed}"
    return (
        f"{report.players:,} bots in {report.city}, {report.cheats:,} of them cheats, {report.seconds:,.0f} s, {what}: "
        f"{report.fixes:,} fixes, {report.accepted:,} accepted; {report.collected:,} collected."
    )


def verdict(report: Report) -> list[str]:
    """How many cheats were found out, how many honest players were blamed, and what went wrong, a line each."""
    found = [f"Not as it should be: {fault}." for fault in report.faults]
    if report.detection is None and report.false_alarms is None:
        return [*found, "The server tells nobody how it stands, so nobody knows who was found out."]
    return [
        *found,
        f"Cheats not normal: {share(report.detection)}. Honest players not normal: {share(report.false_alarms)}.",
    ]


def kind_rows(report: Report) -> Rows:
    """Each kind: what it sent, what was believed, what it collected."""
    rows: Rows = [("KIND", "BOTS", "FIXES", "ACCEPTED", "REFUSED", "COLLECTED", "CLAIMS REFUSED")]
    return rows + [
        (
            named(one), f"{one.bots:,}", f"{one.fixes:,}", share(one.accepted / one.fixes if one.fixes else None),
            f"{sum(one.refused.values()):,}", f"{one.collected:,}", f"{sum(one.claims_refused.values()):,}",
        )
        for one in report.kinds
    ]  # fmt: skip


def standing_rows(report: Report) -> Rows:
    """Each kind: how its bots stand in the end, and when those who do not stand well were noticed."""
    rows: Rows = [("KIND", *(gate.upper() for gate in GATES), "NOT NORMAL", "NOTICED AFTER")]
    for one in report.kinds:
        counts = (f"{count:,}" if (count := one.gates.get(gate, 0)) else _NONE for gate in GATES)
        after = _NONE if one.noticed_s is None else f"{one.noticed_s:,.0f} s"
        rows.append((named(one), *counts, share(one.flagged_share), after))
    return rows


def refusal_rows(report: Report) -> Rows:
    """Why fixes and claims of each kind were refused, and what is held against its bots."""
    rows: Rows = [("KIND", "WHAT", "TIMES")]
    for one in report.kinds:
        rows += [(named(one), f"fix: {reason}", f"{count:,}") for reason, count in one.refused.items()]
        rows += [(named(one), f"claim: {code}", f"{count:,}") for code, count in one.claims_refused.items()]
        rows += [(named(one), f"standing: {reason}", f"{count:,}") for reason, count in one.reasons.items()]
    return rows


def named(one: KindFigures) -> str:
    """A kind, marked when it cheats."""
    return f"{one.kind} *" if one.is_cheat else one.kind


def share(value: float | None) -> str:
    """A share as people read it."""
    return _NONE if value is None else f"{value:.2%}"
