"""Charts of a report: well-formed SVG whose marks lie where their values are."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.app.simulate import plot
from overworld.app.simulate.plot import Bar, Line

SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.floats(0, 1e15, allow_nan=False)


def drawn(svg: str) -> list[list[tuple[float, float]]]:
    lines = Xml.fromstring(svg).iter(f"{SVG}polyline")  # noqa: S314 - our own
    return [[tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()] for line in lines]  # type: ignore[misc]


@given(st.lists(VALUES, min_size=1, max_size=20))
def test_a_line_rises_with_its_values_and_stays_in_the_picture(values):
    [places] = drawn(plot.lines("t", x="day", y="coin", drawn=[Line("one", list(enumerate(values)))]))
    assert all(0 <= x <= plot.WIDTH and 0 <= y <= plot.HEIGHT for x, y in places)
    for (_, y), (_, after), value, next_value in zip(places, places[1:], values, values[1:], strict=False):
        assert (after - y) * (next_value - value) <= 0


def test_ticks_are_round_and_reach_beyond_the_values():
    svg = plot.lines("t", x="day", y="coin", drawn=[Line("one", [(0, 0), (3, 77_312)])])
    texts = [one.text for one in Xml.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314
    assert [text for text in texts if text and re.fullmatch(r"[\d,]+000", text)] == [
        "20,000",
        "40,000",
        "60,000",
        "80,000",
    ]


def test_a_bar_is_as_long_as_its_value():
    svg = plot.bars("t", drawn=[Bar("<a> & b", 10), Bar("c", 5, 1), Bar("none", 0)])
    widths = [float(one.attrib["width"]) for one in Xml.fromstring(svg).iter(f"{SVG}rect")]  # noqa: S314
    assert widths[0] == pytest.approx(2 * widths[1])
    assert widths[2] == 0


def test_a_chart_without_anything_is_refused():
    with pytest.raises(ValueError, match="a point at least"):
        plot.lines("t", x="x", y="y", drawn=[Line("one", [])])
    with pytest.raises(ValueError, match="a bar at least"):
        plot.bars("t", drawn=[])
