"""Where the walkers were last, kept in the server's data folder, so that they go on from there.

A player who suddenly stands elsewhere is not believed, for as long as the way there would take.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from overworld.app.demo.city import City, Place

FILE_NAME = "demo.places"


class Places(Struct, frozen=True, forbid_unknown_fields=True):
    """The walkers' places by their number, (n,), in metres from the middle of their city."""

    seed: int
    city: City
    place: list[Place]

    def write(self, data: Path) -> None:
        """Puts them into the data folder, whole or not at all. Raises: OSError."""
        draft = data / f"{FILE_NAME}.{os.getpid()}"
        draft.write_bytes(msgspec.json.encode(self))
        draft.replace(data / FILE_NAME)


def read(data: Path, *, seed: int, city: City) -> list[Place]:
    """The last places of these walkers; none when others walked last, or nobody did."""
    try:
        kept = msgspec.json.decode((data / FILE_NAME).read_bytes(), type=Places)
    except (OSError, msgspec.DecodeError):
        return []
    return kept.place if (kept.seed, kept.city) == (seed, city) else []
