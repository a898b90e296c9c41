"""The sphere: unit vectors, distances in metres, and where a walk ends. Degrees in, degrees out.

Source of the radius: mean radius R1 of GRS 80, IUGG (Moritz, Journal of Geodesy 74, 2000).
"""

from __future__ import annotations

import math

import numpy as np

from overworld.geo.columns import F64

EARTH_RADIUS_M = 6_371_008.8


def unit_vectors(lat_deg: F64, lng_deg: F64) -> F64:
    """The unit vectors of places, float64 (n, 3): x to (0, 0), y to (0, 90 E), z to the north pole."""
    phi, theta = np.radians(lat_deg), np.radians(lng_deg)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)


def distance_m(lat_deg: float, lng_deg: float, to_lat_deg: F64, to_lng_deg: F64) -> F64:
    """Great-circle distance from one point to many, in metres.

    Targets are float64 (n,) in degrees; the result is aligned with them. NaN in, NaN out.
    Source: haversine, R. W. Sinnott, Sky & Telescope 68 (1984).
    """
    phi, to_phi = np.radians(lat_deg), np.radians(to_lat_deg)
    across = np.sin(0.5 * np.radians(np.subtract(to_lng_deg, lng_deg))) ** 2
    square = np.sin(0.5 * (to_phi - phi)) ** 2 + np.cos(phi) * np.cos(to_phi) * across
    metres: F64 = 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(square, 1.0)))
    return metres


def distance_between_m(lat_deg: float, lng_deg: float, to_lat_deg: float, to_lng_deg: float) -> float:
    """The same distance between two points."""
    phi, to_phi = math.radians(lat_deg), math.radians(to_lat_deg)
    across = math.sin(0.5 * math.radians(to_lng_deg - lng_deg)) ** 2
    square = math.sin(0.5 * (to_phi - phi)) ** 2 + math.cos(phi) * math.cos(to_phi) * across
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(square, 1.0)))


def destination_deg(lat_deg: float, lng_deg: float, bearing_deg: float, distance_m: float) -> tuple[float, float]:
    """Where one arrives who walks a great circle from a place; the bearing is clockwise from north.

    The longitude is in [-180, 180]. At a pole north is the way that the meridian of the given longitude runs on.
    """
    phi, theta, bearing = math.radians(lat_deg), math.radians(lng_deg), math.radians(bearing_deg)
    angle = distance_m / EARTH_RADIUS_M
    north, east = math.sin(angle) * math.cos(bearing), math.sin(angle) * math.sin(bearing)
    out = math.cos(angle) * math.cos(phi) - north * math.sin(phi)
    x = out * math.cos(theta) - east * math.sin(theta)
    y = out * math.sin(theta) + east * math.cos(theta)
    z = math.cos(angle) * math.sin(phi) + north * math.cos(phi)
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
