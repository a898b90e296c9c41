"""Stretches of a run: who is out in each, and what an activity is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from overworld.app.simulate.profiles import DAY_S, Person, Session, sessions_of
from overworld.app.simulate.walking import Outing
from overworld.kernel.clock import to_us
from overworld.kernel.refusals import Fault, Refusal

T = TypeVar("T")
BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday. Every run begins here, so that the same seed finds the same things."""
_BEGINS_US = to_us(BEGINS)

_TURN_S = 1_800


class Turn(Struct, frozen=True, kw_only=True):
    """A stretch of time within one day and one window of spawns: seconds of the run.

    `arriving` are those of the people out whose session begins in it, `leaving` those whose session ends.
    """

    day: int
    begins_s: float
    ends_s: float
    outings: Sequence[Outing]
    arriving: Sequence[Person]
    leaving: Sequence[Person]

    @property
    def begins_us(self) -> int:
        """When it begins, by the clock of the simulation."""
        return instant_us(self.begins_s)

    @property
    def ends_us(self) -> int:
        """When it is over."""
        return instant_us(self.ends_s)


def instant_us(run_s: float) -> int:
    """The instant so many seconds after the run began, microseconds since 1970."""
    return _BEGINS_US + round(run_s * 1_000_000)


class Tally:
    """What players asked for in a run, by kind, and what they were refused, by code."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def key(self, kind: str) -> str:
        """Counts one more that is asked for, and gives the key to ask with."""
        self.asked[kind] += 1
        return f"{kind} {self.asked[kind]}"

    async def told(self, asked: Iterable[Awaitable[T]]) -> list[T | Refusal]:
        """What players are told who ask all at once, in their order. Raises: what is no refusal by the rules."""
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told: list[T | Refusal] = []
        for answer in answers:
            if isinstance(answer, Refusal) and not isinstance(answer, Fault):
                self.refused[answer.code] += 1
                told.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                told.append(answer)
        return told


class Activity(Protocol):
    """One kind of thing that people do."""

    async def play(self, turn: Turn) -> None:
        """Lets those who are out do it. Whatever is random comes from the people's own chance."""
        ...


def stretches(*, days: int, window_s: int, offset_s: int) -> Iterator[tuple[int, int]]:
    """The beginnings and ends of turns, seconds of the run: at most half an hour, none over a midnight or a window.

    `offset_s` is how long the first window had been open when the run began.
    """
    at_s = 0
    while at_s < days * DAY_S:
        window_ends_s = ((at_s + offset_s) // window_s + 1) * window_s - offset_s
        ends_s = min(at_s + _TURN_S, window_ends_s, (at_s // DAY_S + 1) * DAY_S)
        yield at_s, ends_s
        at_s = ends_s


class Calendar:
    """Who is out when: draws each day's sessions as it begins, and lets everybody finish one before the next."""

    def __init__(self, people: Sequence[Person]) -> None:
        self._people = people
        self._out: list[tuple[Session, Person]] = []
        self._drawn_days = 0
        self._busy_until_s = [0.0] * len(people)

    def turn(self, begins_s: int, ends_s: int) -> Turn:
        """Who is out in a stretch of time; turns are asked for in order."""
        day = begins_s // DAY_S
        if day >= self._drawn_days:
            self._draw(day)
        outings: list[Outing] = []
        arriving: list[Person] = []
        leaving: list[Person] = []
        for session, person in self._out:
            if session.begins_s >= ends_s:
                continue
            if session.begins_s >= begins_s:
                person.set_out()
                arriving.append(person)
            outings.append(Outing(person, max(session.begins_s, begins_s), min(session.ends_s, ends_s)))
            if session.ends_s <= ends_s:
                leaving.append(person)
        self._out = [(session, person) for session, person in self._out if session.ends_s > ends_s]
        return Turn(day=day, begins_s=begins_s, ends_s=ends_s, outings=outings, arriving=arriving, leaving=leaving)

    def _draw(self, day: int) -> None:
        self._drawn_days = day + 1
        for person in self._people:
            for drawn in sessions_of(person):
                session = Session(drawn.begins_s + day * DAY_S, drawn.ends_s + day * DAY_S)
                if session.begins_s > self._busy_until_s[person.number]:
                    self._out.append((session, person))
                    self._busy_until_s[person.number] = session.ends_s
