"""Geofences of a city for a benchmark: half of them circles, half polygons."""

from __future__ import annotations

import math
from typing import Annotated, Any
from uuid import UUID

import msgspec
import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.players import Seat, ask_all
from bench.servers import ServerProcess
from overworld.client.raw_http import request
from overworld.domains.world.fences.covering import covering
from overworld.domains.world.fences.index import Listed
from overworld.domains.world.fences.shapes import drawn
from overworld.domains.world.fences.types import Ring, Shape
from overworld.geo.sphere import destination_deg

FenceCount = Annotated[int, Parameter(validator=Number(gte=0, lte=10_000))]

_RADIUS_M = (20.0, 300.0)
_CORNERS = (4, 16)


def shapes(count: int, *, middle_deg: tuple[float, float], size_deg: tuple[float, float], seed: int) -> list[Shape]:
    """So many fences in a city of a size in degrees, from 20 to 300 m wide each way."""
    random = np.random.default_rng(seed)
    made = []
    for k in range(count):
        lat_deg, lng_deg = (float(m + s * (random.random() - 0.5)) for m, s in zip(middle_deg, size_deg, strict=True))
        radius_m = float(math.exp(random.uniform(*np.log(_RADIUS_M))))
        if k % 2:
            made.append(Shape(lat_deg=lat_deg, lng_deg=lng_deg, radius_m=radius_m))
        else:
            made.append(Shape(polygons=[[_star(random, (lat_deg, lng_deg), radius_m)]]))
    return made


def listed(wanted: list[Shape]) -> list[Listed]:
    """The same, ready for an index; every third dwells after a minute."""
    made = []
    for k, shape in enumerate(wanted):
        ready = drawn(shape)
        made.append(Listed(UUID(int=k), f"fence {k}", 1, 60 if k % 3 == 0 else None, ready, covering(ready)))
    return made


def feature(k: int, shape: Shape) -> dict[str, Any]:
    """A fence as a GeoJSON feature."""
    properties: dict[str, Any] = {"name": f"fence {k}"}
    if shape.polygons:
        geometry: dict[str, Any] = {"type": "Polygon", "coordinates": shape.polygons[0]}
    else:
        geometry = {"type": "Point", "coordinates": [shape.lng_deg, shape.lat_deg]}
        properties["radius_m"] = shape.radius_m
    return {"type": "Feature", "geometry": geometry, "properties": properties}


async def draw(server: ServerProcess, seat: Seat, wanted: list[Shape]) -> None:
    """Makes a server judge by fences. Raises: RuntimeError when it refuses."""
    if not wanted:
        return
    body = msgspec.json.encode(
        {"type": "FeatureCollection", "features": [feature(k, shape) for k, shape in enumerate(wanted)]}
    ).decode()
    asked = request("POST", "/v1/admin/fences/import", token=seat.token, key=server.key, body=body)
    await ask_all(server.http, "import of fences", [asked.encode()])


def _star(random: np.random.Generator, middle_deg: tuple[float, float], radius_m: float) -> Ring:
    count = int(random.integers(*_CORNERS))
    corners = [
        destination_deg(*middle_deg, 360 * (k + 0.8 * random.random()) / count, radius_m * random.uniform(0.5, 1.0))
        for k in range(count)
    ]
    return [[lng, lat] for lat, lng in corners]
