"""What the live map is told. Places are exact, degrees; lists are columns, aligned with each other."""

from __future__ import annotations

from msgspec import Struct

from overworld.domains.world.messages import Located


class LiveHome(Struct, frozen=True):
    """Where the map begins: a place and a radius in metres."""

    lat: float
    lng: float
    radius_m: float


class LiveType(Struct, frozen=True):
    """A type of collectible and what one is worth, in the order of the game's definition."""

    type: str
    value: str
    currency: str


class LiveServer(Struct, frozen=True):
    """The server's version."""

    version: str


class LiveAbout(Struct, frozen=True, kw_only=True):
    """What the map shows: the game and the names it uses. `demo` says that simulated players walk."""

    title: str
    planet: str
    collectibles: str
    room_level: int
    demo: bool
    home: LiveHome | None
    types: list[LiveType]
    server: LiveServer


class LiveTotals(Struct, frozen=True, kw_only=True):
    """`players` and `sockets` are there now; the others were counted since the server started."""

    players: int
    sockets: int
    fixes_accepted: int
    fixes_refused: int
    collected: int


class LivePlayers(Struct, frozen=True):
    """Players in view. An id is the player's for as long as this server remembers it."""

    id: list[int]
    lat: list[float]
    lng: list[float]


class LiveCollected(Struct, frozen=True):
    """Something was collected; `n` counts them since the server started."""

    n: int
    id: str
    type: str
    lat: float
    lng: float


class LiveCollections(Struct, frozen=True):
    """The newest collections after the number asked for, oldest first; `last` is the number of the newest of all."""

    last: int
    items: list[LiveCollected]


class LiveWorld(Struct, frozen=True, kw_only=True):
    """Who is in view. `epoch` changes when the server starts anew: then ids, totals and numbers begin anew too."""

    epoch: str
    at_ms: int
    totals: LiveTotals
    in_view: int
    players: LivePlayers
    collected: LiveCollections


class LiveLying(Struct, frozen=True):
    """What can be collected, as columns."""

    id: list[str]
    type: list[str]
    lat: list[float]
    lng: list[float]


class LiveCollectibles(Struct, frozen=True, kw_only=True):
    """What can be collected in view; at `expires_at_ms` at the latest there is something else."""

    at_ms: int
    expires_at_ms: int
    items: LiveLying


def players_of(found: Located) -> LivePlayers:
    """The columns without their count."""
    return LivePlayers(found.id, found.lat, found.lng)
