"""Charts: well-formed, everything inside the frame, higher values higher up."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.curves import picture
from bench.plot import HEIGHT, WIDTH, Line, chart

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*lines: Line) -> ET.Element:
    return ET.fromstring(chart("Cost & <more>", x="entities", y="µs", lines=lines))  # noqa: S314 - our own


def marks(svg: ET.Element) -> list[tuple[float, float]]:
    return [(float(mark.attrib["cx"]), float(mark.attrib["cy"])) for mark in svg.iter(f"{SVG}circle")]


def test_points_stand_in_the_frame_and_in_order():
    places = marks(drawn(Line("a", [(1_000, 0.05), (10_000, 0.5), (1_000_000, 900)])))
    assert [x for x, _ in places] == sorted({x for x, _ in places})
    assert [y for _, y in places] == sorted({y for _, y in places}, reverse=True)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in places)


def test_a_decade_is_as_wide_everywhere():
    (first, _), (second, _), (third, _) = marks(drawn(Line("a", [(10, 1), (100, 1), (1_000, 1)])))
    assert second - first == pytest.approx(third - second, abs=0.2)


def test_names_are_told_and_do_not_lie_on_each_other():
    svg = drawn(Line("<one>", [(1, 5), (10, 5)]), Line("two", [(1, 5), (10, 5.01)]))
    heights = [float(text.attrib["y"]) for text in svg.iter(f"{SVG}text") if text.text in {"<one>", "two"}]
    assert abs(heights[0] - heights[1]) >= 14
    title = svg.find(f"{SVG}title")
    assert title is not None
    assert title.text == "Cost & <more>"


def test_a_chart_of_nothing_is_refused():
    with pytest.raises(ValueError):
        chart("none", x="x", y="y", lines=[Line("a", [])])


def test_the_picture_of_costs_is_in_microseconds():
    rows = [
        {"entities": n, "update_us": 0.2, "in_process_p50_ms": 0.05, "in_process_p99_ms": 0.09} for n in (1_000, 10_000)
    ]
    svg = ET.fromstring(picture(rows))  # noqa: S314 - our own
    ticks = {text.text for text in svg.iter(f"{SVG}text")}
    assert {"0.1", "1", "10", "100", "1,000", "10,000"} <= ticks
