"""Charts of a report as SVG, written by hand: linear axes, readable on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 130, 52, 44
_TICKS = 5
_BARS_TOP = 36
_NAME_APART = 16
_STEPS = (1, 2, 2.5, 5, 10)
STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --faint: #cbd2d9; --page: #fff; --a: #0b69a3; --b: #b44d12;
  --c: #3f7d20; --d: #7b3fa0; --bad: #b3261e; --good: #2b6b1f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7eb; --faint: #4a5560; --page: #14181d; --a: #6bb8ef; --b: #f3a26d; --c: #93d36c; --d: #c99be8;
    --bad: #ff8a80; --good: #8fd47c; }
}
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg .title { font-size: 15px; font-weight: 600; }
svg .grid { stroke: var(--faint); stroke-width: 1; }
svg .line { fill: none; stroke-width: 2; }
"""
_COLOURS = ("a", "b", "c", "d")


class Line(Struct, frozen=True):
    """One line: its name and its points (x, y), x growing."""

    name: str
    points: Sequence[tuple[float, float]]


class Bar(Struct, frozen=True):
    """One bar: what it stands for, its length, which is not below 0, and its colour: 0 to 3."""

    name: str
    value: float
    colour: int = 0


class Axis:
    """Turns values from 0 (or below it) into places between two ends, with round ticks."""

    def __init__(self, values: Sequence[float], *, begin: float, end: float) -> None:
        low, high = min(0.0, *values), max(0.0, *values)
        self._step = _round_step((high - low) / _TICKS or 1.0)
        self._low = math.floor(low / self._step) * self._step
        self._high = max(math.ceil(high / self._step) * self._step, self._low + self._step)
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        """The place of a value."""
        share = (value - self._low) / (self._high - self._low)
        return round(self._begin + share * (self._end - self._begin), 1)

    def ticks(self) -> list[float]:
        """The values that have a line of the grid."""
        count = round((self._high - self._low) / self._step)
        return [self._low + i * self._step for i in range(count + 1)]


def lines(title: str, *, x: str, y: str, drawn: Sequence[Line]) -> str:
    """A chart of at most four lines; `x` and `y` name the axes. Raises: ValueError without a point."""
    points = [point for line in drawn for point in line.points]
    if not points or len(drawn) > len(_COLOURS):
        raise ValueError("a chart has one to four lines, and a point at least")
    right = WIDTH - _RIGHT
    across = Axis([at for at, _ in points], begin=_LEFT, end=right)
    up = Axis([value for _, value in points], begin=HEIGHT - _BOTTOM, end=_TOP)
    parts = [*opening(title, HEIGHT), *grid(across, up, x=x, y=y)]
    names = []
    for colour, line in zip(_COLOURS, drawn, strict=False):
        places = [(across.at(x), up.at(y)) for x, y in line.points]
        joined = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline class="line" points="{joined}" style="stroke: var(--{colour})"/>')
        names.append((places[-1][1], line.name, colour))
    lowest = -math.inf
    for y_end, name, colour in sorted(names):
        lowest = max(y_end + 4, lowest + _NAME_APART)
        parts.append(text(right + 12, lowest, name, colour=colour))
    return "\n".join([*parts, "</svg>"])


def bars(title: str, *, drawn: Sequence[Bar]) -> str:
    """A chart of lying bars with their values beside them. Raises: ValueError without a bar."""
    if not drawn:
        raise ValueError("a chart has a bar at least")
    apart, left = 26, 190
    across = Axis([bar.value for bar in drawn], begin=left, end=WIDTH - _RIGHT)
    parts = opening(title, _BARS_TOP + apart * len(drawn) + 12)
    for i, bar in enumerate(drawn):
        top = _BARS_TOP + apart * i
        width = round(across.at(bar.value) - left, 1)
        fill = f'style="fill: var(--{_COLOURS[bar.colour]})"'
        parts += [
            text(left - 8, top + 14, bar.name, anchor="end"),
            f'<rect x="{left}" y="{top}" width="{width}" height="{apart - 8}" {fill}/>',
            text(left + width + 6, top + 14, number(bar.value)),
        ]
    return "\n".join([*parts, "</svg>"])


def grid(across: Axis, up: Axis, *, x: str, y: str) -> list[str]:
    """The lines behind a chart with their numbers, and the names of both axes."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    parts: list[str] = []
    for value in across.ticks():
        at = across.at(value)
        parts += [rule(at, _TOP, at, bottom), text(at, bottom + 18, number(value), anchor="middle")]
    for value in up.ticks():
        at = up.at(value)
        parts += [rule(_LEFT, at, right, at), text(_LEFT - 8, at + 4, number(value), anchor="end")]
    return [
        *parts,
        text((_LEFT + right) / 2, HEIGHT - 8, x, anchor="middle"),
        text(_LEFT - 8, _TOP - 14, y, anchor="end"),
    ]


def opening(title: str, height: int) -> list[str]:
    """The beginning of a chart, with its title."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        text(0, 18, title, kind="title"),
    ]


def _round_step(rough: float) -> float:
    """The smallest round step that is not below a rough one: 1, 2, 2.5 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def number(value: float) -> str:
    """A number as axes and bars show it."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def rule(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line of the grid."""
    return f'<line class="grid" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'


def text(x: float, y: float, said: str, *, kind: str = "", anchor: str = "start", colour: str = "") -> str:
    """Some words at a place, escaped."""
    style = f' style="fill: var(--{colour})"' if colour else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}"{style}>{escape(said)}</text>'
