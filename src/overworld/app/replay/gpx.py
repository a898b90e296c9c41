"""Reads GPX files into tracks: the timed points of a file, in order, as one player's walk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from msgspec import Struct

from overworld.kernel.clock import to_us

FILE_BYTES_MAX = 64 * 2**20
_CHUNK_BYTES = 2**16


class TrackPoint(Struct, frozen=True):
    """One timed point of a track: degrees, metres above sea level where the file says so, microseconds since 1970.

    `segment` counts the file's segments: between two of them nothing was recorded.
    """

    lat_deg: float
    lng_deg: float
    altitude_m: float | None
    time_us: int
    segment: int


class Track(Struct, frozen=True):
    """A file's walk: `points` are its timed points; `points_count` also counts those without a time."""

    file: str
    points_count: int
    points: list[TrackPoint]

    @property
    def span_us(self) -> int:
        """From the first fix to the last, in microseconds of track time."""
        return self.points[-1].time_us - self.points[0].time_us


class BadTrack(Exception):
    """This file cannot be replayed; the message says why, for a person."""


def read_track(path: Path) -> Track:
    """The walk in a GPX 1.0 or 1.1 file: every track and segment in file order; points without a time are left out.

    Raises: BadTrack when the file cannot be read, is not GPX, is too large, holds fewer than two timed points, a place
    outside the Earth's degrees, or times that run backwards.
    Source: GPX 1.1 schema, topografix.com/GPX/1/1.
    """
    elements = list(_track_points(path))
    points = [point for segment, element in elements if (point := _timed_point(element, segment)) is not None]
    if not elements:
        raise BadTrack("holds no track points")
    if not points:
        raise BadTrack(f"none of its {len(elements)} points carries a time, so there is no pace to replay")
    if len(points) == 1:
        raise BadTrack("holds a single timed point; a walk needs at least two")
    for i, (before, after) in enumerate(pairwise(points), start=2):
        if after.time_us < before.time_us:
            raise BadTrack(f"its times run backwards at timed point {i} of {len(points)}")
    return Track(file=path.name, points_count=len(elements), points=points)


def _track_points(path: Path) -> Iterator[tuple[int, Element]]:
    """Every `trkpt` element of the file with the number of its segment.

    Entity bombs end as ParseError: expat bounds their growth.
    """
    parser: XMLPullParser[Element] = XMLPullParser(events=("start", "end"))
    read_bytes = segment = 0
    root_seen = False
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                read_bytes += len(chunk)
                if read_bytes > FILE_BYTES_MAX:
                    raise BadTrack(f"is larger than {FILE_BYTES_MAX // 2**20} MiB")
                parser.feed(chunk)
                for event, element in cast(Iterator[tuple[str, Element]], parser.read_events()):
                    if not root_seen and _name(element) != "gpx":
                        raise BadTrack(f"is not GPX: its root element is <{_name(element)}>")
                    root_seen = True
                    segment += event == "start" and _name(element) == "trkseg"
                    if event == "end" and _name(element) == "trkpt":
                        yield segment, element
            parser.close()
    except OSError as error:
        raise BadTrack(f"cannot be read: {error.strerror or error}") from error
    except ParseError as error:
        raise BadTrack(f"is not well-formed XML: {error}") from error


def _timed_point(element: Element, segment: int) -> TrackPoint | None:
    """The point of a `trkpt` element, or None when it carries no time."""
    text = {_name(child): (child.text or "").strip() for child in element}
    if not text.get("time"):
        return None
    return TrackPoint(
        lat_deg=_degrees(element, "lat", 90.0),
        lng_deg=_degrees(element, "lon", 180.0),
        altitude_m=_metres(text.get("ele", "")),
        time_us=_time_us(text["time"]),
        segment=segment,
    )


def _degrees(element: Element, name: str, bound: float) -> float:
    try:
        value = float(element.get(name, ""))
    except ValueError:
        value = math.nan
    if not abs(value) <= bound:
        raise BadTrack(f'has a point whose {name} is not a number of degrees: "{element.get(name, "")[:40]}"')
    return value


def _metres(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _time_us(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadTrack(f'has a point whose time cannot be read: "{text[:40]}"') from error
    return to_us(at if at.tzinfo else at.replace(tzinfo=UTC))


def _name(element: Element) -> str:
    """The tag without its namespace: GPX 1.0, 1.1 and files without one are read alike."""
    return element.tag.rpartition("}")[2]
