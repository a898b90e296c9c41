"""A box between two parallels and two meridians: what a map shows."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct

from overworld.geo.columns import F64, Bools
from overworld.geo.sphere import distance_m

_TURN_DEG = 360.0


class Box(Struct, frozen=True, kw_only=True):
    """Degrees, edges included. `west_deg` above `east_deg` means that the box crosses the date line."""

    west_deg: float
    south_deg: float
    east_deg: float
    north_deg: float

    @property
    def width_deg(self) -> float:
        """How many degrees of longitude it spans, 0 to 360."""
        wide = self.east_deg - self.west_deg
        return wide if wide >= 0 else wide + _TURN_DEG

    def holds(self, lat_deg: F64, lng_deg: F64) -> Bools:
        """Which places lie in it, aligned with the columns, (n,); NaN lies nowhere. Longitudes are -180 to 180."""
        inside: Bools = (lat_deg >= self.south_deg) & (lat_deg <= self.north_deg)
        if self.west_deg <= self.east_deg:
            inside &= (lng_deg >= self.west_deg) & (lng_deg <= self.east_deg)
        else:
            inside &= (lng_deg >= self.west_deg) | (lng_deg <= self.east_deg)
        return inside

    def disc(self) -> tuple[float, float, float]:
        """The smallest disc about the box's middle that covers it: latitude, longitude in degrees, radius in metres.

        On every parallel the farthest place is on the western and eastern edge alike. Along that edge the cosine of
        the distance is `a sin(lat) + b cos(lat)`, which is least at an end or where the two are opposite.
        """
        lat_deg = (self.south_deg + self.north_deg) / 2
        half_deg = self.width_deg / 2
        lng_deg = (self.west_deg + half_deg + 180.0) % _TURN_DEG - 180.0
        a, b = math.sin(math.radians(lat_deg)), math.cos(math.radians(lat_deg)) * math.cos(math.radians(half_deg))
        opposite_deg = min(max(math.degrees(math.atan2(-a, -b)), self.south_deg), self.north_deg)
        edge_deg = np.array([self.south_deg, opposite_deg, self.north_deg])
        return lat_deg, lng_deg, float(distance_m(lat_deg, lng_deg, edge_deg, np.full(3, self.west_deg)).max())
