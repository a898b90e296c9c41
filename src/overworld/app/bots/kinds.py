"""The kinds of bots: how they move, and whether that is honest. This is what a verdict on them is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct


class Way(IntEnum):
    """How a bot gets about: along streets, on rails, straight to one goal after another, where another one was, or
    on a way that bends.
    """

    STREET = 0
    RAIL = 1
    STRAIGHT = 2
    COPY = 3
    BEND = 4


class Ticking(IntEnum):
    """How a clock goes: on and on, or off by some parts in 10,000 until the network sets it right; or as somebody
    wants it who sets it to and fro, or lets it run fast.
    """

    PLAIN = 0
    SYNCED = 1
    SET = 2
    FAST = 3


class Kind(Struct, frozen=True, kw_only=True):
    """One kind. Speeds are the range of what its bots cruise at; `corner_m_s` is how fast they take a corner.

    `stop` is the share of corners at which they wait, and for how long on average; `dwell` the same for staying a
    while. `share` is how many of the honest, or of the cheats, are of this kind. Who `is_steady` keeps its speed to
    the centimetre where it may.
    """

    name: str
    is_cheat: bool
    share: float
    about: str
    way: Way = Way.STREET
    speed_m_s: tuple[float, float] = (0.9, 1.8)
    corner_m_s: float = 1.0
    ease_m_s2: float = 0.8
    brake_m_s2: float = 1.0
    stop: tuple[float, float] = (0.2, 10.0)
    dwell: tuple[float, float] = (0.04, 150.0)
    collects: float = 0.5
    is_noiseless: bool = False
    is_mock: bool = False
    hops_s: tuple[float, float] | None = None
    hops_m: tuple[float, float] | None = None
    is_steady: bool = False
    whites_m: tuple[float, float] = (0.0, 0.0)
    ticking: Ticking = Ticking.PLAIN


KINDS = (
    Kind(
        name="walker", is_cheat=False, share=0.50, collects=0.6,
        about="on foot, with waits at crossings and stays in shops",
    ),
    Kind(
        name="runner", is_cheat=False, share=0.10, speed_m_s=(2.3, 4.2), corner_m_s=2.2, ease_m_s2=1.5, brake_m_s2=1.5,
        stop=(0.08, 8.0), dwell=(0.0, 0.0), collects=0.2, about="at a run, with few waits",
    ),
    Kind(
        name="cyclist", is_cheat=False, share=0.12, speed_m_s=(3.5, 8.0), corner_m_s=3.0, ease_m_s2=0.9, brake_m_s2=1.8,
        stop=(0.15, 15.0), dwell=(0.004, 120.0), collects=0.3, about="by bicycle",
    ),
    Kind(
        name="driver", is_cheat=False, share=0.18, speed_m_s=(8.0, 18.0), corner_m_s=4.5, ease_m_s2=1.8, brake_m_s2=2.5,
        stop=(0.25, 20.0), dwell=(0.0, 0.0), collects=0.1, about="by car, from light to light",
    ),
    Kind(
        name="train", is_cheat=False, share=0.10, way=Way.RAIL, speed_m_s=(15.0, 25.0), ease_m_s2=0.9, brake_m_s2=0.9,
        stop=(1.0, 32.0), dwell=(0.0, 0.0), collects=0.1, about="by train, silent in tunnels and lost after them",
    ),
    Kind(
        name="teleporter", is_cheat=True, share=1.0, collects=1.0, hops_s=(30.0, 120.0),
        about="on foot, but every minute or so at the other end of the city",
    ),
    Kind(
        name="joystick", is_cheat=True, share=1.0, way=Way.STRAIGHT, speed_m_s=(1.4, 6.0), collects=1.0,
        is_noiseless=True, about="moved by a spoofing app: smooth, without noise, at one speed",
    ),
    Kind(
        name="replayer", is_cheat=True, share=1.0, way=Way.COPY, collects=1.0,
        about="where somebody else was some time before, to the centimetre",
    ),
    Kind(
        name="interval", is_cheat=True, share=1.0, way=Way.STRAIGHT, speed_m_s=(1.2, 3.0), collects=1.0,
        about="a program that collects by the clock",
    ),
    Kind(
        name="farm", is_cheat=True, share=1.0, way=Way.COPY, collects=1.0,
        about="several accounts on one device, so on one track",
    ),
    Kind(
        name="mock", is_cheat=True, share=1.0, collects=1.0, is_noiseless=True, is_mock=True,
        about="a route played by an app that the system marks as a mock location",
    ),
    Kind(
        name="motorway", is_cheat=False, share=0.03, way=Way.RAIL, speed_m_s=(24.0, 33.0), ease_m_s2=1.5,
        brake_m_s2=2.0, stop=(0.0, 12.0), dwell=(0.0, 0.0), collects=0.05, is_steady=True, about="on a motorway, with cruise control",
    ),
    Kind(
        name="express", is_cheat=False, share=0.02, way=Way.RAIL, speed_m_s=(40.0, 85.0), ease_m_s2=0.4,
        brake_m_s2=0.5, stop=(0.0, 60.0), dwell=(0.0, 0.0), collects=0.05, about="on a train that may be faster than the game allows",
    ),
    Kind(
        name="indoor", is_cheat=False, share=0.03, collects=0.2, speed_m_s=(0.9, 1.2),
        about="in one place, on a treadmill or a sofa, where the receiver wanders about",
    ),
    Kind(
        name="pupil", is_cheat=False, share=0.03, speed_m_s=(1.1, 1.5), stop=(0.1, 8.0), dwell=(0.01, 60.0),
        collects=0.6,
        about="in a class that walks together, all of them behind one address",
    ),
    Kind(
        name="jogger", is_cheat=False, share=0.03, way=Way.BEND, speed_m_s=(2.2, 4.0), collects=0.1,
        about="at a run along a river, without a stop",
    ),
    Kind(
        name="drifter", is_cheat=False, share=0.03, ticking=Ticking.SYNCED, collects=0.4,
        about="on foot, with a clock that drifts until the network sets it right",
    ),
    Kind(
        name="laggard", is_cheat=False, share=0.03, collects=0.2,
        about="on foot, with a phone that sends what it gathered, every so often",
    ),
    Kind(
        name="hopper", is_cheat=True, share=1.0, collects=1.0, hops_s=(120.0, 300.0), hops_m=(1_500.0, 7_000.0),
        about="on foot, but every few minutes some kilometres on",
    ),
    Kind(
        name="jittery", is_cheat=True, share=1.0, way=Way.BEND, speed_m_s=(1.2, 4.5), collects=1.0, is_noiseless=True,
        is_steady=True, whites_m=(0.5, 4.0),
        about="moved by a spoofing app that bends its way and shakes its places",
    ),
    Kind(
        name="squad", is_cheat=True, share=1.0, collects=1.0, is_noiseless=True, stop=(0.05, 6.0), dwell=(0.0, 0.0),
        whites_m=(0.5, 3.0),
        about="several accounts of one program, seconds apart on one way, each shaken by itself",
    ),
    Kind(
        name="clock_setter", is_cheat=True, share=1.0, collects=1.0, ticking=Ticking.SET,
        about="on foot, with a clock that is set to and fro",
    ),
    Kind(
        name="clock_racer", is_cheat=True, share=1.0, collects=1.0, ticking=Ticking.FAST,
        about="on foot, with a clock that runs fast for minutes",
    ),
)  # fmt: skip
"""All kinds; a bot's kind is a number of this row. It goes into recordings: add at the end, and take none away."""

KIND_NAMES = tuple(kind.name for kind in KINDS)
FARM_ACCOUNTS = 5
"""So many accounts has a farm; the last one may have one to four more."""


def number_of(name: str) -> int:
    """The number of a kind. Raises: ValueError."""
    return KIND_NAMES.index(name)


def counts(players: int, *, cheaters: float) -> list[int]:
    """How many bots there are of each kind when a share of `players` cheats: whole numbers that add up.

    A farm needs two accounts at least; where there would be one, it is of the kind that is next in line.
    """
    cheats = min(players, round(players * cheaters))
    split = [*_split(players - cheats, is_cheat=False), *_split(cheats, is_cheat=True)]
    found = [count for _, count in sorted(split)]
    farm = number_of("farm")
    if found[farm] == 1:
        found[farm], found[number_of("interval")] = 0, found[number_of("interval")] + 1
    return found


def _split(count: int, *, is_cheat: bool) -> Iterator[tuple[int, int]]:
    """So many of each kind as its share says, by largest remainders, those first that stand first."""
    chosen = [(i, kind.share) for i, kind in enumerate(KINDS) if kind.is_cheat == is_cheat]
    whole = sum(share for _, share in chosen)
    exact = [(i, count * share / whole) for i, share in chosen]
    left = count - sum(int(wanted) for _, wanted in exact)
    more = {i for i, _ in sorted(exact, key=lambda one: int(one[1]) - one[1])[:left]}
    return ((i, int(wanted) + (i in more)) for i, wanted in exact)
