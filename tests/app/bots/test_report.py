"""What a report makes of a run: rates per kind, and the same figures as table, JSON and page."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml

import msgspec
import numpy as np
import pytest

from overworld.app.bots import told
from overworld.app.bots.figures import About, Report, Second, report
from overworld.app.bots.kinds import number_of
from overworld.app.bots.page import page
from overworld.app.bots.wire import Tally, Told
from overworld.domains.world.types import Reason

WALKER, MOCK, JOYSTICK = map(number_of, ("walker", "mock", "joystick"))
KIND = np.array([WALKER] * 10 + [MOCK] * 4 + [JOYSTICK] * 2)
IS_CHEAT = KIND != WALKER
ABOUT = About(
    server="http://x", city="seoul", seed=7, replayed=None, began_at=datetime(2026, 6, 1, tzinfo=UTC), seconds=60.0
)


def tally(**changes) -> Tally:
    made = Tally(**changes)
    made.sent[[WALKER, MOCK, JOYSTICK]] = 600, 240, 120
    made.refused[WALKER, Reason.TOO_FAST] = 6
    made.refused[MOCK, Reason.MOCK] = 240
    made.collected[WALKER] = 12
    made.claims_refused[MOCK, "gameplay.stale_position"] = 3
    return made


def standing(gates: dict[int, str]) -> Told:
    noticed_s = {bot: 30.0 + bot for bot, gate in gates.items() if gate not in {"normal", "unknown"}}
    return Told(gate=gates, reasons=dict.fromkeys(noticed_s, ("mock",)), noticed_s=noticed_s)


GATES = dict.fromkeys(range(10), "normal") | {9: "reduced", 10: "refused", 11: "review", 12: "refused", 13: "unknown"}
GATES |= {14: "normal", 15: "normal"}


def made(*, gates: dict[int, str] | None = None, **changes) -> Report:
    course = [Second(at_s=1.0, sent_per_s=16.0, refused_per_s=4.0), Second(at_s=2.0, sent_per_s=15.0, refused_per_s=4)]
    told_ = standing(GATES if gates is None else gates)
    return report(ABOUT, kind=KIND, is_cheat=IS_CHEAT, tally=tally(**changes), told=told_, course=course)


def test_rates_are_of_those_whose_standing_is_known():
    found = made()
    kinds = {one.kind: one for one in found.kinds}
    assert found.detection == pytest.approx(3 / 5)
    assert found.false_alarms == pytest.approx(1 / 10)
    assert (kinds["mock"].flagged_share, kinds["joystick"].flagged_share) == (1.0, 0.0)
    assert kinds["mock"].gates == {"refused": 2, "review": 1, "unknown": 1}
    assert kinds["mock"].noticed_s == 41.0
    assert kinds["joystick"].noticed_s is None


def test_what_was_neither_refused_nor_lost_was_accepted():
    found = made(lost=4, unsent=6, cut=1)
    assert (found.fixes, found.refused) == (960, {"mock": 240, "too_fast": 6})
    assert found.accepted == 960 - 246 - 10
    assert found.faults == ["1 lines broke", "4 fixes found no room in the server"]


def test_a_server_that_tells_nobody_how_it_stands_leaves_dashes_and_says_so():
    found = made(gates={})
    assert (found.detection, found.false_alarms) == (None, None)
    text = "\n".join(told.lines(found))
    assert "tells nobody how it stands" in text
    [walkers] = [row for row in told.standing_rows(found) if row[0] == "walker"]
    assert walkers == ("walker", "-", "-", "-", "-", "10", "-", "-")


def test_the_table_names_every_kind_and_marks_the_cheats():
    text = "\n".join(told.lines(made()))
    assert "walker " in text
    assert "mock *" in text
    assert "Cheats not normal: 60.00%. Honest players not normal: 10.00%." in text
    for reason in ("fix: too_fast", "fix: mock", "claim: gameplay.stale_position", "standing: mock"):
        assert reason in text


def test_the_json_reads_back_as_the_report():
    found = made()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Report) == found


def test_the_page_has_its_charts_in_it_and_loads_nothing():
    html = page(made())
    charts = [part[: part.index("</svg>") + 6] for part in html.split("<div>")[1:]]
    assert len(charts) == 4
    titles = [Xml.fromstring(chart)[0].text for chart in charts]  # noqa: S314 - our own
    assert titles == ["Fixes a second", "Not normal, % of a kind", "Noticed after, s (median)", "Fixes refused, %"]
    assert "src=" not in html
    assert "href=" not in html
    assert "mock *" in html


def test_a_page_of_a_run_that_came_to_nothing_is_a_page():
    empty = report(
        ABOUT, kind=KIND, is_cheat=IS_CHEAT, tally=Tally(), told=Told(gate={}, reasons={}, noticed_s={}), course=[]
    )
    assert "<svg" not in page(empty)
    assert "0 fixes" in page(empty)


def test_tallies_of_processes_add_up():
    both = tally(cut=1, said=Counter(a=1)).plus(tally(cut=2, said=Counter(a=1, b=1), late_ms=3.0))
    assert (both.cut, both.late_ms, both.said) == (3, 3.0, Counter(a=2, b=1))
    assert both.sent[WALKER] == 1_200
    assert both.claims_refused == {(MOCK, "gameplay.stale_position"): 6}
