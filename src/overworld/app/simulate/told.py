"""A report in words and aligned columns: for the terminal, and for the tables of the page."""

from __future__ import annotations

from collections.abc import Iterator

from overworld.app.plain_table import aligned
from overworld.app.simulate.figures import Report
from overworld.app.simulate.targets import Judged

Rows = list[tuple[str, ...]]
_MIB = 1 << 20
_PLACES_BELOW = 1_000


def lines(report: Report) -> Iterator[str]:
    """The report for a terminal."""
    yield summary(report)
    for rows in (
        figure_rows(report),
        flow_rows(report),
        level_rows(report),
        quest_rows(report),
        profile_rows(report),
        refusal_rows(report),
    ):
        if len(rows) > 1:
            yield ""
            yield from aligned(rows, right=range(1, len(rows[0])))
    yield ""
    yield from verdict(report)


def summary(report: Report) -> str:
    """What was run, in a sentence."""
    asked = sum(report.asked.values())
    size = ", ".join(f"{name.replace('_', ' ')} {n / _MIB:,.0f}" for name, n in report.disk_bytes.items())
    return (
        f"{report.game} {report.version}: {report.players:,} players, {report.days} days, seed {report.seed}; "
        f"{asked:,} commands in {sum(report.took_s.values()):,.0f} s; MiB: {size}."
    )


def verdict(report: Report) -> list[str]:
    """Whether the books add up and the bands are met, a line each for what does not."""
    found = [f"The books do not add up: {fault}" for fault in report.faults]
    found += [f"Missed: {one.name} should be {band(one)}: {one.why}." for one in report.missed]
    if found:
        return found
    met = sum(not one.is_missed and one.value is not None for one in report.targets)
    left = len(report.targets) - met
    bands = f"{met} of {len(report.targets)} target bands met" + (f", {left} not known yet" if left else "")
    said = bands if report.targets else "the game declares no target bands"
    return [f"The books add up: faucets less sinks are the supply, to the unit; {said}."]


def band(judged: Judged) -> str:
    """A band as people write it."""
    return f"{judged.low:g} to {judged.high:g}"


def figure_rows(report: Report) -> Rows:
    """Every figure, with its band where the game declares one."""
    bands = {one.name: one for one in report.targets}
    rows: Rows = [("FIGURE", "VALUE", "TARGET", "")]
    for name, value in report.figures.items():
        judged = bands.get(name)
        state = "" if judged is None else "missed" if judged.is_missed else "met" if value is not None else "open"
        rows.append((name, _number(value), "" if judged is None else band(judged), state))
    return rows


def flow_rows(report: Report) -> Rows:
    """What was made, taken back and moved, by transfer code, and what there is in the end."""
    flows = report.flows
    rows: Rows = [("TRANSFERS", "CURRENCY", "COUNT", "MINOR UNITS")]
    for kind, some in (("made", flows.faucets), ("taken back", flows.sinks), ("moved", flows.moved)):
        rows += [(f"{kind}: {one.code}", one.currency, f"{one.count:,}", f"{one.amount_minor:,}") for one in some]
    return rows + [("supply", code, "", f"{minor:,}") for code, minor in report.supply_minor.items()]


def level_rows(report: Report) -> Rows:
    """How fast players rose."""
    rows: Rows = [("LEVEL", "REACHED", "MEDIAN DAYS")]
    for one in report.levels:
        rows.append((str(one.level), f"{one.reached_share:.1%}", _number(one.median_days)))
    return rows


def quest_rows(report: Report) -> Rows:
    """What became of quests."""
    rows: Rows = [("QUEST", "STARTED", "COMPLETED", "FAILED")]
    return rows + [(one.quest, f"{one.started:,}", f"{one.completed:,}", f"{one.failed:,}") for one in report.quests]


def profile_rows(report: Report) -> Rows:
    """How each kind of player came out of it."""
    rows: Rows = [("PLAYERS", "HOW MANY", "CLAIMS A DAY", f"{report.currency.upper()} HELD", "LEVEL")]
    for one in report.profiles:
        rows.append((one.name, f"{one.players:,}", *map(_number, (one.claims_per_day, one.held, one.level))))
    return rows


def refusal_rows(report: Report) -> Rows:
    """What players were refused."""
    rows: Rows = [("REFUSED", "TIMES")]
    return rows + [(code, f"{count:,}") for code, count in report.refused.items()]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < _PLACES_BELOW else f"{value:,.0f}"
