"""The page draws rooms with S2 of its own; what it is tested against are the server's cells."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from overworld.geo import cells

FIXTURE = Path(__file__).parents[2] / "web/test/cells.json"
_EDGES = [(90.0, 0.0), (-90.0, 77.0), (0.0, 180.0), (0.0, -180.0), (12.5, 179.999999), (-41.0, -179.999999)]
_EDGES += [(35.2643897, 45.0), (-35.2643897, -135.0), (0.0, 45.0), (0.0, 0.0), (45.0, 0.0), (46.0511, 14.5051)]
_LEVELS = (1, 8, 15, 20, 24)


def known_cells() -> str:
    """Places with their cells' tokens and corners, one a line, as `web/test/cells.json` holds them."""
    chance = random.Random(15)
    places = [*_EDGES, *((chance.uniform(-90, 90), chance.uniform(-180, 180)) for _ in range(40))]
    lines = []
    for lat, lng in places:
        for level in _LEVELS:
            cell = cells.cell_of(lat, lng, level)
            corners = [[round(degrees, 12) for degrees in corner] for corner in cells.vertices_deg(cell)]
            known = {"lat": lat, "lng": lng, "level": level, "token": cells.token(cell), "corners": corners}
            lines.append(json.dumps(known))
    return "[\n" + ",\n".join(lines) + "\n]\n"


def test_the_pages_cells_are_tested_against_the_servers() -> None:
    assert FIXTURE.read_text() == known_cells(), "write it anew: python -m tests.web.test_cells"


if __name__ == "__main__":
    sys.stdout.write(f"{FIXTURE.write_text(known_cells())} characters\n")
