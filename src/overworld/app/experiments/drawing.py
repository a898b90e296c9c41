"""Charts of experiments as SVG: intervals beside nothing, and an interval as it narrowed."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from overworld.app.simulate.plot import HEIGHT, WIDTH, Axis, grid, number, opening, rule, text

_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 130, 52, 44
_NAMES = 210
_FIRST, _APART = 48, 30


class Interval(Struct, frozen=True):
    """One interval: what it is of, its ends and its middle, and whether it says something good, bad, or nothing."""

    name: str
    low: float
    middle: float
    high: float
    colour: str = "ink"


class Point(Struct, frozen=True):
    """An interval at one time."""

    at: float
    low: float
    middle: float
    high: float


def intervals(title: str, *, drawn: Sequence[Interval], unit: str) -> str:
    """Lying intervals about a line at 0. Raises: ValueError without one."""
    if not drawn:
        raise ValueError("a chart has an interval at least")
    height = _FIRST + _APART * len(drawn) + 34
    bottom = height - 30
    across = Axis([end for one in drawn for end in (one.low, one.high)], begin=_NAMES, end=WIDTH - 20)
    parts = opening(title, height)
    for value in across.ticks():
        at = across.at(value)
        parts += [rule(at, _FIRST - 14, at, bottom), text(at, bottom + 16, f"{number(value)}{unit}", anchor="middle")]
    zero = across.at(0.0)
    parts.append(f'<line x1="{zero}" y1="{_FIRST - 14}" x2="{zero}" y2="{bottom}" style="stroke: var(--ink)"/>')
    for i, one in enumerate(drawn):
        y = _FIRST + _APART * i + 4
        stroke = f'style="stroke: var(--{one.colour}); stroke-width: 3"'
        parts += [
            text(_NAMES - 10, y + 4, one.name, anchor="end"),
            f'<line x1="{across.at(one.low)}" y1="{y}" x2="{across.at(one.high)}" y2="{y}" {stroke}/>',
            f'<circle cx="{across.at(one.middle)}" cy="{y}" r="5" style="fill: var(--{one.colour})"/>',
        ]
    return "\n".join([*parts, "</svg>"])


def band(title: str, *, x: str, y: str, drawn: Sequence[Point]) -> str:
    """One estimate with its interval as a band, over time. Raises: ValueError without a point."""
    if not drawn:
        raise ValueError("a chart has a point at least")
    across = Axis([point.at for point in drawn], begin=_LEFT, end=WIDTH - _RIGHT)
    up = Axis([end for point in drawn for end in (point.low, point.high)], begin=HEIGHT - _BOTTOM, end=_TOP)
    upper = [f"{across.at(point.at)},{up.at(point.high)}" for point in drawn]
    lower = [f"{across.at(point.at)},{up.at(point.low)}" for point in reversed(drawn)]
    middle = [f"{across.at(point.at)},{up.at(point.middle)}" for point in drawn]
    zero = up.at(0.0)
    parts = [
        *opening(title, HEIGHT),
        *grid(across, up, x=x, y=y),
        f'<polygon points="{" ".join(upper + lower)}" style="fill: var(--a); opacity: .22"/>',
        f'<line x1="{_LEFT}" y1="{zero}" x2="{WIDTH - _RIGHT}" y2="{zero}" style="stroke: var(--ink)"/>',
        f'<polyline class="line" points="{" ".join(middle)}" style="stroke: var(--a)"/>',
        text(WIDTH - _RIGHT + 12, up.at(drawn[-1].middle) + 4, "effect", colour="a"),
    ]
    return "\n".join([*parts, "</svg>"])
