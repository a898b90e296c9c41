"""Speed and heading of a player as watchers are told them: a byte each."""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

from overworld.domains.world.rules import SECOND_US
from overworld.geo.compiled import inner_kernel
from overworld.geo.kernels import EARTH_RADIUS_M
from overworld.kernel.packed import SPEED_UNIT_M_S

_SPAN_MIN_S, _SPAN_MAX_S = 0.5, 10.0
_BYTE_MAX = 255
_TURN = 256


@inner_kernel
def motion_of(fix: Any, track: Any, x: float, y: float, z: float) -> tuple[int, int]:
    """Heading and speed at an accepted fix: what the client tells, else from the track's mark, a second or two back.

    `x, y, z` is the unit vector of the fix, already the last one of the track. Zero when neither says anything.
    """
    speed_m_s, heading_turns = float(fix.speed_m_s), float(fix.heading_deg) / 360.0
    if math.isnan(speed_m_s) or (speed_m_s > 0.0 and math.isnan(heading_turns)):
        span_s = (fix.time_us - track.mark_time_us) / SECOND_US
        if not _SPAN_MIN_S <= span_s <= _SPAN_MAX_S:
            return 0, 0
        east, north = components(x - track.mark_x, y - track.mark_y, z - track.mark_z, x, y, z)
        if math.isnan(speed_m_s):
            speed_m_s = math.sqrt(east * east + north * north) * EARTH_RADIUS_M / span_s
        heading_turns = math.atan2(east, north) / (2.0 * math.pi)
    speed = int(min(_BYTE_MAX, round(speed_m_s / SPEED_UNIT_M_S)))
    if speed <= 0 or math.isnan(heading_turns):
        return 0, 0
    return round(heading_turns * _TURN) % _TURN, speed


@inner_kernel
def components(dx: float, dy: float, dz: float, x: float, y: float, z: float) -> tuple[float, float]:
    """East and north of a small step that ends at a unit vector; at a pole itself east is where y grows."""
    across = math.sqrt(x * x + y * y)
    if across == 0.0:
        return dy, -z * dx
    east = (x * dy - y * dx) / across
    north = across * dz - z * (x * dx + y * dy) / across
    return east, north


ALL = (motion_of, components)
