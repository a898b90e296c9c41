"""When windows turn: cron's five fields, read as UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from msgspec import Struct

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "day of week": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_DAYS_MAX = 366 * 40
"""29 February on one day of the week comes at most 40 years apart (2100 is no leap year)."""


class Cron(Struct, frozen=True, kw_only=True):
    """The instants at which something happens. Fields as sets; Sunday is 0.

    Where both days are restricted, either is enough, as in every cron since Vixie's.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    def last(self, at: datetime) -> datetime:
        """The last such instant that is not after `at`."""
        return self._found(at, step=-1)

    def next(self, at: datetime) -> datetime:
        """The first such instant after `at`."""
        return self._found(at, step=1)

    def _found(self, at: datetime, *, step: int) -> datetime:
        at = at.astimezone(UTC)
        day = at.date()
        for _ in range(_DAYS_MAX):
            if self._is_on(day):
                times = [datetime.combine(day, time(h, m), UTC) for h in self.hours for m in self.minutes]
                near = [one for one in times if (one > at) == (step > 0)]
                if near:
                    return min(near) if step > 0 else max(near)
            day += timedelta(days=step)
        raise ValueError("no such day")

    def _is_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        on_day, on_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return on_day and on_weekday
        return on_day or on_weekday


def parse(text: str) -> Cron:
    """A cron expression: numbers, names of months and days, `*`, ranges, lists and steps.

    Raises: ValueError that says what is wrong.
    """
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"has {len(words)} fields instead of five: minute, hour, day of month, month, day of week")
    minutes, hours, days, months, weekdays = (
        _field(word, name, low, high) for word, (name, low, high) in zip(words, _FIELDS, strict=True)
    )
    cron = Cron(
        minutes=tuple(minutes),
        hours=tuple(hours),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        any_day=words[2].startswith("*"),
        any_weekday=words[4].startswith("*"),
    )
    try:
        cron.next(datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError as error:
        raise ValueError("names a day that never comes") from error
    return cron


def _field(word: str, name: str, low: int, high: int) -> Sequence[int]:
    values: set[int] = set()
    for part in word.split(","):
        span, _, step_text = part.partition("/")
        step = _number(step_text, name, 1, high) if "/" in part else 1
        first_text, dash, last_text = span.partition("-")
        if span == "*":
            first, last = low, high
        else:
            first = _number(first_text, name, low, high)
            last = _number(last_text, name, low, high) if dash else (high if "/" in part else first)
        if last < first:
            raise ValueError(f"{name} {part!r} runs backwards")
        values.update(range(first, last + 1, step))
    return sorted(values)


def _number(text: str, name: str, low: int, high: int) -> int:
    if text in (names := _NAMES.get(name, ())):
        return names.index(text) + low
    if text not in map(str, range(low, high + 1)):
        raise ValueError(f"{name} {text!r} is not one of {low} to {high}")
    return int(text)
