"""What the live map is told. Places are exact, degrees; lists are columns, aligned with each other."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from overworld.domains.gameplay.carry.messages import ItemSeen, ToolSeen
from overworld.domains.gameplay.quests.messages import ObjectiveSeen
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
    """What the map shows: the game and the names it uses. `demo` says that simulated players walk.

    `follows` says that the caller may ask for any player in view, `charts` that the caller may listen to the live
    figures of the whole game; both are told to each caller anew.
    """

    title: str
    planet: str
    collectibles: str
    room_level: int
    demo: bool
    home: LiveHome | None
    types: list[LiveType]
    server: LiveServer
    follows: bool = False
    charts: bool = False


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


class LiveBalance(Struct, frozen=True):
    """What a player holds of one currency, as a decimal string."""

    currency: str
    amount: str


class LiveQuest(Struct, frozen=True, kw_only=True):
    """A quest that a player has in hand; `met` says that it waits to be completed."""

    id: str
    type: str
    title: str
    met: bool
    objectives: list[ObjectiveSeen]
    closes_at: datetime | None


class LiveRival(Struct, frozen=True, kw_only=True):
    """A place near the player's own on a leaderboard, or that one; the name of an account that is gone is empty."""

    rank: int
    name: str
    score: str
    is_player: bool


class LiveStanding(Struct, frozen=True, kw_only=True):
    """Where a player stands on a board, best first; `rank` is null for who has no score there."""

    board: str
    counts: str
    rank: int | None
    players: int
    around: list[LiveRival]


class LivePlayer(Struct, frozen=True, kw_only=True):
    """One player: what they hold, what they are at, and where they stand.

    `id` is what the map calls them, null while this server does not know where they are. The level goes from one total
    of experience to the next; the last one has none. The first 50 `items` and 20 quests are told.
    """

    id: int | None
    name: str
    level: int
    experience: int
    level_from: int
    level_to: int | None
    balances: list[LiveBalance]
    items: list[ItemSeen]
    tool: ToolSeen | None
    quests: list[LiveQuest]
    standings: list[LiveStanding]


def players_of(found: Located) -> LivePlayers:
    """The columns without their count."""
    return LivePlayers(found.id, found.lat, found.lng)
