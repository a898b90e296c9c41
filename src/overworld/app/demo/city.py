"""A city as walkers know it: a disc, measured in metres east and north of its middle. Pure, and right at the poles."""

from __future__ import annotations

import math
from random import Random

from msgspec import Struct

from overworld.geo import sphere

Place = tuple[float, float]
"""Metres east and north of a city's middle, along great circles through it."""


class City(Struct, frozen=True):
    """A disc around a place on Earth. Distances between its places are true to a millionth up to 20 km of radius."""

    lat_deg: float
    lng_deg: float
    radius_m: float

    @property
    def area_km2(self) -> float:
        """How much there is to walk."""
        return math.pi * (self.radius_m / 1_000) ** 2

    def degrees(self, place: Place) -> tuple[float, float]:
        """Latitude and longitude of a place."""
        east_m, north_m = place
        bearing_deg = math.degrees(math.atan2(east_m, north_m))
        return sphere.destination_deg(self.lat_deg, self.lng_deg, bearing_deg, math.hypot(east_m, north_m))

    def place(self, lat_deg: float, lng_deg: float) -> Place:
        """The place at a latitude and longitude; what `degrees` gives, read back."""
        phi, theta, far = math.radians(self.lat_deg), math.radians(lat_deg), math.radians(lng_deg - self.lng_deg)
        east = math.cos(theta) * math.sin(far)
        north = math.cos(phi) * math.sin(theta) - math.sin(phi) * math.cos(theta) * math.cos(far)
        up = math.sin(phi) * math.sin(theta) + math.cos(phi) * math.cos(theta) * math.cos(far)
        beside = math.hypot(east, north)
        metres = sphere.EARTH_RADIUS_M * math.atan2(beside, up)
        return (metres * east / beside, metres * north / beside) if beside else (0.0, 0.0)

    def holds(self, place: Place) -> bool:
        """Whether a place lies in the city."""
        return math.hypot(*place) <= self.radius_m

    def somewhere(self, random: Random) -> Place:
        """A place drawn evenly from the whole city."""
        angle, out_m = random.uniform(0, math.tau), self.radius_m * math.sqrt(random.random())
        return out_m * math.sin(angle), out_m * math.cos(angle)
