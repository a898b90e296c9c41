"""What another player gets to know of a place."""

from __future__ import annotations

from overworld.domains.world.shares.types import COARSE, Home, Shown, Sight, Zone
from overworld.geo import cells as geo_cells
from overworld.geo.sphere import distance_between_m

# The mean edge of a cell of level 0, in metres: the root of a sixth of the sphere.
_EDGE_M = 9_219_658.0
_MARGIN_M = 0.01
# A metre. To the centimetre nobody is shown a place: whoever then sent it as theirs would be taken for the same person.
_LIVE_DIGITS = 5


def zone_of(home: Home, *, coarse_level: int) -> Zone:
    """The zone of a home: a disc around the middle of the S2 cell that holds it, of one as wide as the radius or wider.

    The zone holds the whole disc around the home. It follows from the cell and the radius alone, so whoever measures
    it, however well, learns the cell and not the place in it; and a home that is told again a few metres off, or by
    somebody who lives there too, gives the same zone and so nothing to intersect.
    """
    cell = geo_cells.cell_of(home.lat_deg, home.lng_deg, _level(home.radius_m, coarse_level))
    middle = geo_cells.centre_deg(cell)
    corner_m = max(distance_between_m(*middle, *corner) for corner in geo_cells.vertices_deg(cell))
    return Zone(lat_deg=middle[0], lng_deg=middle[1], reach_m=home.radius_m + corner_m + _MARGIN_M)


def shown(lat_deg: float, lng_deg: float, *, sight: Sight, zone: Zone | None, coarse_level: int) -> Shown:
    """A place at the sight that was granted, to a metre; inside the zone of a home, the middle of the zone."""
    if zone is not None and distance_between_m(lat_deg, lng_deg, zone.lat_deg, zone.lng_deg) <= zone.reach_m:
        return Shown(lat_deg=zone.lat_deg, lng_deg=zone.lng_deg, exact=False)
    if sight == COARSE:
        lat_deg, lng_deg = geo_cells.centre_deg(geo_cells.cell_of(lat_deg, lng_deg, coarse_level))
        return Shown(lat_deg=lat_deg, lng_deg=lng_deg, exact=False)
    return Shown(lat_deg=round(lat_deg, _LIVE_DIGITS), lng_deg=round(lng_deg, _LIVE_DIGITS), exact=True)


def _level(radius_m: int, coarse_level: int) -> int:
    """The finest level up to the coarse one whose cells are on average as wide as the radius."""
    level = coarse_level
    while _EDGE_M / (1 << level) < radius_m:
        level -= 1
    return level
