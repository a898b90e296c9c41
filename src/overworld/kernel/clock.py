"""Time, passed in. Instants are aware UTC datetimes at the edges and integer microseconds since 1970 in columns."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The first and the last instant that a datetime can name, in microseconds since 1970.
FIRST_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
LAST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


class Clock(Protocol):
    """What time it is. Rules never read one; they take `now`."""

    def now(self) -> datetime:
        """The wall clock: aware, UTC, microseconds."""
        ...

    def now_us(self) -> int:
        """The wall clock as microseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that only ever grow; for measuring spans, never for stamping facts."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    monotonic_s = staticmethod(time.monotonic)


class FixedClock:
    """A clock that stands still until it is moved: for tests and for simulations on their own time line."""

    def __init__(self, at: datetime) -> None:
        self._us = to_us(at)
        self._passed_us = 0

    def now(self) -> datetime:
        return from_us(self._us)

    def now_us(self) -> int:
        return self._us

    def monotonic_s(self) -> float:
        return self._passed_us / 1e6

    def advance(self, by: timedelta) -> None:
        """Moves the clock forward; or back, to test a clock that was set, which no time passes by."""
        moved_us = by // _MICROSECOND
        self._us += moved_us
        self._passed_us += max(0, moved_us)


def to_us(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact; with an offset it may lie outside FIRST_US..LAST_US.

    Raises: TypeError when `at` has no time zone.
    """
    return (at - EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970, exact. Raises: OverflowError outside FIRST_US..LAST_US."""
    return EPOCH + timedelta(microseconds=us)


def rfc3339(at: datetime) -> str:
    """An aware datetime as clients read it: UTC with a `Z`, microseconds only when there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
