"""A report as one HTML page with its charts in it: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from overworld.app.simulate import plot
from overworld.app.simulate.figures import Report
from overworld.app.simulate.plot import Bar, Line
from overworld.app.simulate.told import (
    figure_rows,
    flow_rows,
    level_rows,
    profile_rows,
    quest_rows,
    refusal_rows,
    summary,
    verdict,
)

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .9rem .2rem 0; text-align: left; }
th { font-weight: 600; border-bottom: 1px solid var(--faint); }
td + td, th + th { text-align: right; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1.5rem; }
.charts svg { width: 100%; height: auto; }
.bad { color: var(--bad); } .good { color: var(--good); }
"""


def page(report: Report) -> str:
    """The whole page."""
    return document(
        f"The economy of {report.game}",
        about=summary(report),
        verdict=verdict(report),
        is_bad=bool(report.missed or report.faults),
        charts=list(_charts(report)),
        sections=(
            ("Figures", figure_rows(report)),
            ("Faucets, sinks and what moved", flow_rows(report)),
            ("Levels", level_rows(report)),
            ("Quests", quest_rows(report)),
            ("Players", profile_rows(report)),
            ("Refused", refusal_rows(report)),
        ),
    )


def document(
    title: str,
    *,
    about: str,
    verdict: Sequence[str],
    is_bad: bool,
    charts: Sequence[str],
    sections: Sequence[tuple[str, Sequence[Sequence[str]]]],
) -> str:
    """A page of this kind: a title, a sentence, the verdict, charts as SVG, and tables with a head each.

    A table without a row but its head is left out.
    """
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{plot.STYLE}{_STYLE}</style>",
        f"<h1>{escape(title)}</h1><p>{escape(about)}</p>",
        *(f'<p class="{"bad" if is_bad else "good"}">{escape(line)}</p>' for line in verdict),
        f'<div class="charts">{"".join(f"<div>{chart}</div>" for chart in charts)}</div>',
        *(f"<h2>{escape(name)}</h2>{_table(rows)}" for name, rows in sections if len(rows) > 1),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _charts(report: Report) -> Iterator[str]:
    unit = 10**report.scale
    at = [(number, day) for number, day in enumerate(report.by_day, 1)]
    supply = Line("supply", [(0, 0), *((x, day.supply_minor / unit) for x, day in at)])
    yield plot.lines("Supply", x="day", y=report.currency, drawn=[supply])
    made = Line("faucets", [(x, day.made_minor / unit) for x, day in at])
    taken = Line("sinks", [(x, day.taken_back_minor / unit) for x, day in at])
    yield plot.lines("Made and taken back, a day", x="day", y=report.currency, drawn=[made, taken])
    players = Line("collected", [(x, float(day.players)) for x, day in at])
    yield plot.lines("Players, a day", x="day", y="players", drawn=[players])
    if report.lorenz:
        even = Line("all the same", [(0, 0), (1, 1)])
        held = Line("as it is", report.lorenz)
        yield plot.lines("Who holds it: the poorest", x="share of players", y="of all", drawn=[even, held])
    flows = [
        Bar(f"{kind}: {flow.code}", flow.amount_minor / unit, colour)
        for colour, (kind, some) in enumerate((("made", report.flows.faucets), ("taken back", report.flows.sinks)))
        for flow in some
        if flow.currency == report.currency
    ]
    if flows:
        yield plot.bars(f"By code, {report.currency}", drawn=flows)
    reached = [Bar(f"level {one.level}", round(100 * one.reached_share, 1), 2) for one in report.levels]
    yield plot.bars("Players who came there, %", drawn=reached)


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    return f"<table><tr>{cells}</tr>{lines}</table>"
