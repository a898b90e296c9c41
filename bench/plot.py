"""Line charts as SVG, written by hand: both axes logarithmic, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 168, 48, 52
_NAME_APART = 16
_STYLE = """
  :root { --ink: #1f2933; --faint: #cbd2d9; --a: #0b69a3; --b: #b44d12; --c: #3f7d20; --d: #7b3fa0; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e4e7eb; --faint: #4a5560; --a: #6bb8ef; --b: #f3a26d; --c: #93d36c; --d: #c99be8; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: var(--faint); stroke-width: 1; }
  .line { fill: none; stroke-width: 2; }
"""
_COLOURS = ("a", "b", "c", "d")


class Line(Struct, frozen=True):
    """One line: its name and its points (x, y), all above 0."""

    name: str
    points: Sequence[tuple[float, float]]


class _Axis:
    """Turns values of some decades into places between two ends."""

    def __init__(self, values: Sequence[float], *, begin: float, end: float) -> None:
        self._low = math.floor(math.log10(min(values)))
        self._decades = max(1, math.ceil(math.log10(max(values))) - self._low)
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self._low) / self._decades
        return round(self._begin + share * (self._end - self._begin), 1)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._low + self._decades + 1)]


def chart(title: str, *, x: str, y: str, lines: Sequence[Line]) -> str:
    """An SVG of at most four lines; `x` and `y` name the axes with their units. Raises: ValueError without a point."""
    points = [point for line in lines for point in line.points]
    if not points or len(lines) > len(_COLOURS):
        raise ValueError("a chart has one to four lines, and a point at least")
    across = _Axis([at for at, _ in points], begin=_LEFT, end=WIDTH - _RIGHT)
    up = _Axis([value for _, value in points], begin=HEIGHT - _BOTTOM, end=_TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        _text(_LEFT, 24, title, kind="title"),
        *_grid(across, up),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 12, x, anchor="middle"),
        _text(_LEFT, _TOP - 8, y),
        *_lines(across, up, lines),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(across: _Axis, up: _Axis) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts: list[str] = []
    for value in across.ticks():
        at = across.at(value)
        parts += [_rule(at, _TOP, at, bottom), _text(at, bottom + 18, _number(value), anchor="middle")]
    for value in up.ticks():
        at = up.at(value)
        parts += [_rule(_LEFT, at, right, at), _text(_LEFT - 8, at + 4, _number(value), anchor="end")]
    return parts


def _lines(across: _Axis, up: _Axis, lines: Sequence[Line]) -> list[str]:
    """The lines with a mark at each point, and their names beside their ends, the highest first and none on another."""
    parts: list[str] = []
    names = []
    for colour, line in zip(_COLOURS, lines, strict=False):
        places = [(across.at(x), up.at(y)) for x, y in line.points]
        joined = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline class="line" points="{joined}" style="stroke: var(--{colour})"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3.5" style="fill: var(--{colour})"/>' for x, y in places]
        names.append((places[-1][1], line.name, colour))
    lowest = -math.inf
    for y, name, colour in sorted(names):
        lowest = max(y + 4, lowest + _NAME_APART)
        parts.append(_text(WIDTH - _RIGHT + 12, lowest, name, style=f"fill: var(--{colour})"))
    return parts


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line class="grid" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'


def _text(x: float, y: float, text: str, *, kind: str = "", anchor: str = "start", style: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}" style="{style}">{escape(text)}</text>'
