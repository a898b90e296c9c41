"""What every edge of analytics asks by: spans that may be left out, boxes, and places in the list of counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from overworld.domains.analytics.messages import Count
from overworld.domains.analytics.types import Span
from overworld.geo.box import Box
from overworld.platform.http import decode_cursor, encode_cursor
from overworld.platform.http.errors import BadCursor

WEEK = timedelta(days=7)
NAMES_MAX = 50
WITHIN_MAX_S = 7_776_000.0
_NAME_LENGTH_MAX = 200
_LNG_MAX_DEG, _LAT_MAX_DEG = 180.0, 90.0


def instant(at: datetime) -> datetime:
    """An instant in UTC; what has no offset is taken for UTC. Raises: OverflowError."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def span_of(since: datetime | None, until: datetime | None, *, now: datetime) -> Span:
    """The span that ends now where no end is given, and has a week where no beginning is. Raises: OverflowError."""
    end = now if until is None else instant(until)
    return Span(end - WEEK if since is None else instant(since), end)


def box_of(west: float, south: float, east: float, north: float) -> Box:
    """The box between four edges in degrees. Raises: ValueError when they are none."""
    is_wide = abs(west) <= _LNG_MAX_DEG and abs(east) <= _LNG_MAX_DEG  # each by itself: none is true of NaN
    if is_wide and -_LAT_MAX_DEG <= south <= north <= _LAT_MAX_DEG:
        return Box(west_deg=west, south_deg=south, east_deg=east, north_deg=north)
    raise ValueError("It is west, south, east and north in degrees")


def cursor_of(count: Count) -> str:
    """Where a row of counts stands."""
    return encode_cursor(count.since, count.name, count.key)


def place_in(cursor: str) -> tuple[datetime, str, str]:
    """The last row that was told. Raises: BadCursor."""
    since, name, key = decode_cursor(cursor, (datetime, str, str))
    if since.tzinfo is None or len(name) > _NAME_LENGTH_MAX:
        raise BadCursor
    try:
        return since.astimezone(UTC), name, key
    except OverflowError as error:
        raise BadCursor from error
