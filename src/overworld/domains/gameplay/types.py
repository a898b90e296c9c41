"""What gameplay decides over: its part of the game definition, spawned collectibles, progress, settings."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from overworld.kernel.money import Currency
from overworld.kernel.secretive import Secretive

NOBODY = UUID(int=0)
EXPERIENCE_MAX = 2**53
"""What a JSON number holds exactly; a player's total stays there."""


class Mode(StrEnum):
    """Who may take a collectible: `shared` the first who comes, `personal` every player once."""

    SHARED = "shared"
    PERSONAL = "personal"


class CollectibleType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[collectibles.types.NAME]` of game.toml: how often it spawns beside the others, and what it is worth."""

    weight: Annotated[int, Meta(ge=1, le=1_000_000)]
    value: Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$", max_length=32)]
    currency: Annotated[str, Meta(min_length=1, max_length=16)]
    mode: Mode = Mode.SHARED


class CollectibleRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[collectibles]` of game.toml. The daily cap counts UTC days.

    With `near_land` nothing spawns more than 30 km off the land of the bundled map.
    """

    cell_level: Annotated[int, Meta(ge=12, le=16)] = 15
    window_s: Annotated[int, Meta(ge=60, le=86_400)] = 1_800
    mean_per_cell: Annotated[float, Meta(gt=0, le=64)] = 4.0
    reach_m: Annotated[float, Meta(gt=0, le=1_000)] = 50.0
    daily_cap: Annotated[int, Meta(ge=1, le=1_000_000)] = 500
    near_land: bool = True
    types: Annotated[dict[str, CollectibleType], Meta(min_length=1, max_length=64)]


class ProgressionRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[progression]` of game.toml.

    `experience_per_unit` is earned for each whole unit of a collectible's value; `levels` are the totals of experience
    at which level 2, 3, ... begin, strictly growing.
    """

    experience_per_unit: Annotated[int, Meta(ge=0, le=1_000_000)]
    levels: Annotated[tuple[Annotated[int, Meta(ge=1, le=2**53)], ...], Meta(max_length=1_000)]


class GameplaySettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set; what a game may set stands in its game.toml."""

    lanes: Annotated[int, Meta(ge=1, le=16, description="Batches of claims in flight at once.")] = 2
    batch_max: Annotated[int, Meta(ge=1, le=2_048, description="Most claims in one transaction.")] = 256
    queue_max: Annotated[int, Meta(ge=1, le=65_536, description="Most claims that wait in one lane.")] = 4_096
    fix_age_max_s: Annotated[int, Meta(ge=1, le=300, description="Oldest position a claim is judged by.")] = 60
    nearby_radius_max_m: Annotated[float, Meta(gt=0, le=3_000, description="Widest radius of a nearby query.")] = 3_000
    cells_cached_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Spawn cells kept in memory.")] = 32_768
    spawn_key: Annotated[
        str,
        Meta(
            max_length=256,
            description="Secret that decides every spawn; empty: made once, kept in the database.",
            extra={"secret": True},
        ),
    ] = ""


class Kind(Struct, frozen=True, kw_only=True):
    """A collectible type with everything that follows from it worked out."""

    type: str
    value_minor: int
    currency: Currency
    experience: int
    mode: Mode

    @property
    def value(self) -> str:
        """The value as clients read it."""
        return self.currency.format(self.value_minor)


class SpawnTable(Struct, frozen=True, kw_only=True):
    """What can spawn: kinds with their weights, aligned, (n,), and how densely over space and time."""

    cell_level: int
    window_s: int
    mean_per_cell: float
    kinds: tuple[Kind, ...]
    weights: tuple[int, ...]


class Spawn(Struct, frozen=True, kw_only=True, gc=False):
    """A collectible at its place: open from `opens_us` until before `closes_us`, microseconds since 1970.

    `id` is what clients hold; `key` the same without its MAC, as collections are stored.
    """

    id: str
    key: bytes
    kind: Kind
    cell: int
    lat_deg: float
    lng_deg: float
    opens_us: int
    closes_us: int

    def taking(self, player_id: UUID) -> tuple[bytes, UUID]:
        """What is taken when this player collects it: the same for all when it is shared."""
        return self.key, player_id if self.kind.mode is Mode.PERSONAL else NOBODY


class Player(Struct, frozen=True, kw_only=True):
    """A player's progress, and how many collectibles they took on the UTC day they last took one."""

    id: UUID
    experience: int = 0
    level: int = 1
    day: date = date(1970, 1, 1)
    collected_on_day: int = 0


class Progress(Struct, frozen=True):
    """How far a player has come."""

    experience: int
    level: int
