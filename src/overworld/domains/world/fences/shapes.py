"""The geometry of fences: each in the plane that touches the sphere at its middle.

Seen from the sphere's centre (the gnomonic projection) great circles are straight lines in that plane, wherever the
fence lies: over a pole, over the date line. So edges that are geodesics are judged by plane geometry, exactly. The
plane holds half the sphere; fences are bounded well inside that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.fences.types import REACH_MAX_M, VERTICES_MAX, Ring, Shape
from overworld.geo.columns import F64
from overworld.geo.kernels import chord2_of_metres, degrees_of, unit_xyz
from overworld.geo.sphere import EARTH_RADIUS_M, unit_vectors

_REACH_MAX = REACH_MAX_M / EARTH_RADIUS_M
_AREA_MIN = (0.5 / EARTH_RADIUS_M) ** 2
_SAME_CORNER = 1e-12
_PLACE_NUMBERS = 2
_RING_MIN = 3
_LAT_MAX_DEG, _LNG_MAX_DEG = 90.0, 360.0


class BadShape(ValueError):
    """This is no shape of a fence; says why in words for whoever drew it."""


class Drawn(Struct, frozen=True):
    """A shape ready to be judged by.

    `frame` is float64 (3, 3): the unit vector of the middle and the two axes of its plane. Edges are float64 (n, 6),
    unit vectors of both ends, (0, 6) for a circle; `plane` the same edges in the plane, (n, 4). `chord2` is the
    squared chord of a circle's radius, -1 for polygons. Nothing of it is farther from the middle than `reach`, in
    radians.
    """

    frame: F64
    chord2: float
    edges: F64
    plane: F64
    reach: float

    @property
    def middle_deg(self) -> tuple[float, float]:
        """Latitude and longitude of the middle."""
        return degrees_of(*self.frame[0].tolist())


def drawn(shape: Shape) -> Drawn:
    """The shape in its plane. Raises: BadShape."""
    if not shape.polygons:
        return _circle(shape)
    rings = [_vertices(ring) for polygon in shape.polygons for ring in polygon]
    if sum(map(len, rings)) > VERTICES_MAX:
        raise BadShape(f"has {sum(map(len, rings))} vertices, at most {VERTICES_MAX} are allowed")
    every = np.concatenate(rings)
    sum_xyz = every.sum(axis=0)
    length = float(np.linalg.norm(sum_xyz))
    frame = _frame(sum_xyz / length if length > 1e-9 * len(every) else np.array([0.0, 0.0, 1.0]))
    reach = float(np.arccos(np.clip((every @ frame[0]).min(), -1.0, 1.0)))
    if reach > _REACH_MAX:
        raise BadShape(f"reaches farther than {REACH_MAX_M / 1_000:g} km from its middle")
    edges = np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in rings])
    plane = np.hstack([projected(frame, edges[:, :3]), projected(frame, edges[:, 3:])])
    _require_simple(plane, [len(ring) for ring in rings])
    if len(shape.polygons) > 1:
        is_seam = _seams(edges)
        edges, plane = edges[~is_seam], plane[~is_seam]
    return Drawn(frame, -1.0, edges, plane, _reach_of_edges(edges, frame[0], reach))


def projected(frame: F64, xyz: F64) -> F64:
    """Where unit vectors less than a quarter of the way round from the middle lie in the plane, (n, 2)."""
    off = xyz - frame[0]
    uv: F64 = (off @ frame[1:].T) / (xyz @ frame[0])[:, None]
    return uv


def _circle(shape: Shape) -> Drawn:
    if not (_is_place(shape.lat_deg, shape.lng_deg) and 0 < shape.radius_m <= REACH_MAX_M):
        raise BadShape(f"needs a place, and a radius up to {REACH_MAX_M:g} m")
    frame = _frame(np.array(unit_xyz(float(shape.lat_deg), float(shape.lng_deg))))
    chord2 = chord2_of_metres(float(shape.radius_m))
    return Drawn(frame, chord2, np.empty((0, 6)), np.empty((0, 4)), shape.radius_m / EARTH_RADIUS_M)


def _vertices(ring: Ring) -> F64:
    """Unit vectors of a ring's corners, (n, 3), each once: without the repeated last one."""
    for place in ring:
        if len(place) < _PLACE_NUMBERS or not _is_place(place[1], place[0]):
            raise BadShape(f"{place} is no place: [longitude, latitude] in degrees are wanted")
    lng_deg, lat_deg = (np.array([place[k] for place in ring], np.float64) for k in (0, 1))
    xyz = unit_vectors(lat_deg, lng_deg)
    is_new = np.abs(xyz - np.roll(xyz, 1, axis=0)).max(axis=1, initial=0.0) > _SAME_CORNER
    kept: F64 = xyz[is_new]
    if len(kept) < _RING_MIN:
        raise BadShape(f"a ring has {len(kept)} different corners one after the other, at least {_RING_MIN} are needed")
    return kept


def _is_place(lat_deg: float, lng_deg: float) -> bool:
    return abs(lat_deg) <= _LAT_MAX_DEG and abs(lng_deg) <= _LNG_MAX_DEG


def _frame(middle: F64) -> F64:
    """The middle and two axes at right angles across it."""
    helper = np.zeros(3)
    helper[int(np.abs(middle).argmin())] = 1.0
    middle = middle / np.linalg.norm(middle)
    u = np.cross(helper, middle)
    u -= (u @ middle) * middle
    u /= np.linalg.norm(u)
    v = np.cross(middle, u)
    return np.stack([middle, u, v / np.linalg.norm(v)])


def _reach_of_edges(edges: F64, middle: F64, reach: float) -> float:
    """How far the farthest place of the edges is: a corner, for caps below half the sphere are convex."""
    farthest = np.minimum(edges[:, :3] @ middle, edges[:, 3:] @ middle).min()
    return max(reach, math.acos(max(-1.0, min(1.0, float(farthest)))))


def _require_simple(plane: F64, counts: Sequence[int]) -> None:
    """Rings have an area and do not cross themselves or each other; touching is allowed. Raises: BadShape."""
    start = 0
    for count in counts:
        u, v = plane[start : start + count, 0], plane[start : start + count, 1]
        if abs(float(np.sum(u * np.roll(v, -1) - np.roll(u, -1) * v))) / 2 < _AREA_MIN:
            raise BadShape("a ring encloses less than a quarter of a square metre")
        start += count
    crossing = _first_crossing(plane)
    if crossing is not None:
        raise BadShape(f"edges {crossing[0]} and {crossing[1]} cross, counted from 0 over all rings")


def _first_crossing(plane: F64) -> tuple[int, int] | None:
    """The first two edges that cross each other in the inside of both; n*n tests by columns."""
    a, b = plane[:, :2], plane[:, 2:]
    for i in range(len(plane) - 1):
        sides = _side(a[i], b[i], a[i + 1 :]) * _side(a[i], b[i], b[i + 1 :])
        if not (sides < 0).any():
            continue
        mine = _side(a[i + 1 :], b[i + 1 :], a[i]) * _side(a[i + 1 :], b[i + 1 :], b[i])
        found = np.flatnonzero((sides < 0) & (mine < 0))
        if found.size:
            return i, i + 1 + int(found[0])
    return None


def _seams(edges: F64) -> NDArray[np.bool_]:
    """Which edges two polygons have in common, as where the date line cuts one in two, (n,). Those part nothing: who
    walks along one would be said to come and go by rounding alone.
    """
    start, end = edges[:, :3], edges[:, 3:]
    is_seam = np.zeros(len(edges), np.bool_)
    for i in range(len(edges)):
        forth = (np.abs(start - start[i]) + np.abs(end - end[i])).max(axis=1)
        back = (np.abs(start - end[i]) + np.abs(end - start[i])).max(axis=1)
        is_seam[i] = np.count_nonzero(np.minimum(forth, back) < _SAME_CORNER) % 2 == 0
    return is_seam


def _side(a: F64, b: F64, c: F64) -> NDArray[np.float64]:
    """On which side of the lines from a to b the points c lie: -1, 0 (nearer than rounding can tell) or 1."""
    along, to = b - a, c - a
    area = along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
    scale = np.abs(along).max(axis=-1) * np.abs(to).max(axis=-1)
    signs: NDArray[np.float64] = np.where(np.abs(area) <= 1e-9 * scale, 0.0, np.sign(area))
    return signs
