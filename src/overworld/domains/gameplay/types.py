"""What gameplay decides over: its part of the game definition, spawned collectibles, progress, settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.kernel.money import Currency
from overworld.kernel.secretive import Secretive

NOBODY = UUID(int=0)
WHOLE_BP = 10_000
EXPERIENCE_MAX = 2**53 - 1
"""What a JSON number holds exactly; a player's total stays there."""


class Mode(StrEnum):
    """Who may take a collectible: `shared` the first who comes, `personal` every player once."""

    SHARED = "shared"
    PERSONAL = "personal"


Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Weight = Annotated[int, Meta(ge=0, le=1_000_000)]


class CollectibleType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[collectibles.types.NAME]` of game.toml: how often it spawns beside the others, and what it is worth.

    A type of weight 0 never spawns: it is there to be placed. Who took one may take the next of its type only
    `cooldown_s` later.
    """

    weight: Weight
    value: Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$", max_length=32)]
    currency: Annotated[str, Meta(min_length=1, max_length=16)]
    mode: Mode = Mode.SHARED
    cooldown_s: Annotated[int, Meta(ge=0, le=31_536_000)] = 0


Share = Annotated[str, Meta(pattern=r"^[0-9](\.[0-9]{1,9})?$")]


class Biome(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[collectibles.biomes.NAME]` of game.toml: where it is, and what spawns otherwise there than elsewhere.

    A place belongs to the first biome that fits it, in the order of `rank`, then of the names, or to none. It fits
    where all that is said holds: degrees from the equator, north or south; within some 30 km of the sea or not
    (`coast`); and with a `share` below 1 only in so many of the cells of `share_level`, which nobody can foresee.
    `weights` replace those of the types they name; places are told apart by cells of about 10 km.
    """

    rank: Annotated[int, Meta(ge=0, le=1_000)] = 0
    latitude_min_deg: Annotated[float, Meta(ge=0, le=90)] = 0.0
    latitude_max_deg: Annotated[float, Meta(ge=0, le=90)] = 90.0
    coast: bool | None = None
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    share_level: Annotated[int, Meta(ge=4, le=10)] = 9
    mean_per_cell: Annotated[float, Meta(gt=0, le=64)] | None = None
    weights: Annotated[dict[str, Weight], Meta(max_length=64)] = {}


class CollectibleRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[collectibles]` of game.toml.

    The daily cap counts the days of `day`: `utc`, or `local` for the solar days of the level-5 cell a player is in.
    Who is trusted less than `trust_min` collects nothing; at the gate `reduced` tokens are paid in `reduced_share`, and
    what is held at `review` is given after `hold_days` unless somebody decides before. `member_bonus` says, for each
    membership, which share of a collectible's value comes on top: "0.25" is a quarter. With `near_land` nothing spawns
    more than 30 km off the land of the bundled map.
    """

    cell_level: Annotated[int, Meta(ge=12, le=16)] = 15
    window_s: Annotated[int, Meta(ge=60, le=86_400)] = 1_800
    mean_per_cell: Annotated[float, Meta(gt=0, le=64)] = 4.0
    reach_m: Annotated[float, Meta(gt=0, le=1_000)] = 50.0
    daily_cap: Annotated[int, Meta(ge=1, le=1_000_000)] = 500
    day: Literal["utc", "local"] = "utc"
    trust_min: Annotated[float, Meta(ge=0, le=1)] = 0.3
    reduced_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    hold_days: Annotated[int, Meta(ge=1, le=365)] = 14
    member_bonus: Annotated[dict[str, Share], Meta(max_length=64)] = {}
    near_land: bool = True
    types: Annotated[dict[str, CollectibleType], Meta(min_length=1, max_length=64)]
    biomes: Annotated[dict[Name, Biome], Meta(max_length=64)] = {}


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
    region_level: Annotated[int, Meta(ge=4, le=14, description="S2 level of the regions that have leaderboards.")] = 10
    held_look_s: Annotated[
        float, Meta(gt=0, le=3_600, description="How often to look for held rewards that are to be given.")
    ] = 30.0
    cells_cached_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Spawn cells kept in memory.")] = 32_768
    placed_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Most placed collectibles that are open or will be.")
    ] = 100_000
    spawn_key: Annotated[
        str,
        Meta(
            max_length=256,
            description="Secret that decides every spawn and every draw; empty: made once, kept in the database.",
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
    cooldown_s: int = 0

    @property
    def value(self) -> str:
        """The value as clients read it."""
        return self.currency.format(self.value_minor)


class Catalogue(Struct, frozen=True, kw_only=True):
    """What a game has: types of collectibles and currencies by name, and the experience a unit of value gives."""

    types: Mapping[str, CollectibleType]
    currencies: Mapping[str, Currency]
    experience_per_unit: int

    def experience_of(self, value_minor: int, currency: Currency) -> int:
        """What a value gives, parts dropped."""
        experience: int = value_minor * self.experience_per_unit // 10**currency.scale
        return experience


class BiomeTable(Struct, frozen=True, kw_only=True):
    """What spawns in a biome: the weights of the table's kinds there, aligned with them, (n,), and how densely."""

    name: str
    biome: Biome
    mean_per_cell: float
    weights: tuple[int, ...]


class SpawnTable(Struct, frozen=True, kw_only=True):
    """What can spawn: kinds with their weights, aligned, (n,), and how densely over space and time.

    `biomes` come in the order in which they are tried.
    """

    cell_level: int
    window_s: int
    mean_per_cell: float
    kinds: tuple[Kind, ...]
    weights: tuple[int, ...]
    near_land: bool = False
    biomes: tuple[BiomeTable, ...] = ()


class Spawn(Struct, frozen=True, kw_only=True, gc=False):
    """A collectible at its place: open from `opens_us` until before `closes_us`, microseconds since 1970.

    `id` is what clients hold; `key` the same without its MAC, as placements are stored. `reference` stands for it in
    the ledger. `payer_id` is the campaign whose budget pays; None is the currency's issuance.
    """

    id: str
    key: bytes
    reference: UUID
    kind: Kind
    cell: int
    lat_deg: float
    lng_deg: float
    opens_us: int
    closes_us: int
    payer_id: UUID | None = None

    def reference_for(self, player_id: UUID) -> UUID:
        """What a transfer names when this player collects it: the same for all when it is shared."""
        if self.kind.mode is Mode.SHARED:
            return self.reference
        return reference_of(self.id.encode() + player_id.bytes)


def reference_of(content: bytes) -> UUID:
    """What stands for something in the ledger: the first 16 bytes of its SHA-256."""
    return UUID(bytes=sha256(content).digest()[:16])


class Placement(Struct, frozen=True, kw_only=True):
    """A placed collectible as it is kept."""

    key: bytes
    lat_deg: float
    lng_deg: float
    type: str
    value_minor: int
    currency: str
    experience: int
    mode: Mode
    opens_at: datetime
    closes_at: datetime
    payer_id: UUID | None = None
    withdrawn_at: datetime | None = None


class Player(Struct, frozen=True, kw_only=True):
    """A player's progress, and how many collectibles they took: on the day they last took one, and ever."""

    id: UUID
    experience: int = 0
    level: int = 1
    day: date = date(1970, 1, 1)
    collected_on_day: int = 0
    collected: int = 0


class Worn(Struct, frozen=True, gc=False):
    """What multiplies a player's claims, in parts of 10,000: the tool in hand and the boosts that run.

    `version` is the player's `gear`. The tool pays until the player has won `worn_at` claims in all, None when it does
    not wear; the boosts hold until `boost_until_us`, None when none runs.
    """

    version: int = 0
    tool_bp: int = WHOLE_BP
    worn_at: int | None = None
    boost_bp: int = WHOLE_BP
    boost_until_us: int | None = None


BARE = Worn()
"""Who carries nothing that counts."""


class Progress(Struct, frozen=True):
    """How far a player has come."""

    experience: int
    level: int
