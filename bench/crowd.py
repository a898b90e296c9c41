"""A city full of players, put into a world at once: through the passes that judge and move fixes, without sockets."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np

from overworld.domains.world.engine.engine import pass_of
from overworld.domains.world.rules import FIX
from overworld.domains.world.service import World
from overworld.geo.columns import F64

MIDDLE_DEG = (37.55, 126.99)
_SIZE_M = (37_000.0, 30_000.0)  # north, east
_HOTSPOTS = 30
_IN_HOTSPOTS = 0.6
_SIGMA_M = (200.0, 800.0)
_DEGREE_M = 111_195.0
_AT_ONCE = 50_000
_ID_BYTES = 16


def city(count: int, *, seed: int) -> tuple[F64, F64]:
    """Latitudes and longitudes, (n,): 60 % around 30 hotspots, the rest evenly over 37 by 30 km, in no order."""
    random = np.random.default_rng(seed)
    hotspot_m = (random.random((_HOTSPOTS, 2)) - 0.5) * _SIZE_M
    sigma_m = random.uniform(*_SIGMA_M, _HOTSPOTS)
    around = random.integers(0, _HOTSPOTS, int(count * _IN_HOTSPOTS))
    places_m = np.concatenate(
        [
            hotspot_m[around] + random.normal(size=(around.size, 2)) * sigma_m[around, None],
            (random.random((count - around.size, 2)) - 0.5) * _SIZE_M,
        ]
    )
    random.shuffle(places_m)
    east_degree_m = _DEGREE_M * math.cos(math.radians(MIDDLE_DEG[0]))
    return MIDDLE_DEG[0] + places_m[:, 0] / _DEGREE_M, MIDDLE_DEG[1] + places_m[:, 1] / east_degree_m


def ids(count: int, *, seed: int) -> list[UUID]:
    """Who stands there, (n,)."""
    raw = np.random.default_rng(seed).bytes(_ID_BYTES * count)
    return [UUID(bytes=raw[first : first + _ID_BYTES]) for first in range(0, len(raw), _ID_BYTES)]


def fill(world: World, lat_deg: F64, lng_deg: F64, *, now_us: int, seed: int) -> None:
    """Puts a player at each place, by the world's own passes, or tells again that they are there.

    Their ids are those of `ids`. Raises: RuntimeError when a fix is refused.
    """
    player_ids = ids(lat_deg.size, seed=seed)
    for first in range(0, lat_deg.size, _AT_ONCE):
        last = min(first + _AT_ONCE, lat_deg.size)
        records = np.zeros(last - first, FIX)
        records["slot"] = [world.engine.players.admit(player_id, now_us=now_us) for player_id in player_ids[first:last]]
        records["time_us"] = now_us
        records["lat_deg"], records["lng_deg"] = lat_deg[first:last], lng_deg[first:last]
        records["accuracy_m"], records["altitude_m"] = 5.0, math.nan
        records["speed_m_s"] = records["heading_deg"] = math.nan
        judged = world.engine.move(world.engine.validate(pass_of(records, now_us=now_us))).judged
        if refused := int(np.count_nonzero(judged["reason"])):
            raise RuntimeError(f"{refused} fixes of the crowd were refused")
