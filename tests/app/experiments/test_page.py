"""The page of a report: whole, readable, and nothing of it loaded from elsewhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from xml.etree import ElementTree

import numpy as np
import pytest

from overworld.app.cli import main
from overworld.app.experiments import tools
from overworld.app.experiments.drawing import Interval, Point, band, intervals
from overworld.app.experiments.page import page
from overworld.domains.experiments.report.analysing import analysed
from overworld.domains.experiments.report.types import Report
from overworld.domains.experiments.statistics.columns import Outcome, Subjects
from overworld.domains.experiments.types import Definition, Experiment, Flag, Metric, Rule, Variant

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def report_of(n: int, *, effect: float = 0.5, description: str = "", spread: float = 1.0) -> Report:
    variants = tuple(Variant(name=name, value=name) for name in ("plain", "bold"))
    experiment = Experiment(
        control="plain", primary=Metric(name="coins"), guard_rails=(Metric(name="metres", harm_pct=5),)
    )
    flag = Flag(
        id=UUID(int=1),
        key="map",
        definition=Definition(
            description=description, variants=variants, default="plain", rules=(Rule(),), experiment=experiment
        ),
        revision=1,
        allocation=1,
        allocated_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    chance = np.random.default_rng(1)
    arm = chance.integers(0, 2, n)
    at_us = 1_780_000_000_000_000 + np.arange(n) * 3_600_000_000 // 10
    before = chance.normal(10, 2, n)
    value = spread * (before + effect * arm + chance.normal(0, 1, n))
    outcome = Outcome(arm=arm, at_us=at_us, value=value, before=before)
    outcomes = {"coins": outcome, "metres": outcome} if n else {}
    return analysed(flag, experiment, Subjects(player_id=(), arm=arm, at_us=at_us), outcomes, at=NOW)


def charts(html: str) -> list[ElementTree.Element]:
    return [
        ElementTree.fromstring(text)  # noqa: S314 - our own
        for text in re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    ]


def test_a_page_has_its_charts_in_it_and_asks_nobody_for_anything():
    html = page(report_of(2_000))
    titles = [chart[0].text for chart in charts(html)]
    assert titles == ["Effects, in % of the control", "coins: bold", "Players"]
    assert not re.search(r"<(script|link|img|iframe)|src=|@import|url\(", html)
    assert "bold is better than plain at coins: +" in html


def test_what_staff_wrote_is_shown_as_text():
    html = page(report_of(2_000, description="<script>alert(1)</script>"))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_page_of_nobody_can_be_read_too():
    html = page(report_of(0))
    assert charts(html) == []
    assert "Experiment map" in html


def test_an_interval_is_drawn_where_its_numbers_are():
    [chart] = charts(intervals("x", drawn=[Interval("a", -1.0, 0.5, 2.0)], unit=" %"))
    lines = [line for line in chart.iter("{http://www.w3.org/2000/svg}line") if line.get("class") is None]
    zero, drawn = (float(lines[0].get("x1", "")), lines[1])
    left, right = (float(drawn.get(end, "")) for end in ("x1", "x2"))
    assert left < zero < right
    assert (right - zero) == pytest.approx(2 * (zero - left), rel=0.01)


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least"):
        intervals("x", drawn=[], unit="")
    with pytest.raises(ValueError, match="at least"):
        band("x", x="", y="", drawn=[])
    assert band("x", x="", y="", drawn=[Point(1.0, 0.0, 0.0, 0.0)])


def test_where_all_did_the_same_nobody_is_told_that_they_are_too_few_alone() -> None:
    assert report_of(2_000, spread=0.0).verdict[0] == (
        "bold: too few players have been counted at coins to say anything, or all did the same."
    )


def test_a_page_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "report", lambda *_, **__: report_of(10))
    with pytest.raises(SystemExit, match=r"cannot write .*: No such file or directory"):
        main(["experiments", "report", "map", "--html", str(tmp_path / "none" / "report.html")])
