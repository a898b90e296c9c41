"""Who is around: what frames of kind 3 have told, moved on to the time at which one looks."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.client.packed import Section, SurroundingsFrame
from overworld.geo import cells, sphere
from overworld.kernel import packed
from overworld.kernel.clock import Clock, SystemClock

Xyz = tuple[float, float, float]

_CLOCK_MS = 2**32
_MS_PER_S = 1_000.0


class Around(Struct, frozen=True, kw_only=True):
    """Somebody around, where strangers may know them to be. `id` means somebody only for as long as they are around.

    `heading_deg` counts from north over east; a speed of 0 also says that it is not known.
    """

    id: int
    account_id: str
    cell: int
    lat: float
    lng: float
    heading_deg: float
    speed_m_s: float


class _Told(Struct):
    """What was told last of somebody."""

    account_id: str
    cell: int
    east: int
    north: int
    heading: int
    speed: int
    clock_ms: int


class Surroundings:
    """Everybody in the cells that the server tells of, without the player itself, whose account is `own_id`.

    It begins empty with each connection: the server then tells everything anew.
    """

    def __init__(self, *, own_id: str, clock: Clock | None = None) -> None:
        self._own_id = own_id
        self._clock = clock or SystemClock()
        self._told: dict[int, _Told] = {}
        self._in_cell: dict[int, set[int]] = {}
        self._planes: dict[int, _Plane] = {}
        self._frame_ms = 0
        self._frame_s = 0.0

    def __len__(self) -> int:
        return len(self._told)

    @property
    def cells(self) -> set[int]:
        """The cells that were told of and have not gone since, empty ones included."""
        return set(self._planes)

    @property
    def clock_ms(self) -> int:
        """The server's clock now, modulo 2**32: that of the last frame and the time since it came."""
        since_ms = round((self._clock.monotonic_s() - self._frame_s) * _MS_PER_S)
        return (self._frame_ms + since_ms) % _CLOCK_MS

    def apply(self, frame: SurroundingsFrame) -> None:
        """Takes in what a frame tells; it came just now."""
        self._frame_ms, self._frame_s = frame.clock_ms, self._clock.monotonic_s()
        for section in frame.sections:
            self._apply(section, frame.clock_ms)

    def everybody(self, clock_ms: int | None = None) -> list[Around]:
        """Everybody, where they are now, or at another time of the server's clock modulo 2**32."""
        at_ms = self.clock_ms if clock_ms is None else clock_ms
        return [self._around(key, told, at_ms) for key, told in self._told.items()]

    def _apply(self, section: Section, clock_ms: int) -> None:
        cell = section.cell
        if section.is_whole or section.is_gone:
            for gone in self._in_cell.pop(cell, ()):
                del self._told[gone]
        if section.is_gone:
            self._planes.pop(cell, None)
            return
        if cell not in self._planes:
            self._planes[cell] = _Plane(cell)
        for left in section.left.tolist():
            if left in self._in_cell.get(cell, ()):
                self._forget(left)
        entered: list[Any] = section.entered.tolist()
        for key, east, north, heading, speed, account in entered:
            account_id = str(UUID(bytes=account))
            if account_id != self._own_id:
                self._place(key, _Told(account_id, cell, east, north, heading, speed, clock_ms))
        for key, east, north, heading, speed in section.moved.tolist():
            known = self._told.get(key)
            if known is not None:
                self._place(key, _Told(known.account_id, cell, east, north, heading, speed, clock_ms))

    def _place(self, key: int, told: _Told) -> None:
        self._forget(key)
        self._told[key] = told
        self._in_cell.setdefault(told.cell, set()).add(key)

    def _forget(self, key: int) -> None:
        told = self._told.pop(key, None)
        if told is not None:
            self._in_cell[told.cell].discard(key)

    def _around(self, key: int, told: _Told, at_ms: int) -> Around:
        heading_rad = packed.heading_rad(told.heading)
        on_m = packed.coasted_m(told.speed, _elapsed_s(told.clock_ms, at_ms))
        plane = self._planes[told.cell]
        lat, lng = plane.degrees(
            told.east * plane.unit_m + on_m * math.sin(heading_rad),
            told.north * plane.unit_m + on_m * math.cos(heading_rad),
        )
        return Around(
            id=key,
            account_id=told.account_id,
            cell=told.cell,
            lat=lat,
            lng=lng,
            heading_deg=math.degrees(heading_rad),
            speed_m_s=told.speed * packed.SPEED_UNIT_M_S,
        )


class _Plane:
    """The plane that touches the sphere at a cell's centre, on which offsets are counted east and north."""

    def __init__(self, cell: int) -> None:
        lat_deg, lng_deg = cells.centre_deg(cell)
        phi, theta = math.radians(lat_deg), math.radians(lng_deg)
        self.unit_m = packed.offset_unit_m(cells.level_of(cell))
        self._up: Xyz = (math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi))
        self._east: Xyz = (-math.sin(theta), math.cos(theta), 0.0)
        self._north: Xyz = (-math.sin(phi) * math.cos(theta), -math.sin(phi) * math.sin(theta), math.cos(phi))

    def degrees(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Latitude and longitude of the place on the sphere straight below a place on the plane."""
        east, north = east_m / sphere.EARTH_RADIUS_M, north_m / sphere.EARTH_RADIUS_M
        up = math.sqrt(1.0 - (east * east + north * north))
        x, y, z = (up * u + east * e + north * n for u, e, n in zip(self._up, self._east, self._north, strict=True))
        return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def _elapsed_s(since_ms: int, at_ms: int) -> float:
    """The way from one time to another on a clock that begins anew, at most half of it; negative when backwards."""
    passed_ms = (at_ms - since_ms) % _CLOCK_MS
    return (passed_ms - _CLOCK_MS if passed_ms >= _CLOCK_MS // 2 else passed_ms) / _MS_PER_S
