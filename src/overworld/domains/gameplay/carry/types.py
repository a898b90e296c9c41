"""What carry decides over: its parts of the game definition, and what players hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.gameplay.types import WHOLE_BP
from overworld.kernel.money import Currency

STACK = UUID(int=0)
"""The id that all stacks have; instances have one of their own."""
INSTANCES_AT_ONCE_MAX = 100

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Text = Annotated[str, Meta(max_length=280)]
Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,12}(\.[0-9]{1,18})?$", max_length=32)]
Factor = Annotated[str, Meta(pattern=r"^[0-9](\.[0-9]{1,2})?$")]
Chance = Annotated[str, Meta(pattern=r"^(0(\.[0-9]{1,4})?|1(\.0{1,4})?)$")]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
LevelMin = Annotated[int, Meta(ge=1, le=1_000)]
What = Literal["collect", "upgrade"]


class Reward(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody gets, as it is written in game.toml: any of tokens by currency, experience, items by type with
    their counts, tools by type, badges by name.
    """

    tokens: Annotated[dict[str, Amount], Meta(max_length=8)] = {}
    experience: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    items: Annotated[dict[str, Count], Meta(max_length=16)] = {}
    tools: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    badges: Annotated[tuple[str, ...], Meta(max_length=8)] = ()


class Boost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Multiplies what collecting gives, or the chance of an upgrade, for so long. Of several the strongest counts."""

    what: What = "collect"
    multiplier: Factor
    seconds: Annotated[int, Meta(ge=1, le=31_536_000)]

    def __post_init__(self) -> None:
        if basis_points(self.multiplier) <= WHOLE_BP:
            raise ValueError("a boost multiplies by more than 1.00")


class Drop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the things that may be found inside, and how often beside the others."""

    weight: Annotated[int, Meta(ge=1, le=1_000_000)]
    reward: Reward


class Effects(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What using an item does. `heal` takes so much wear off the tool in hand; `open` draws one of its drops; with
    `consume` (so it is, unless it says false) the item is used up.
    """

    boost: Boost | None = None
    heal: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    experience: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    open: Annotated[tuple[Drop, ...], Meta(max_length=64)] = ()
    consume: bool = True


class ItemType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[items.types.NAME]` of game.toml. Of a type with a `supply` there never are more than so many, ever.

    Items of a `unique` type are told apart; the others lie on a stack of at most `stack_max`. Without `effects` an item
    cannot be used.
    """

    title: Annotated[str, Meta(max_length=80)] = ""
    unique: bool = False
    stack_max: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1_000_000
    supply: Annotated[int, Meta(ge=1, le=1_000_000_000_000)] | None = None
    level_min: LevelMin = 1
    effects: Effects | None = None


class ItemRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[items]` of game.toml."""

    types: Annotated[dict[Name, ItemType], Meta(max_length=256)] = {}


class ToolLevel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One level of a type of tools: what it multiplies by, what reaching it costs, and how often that succeeds."""

    efficiency: Factor
    cost: Amount = "0"
    chance: Chance = "1"

    def __post_init__(self) -> None:
        if basis_points(self.efficiency) == 0:
            raise ValueError("an efficiency is 0.01 to 9.99")


class ToolType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[tools.types.NAME]` of game.toml.

    Upgrades and repairs are paid in `currency`. A tool is worn out after `durability` collections (never, at 0);
    then it multiplies by 1.00. `repair_cost` is that of a worn-out one; a half worn one costs half of it, rounded up.
    """

    title: Annotated[str, Meta(max_length=80)] = ""
    level_min: LevelMin = 1
    currency: Annotated[str, Meta(min_length=1, max_length=16)]
    durability: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    repair_cost: Amount = "0"
    levels: Annotated[tuple[ToolLevel, ...], Meta(min_length=1, max_length=100)]


class ToolRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[tools]` of game.toml. Everybody has a tool of the type `starter` from the beginning, in hand."""

    starter: Name | None = None
    types: Annotated[dict[Name, ToolType], Meta(max_length=64)] = {}


class BadgeRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[badges.NAME]` of game.toml."""

    kind: Name
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    text: Text = ""
    icon: Annotated[str, Meta(max_length=200)] = ""


class CarrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set about what players carry."""

    lanes: Annotated[int, Meta(ge=1, le=16, description="Batches of changes to inventories in flight at once")] = 2
    batch_max: Annotated[int, Meta(ge=1, le=2_048, description="Most such changes in one transaction")] = 256
    queue_max: Annotated[int, Meta(ge=1, le=65_536, description="Most such changes that wait in one lane")] = 4_096


class Prize(Struct, frozen=True, kw_only=True):
    """A reward, worked out: amounts in minor units, everything it names there."""

    tokens: tuple[tuple[Currency, int], ...] = ()
    experience: int = 0
    items: tuple[tuple[str, int], ...] = ()
    tools: tuple[str, ...] = ()
    badges: tuple[str, ...] = ()


class Level(Struct, frozen=True):
    """A tool's level, worked out."""

    efficiency_bp: int
    cost_minor: int
    chance_bp: int


class ToolKind(Struct, frozen=True, kw_only=True):
    """A type of tools, worked out; `levels[0]` is level 1."""

    type: str
    title: str
    level_min: int
    currency: Currency
    durability: int
    repair_minor: int
    levels: tuple[Level, ...]


class ItemKind(Struct, frozen=True, kw_only=True):
    """A type of items, worked out; `drops` stand beside their weights."""

    type: str
    title: str
    unique: bool
    stack_max: int
    supply: int | None
    level_min: int
    effects: Effects | None
    drops: tuple[Prize, ...] = ()
    weights: tuple[int, ...] = ()


class Kit(Struct, frozen=True, kw_only=True):
    """All that a game has to carry, worked out, with its currencies by code and its levels.

    Of the tokens in a reward `reduced_bp` parts of 10,000 are given to who is trusted less.
    """

    items: Mapping[str, ItemKind] = {}
    tools: Mapping[str, ToolKind] = {}
    badges: Mapping[str, BadgeRules] = {}
    starter: str | None = None
    currencies: Mapping[str, Currency] = {}
    levels: tuple[int, ...] = ()
    reduced_bp: int = WHOLE_BP // 2

    def prize(self, reward: Reward) -> Prize:
        """A reward of this game, worked out.

        Raises: KeyError for what the game does not have; ValueError for an amount that its currency cannot express, and
        for nothing.
        """
        for known, names in ((self.items, reward.items), (self.tools, reward.tools), (self.badges, reward.badges)):
            for name in names:
                if name not in known:
                    raise KeyError(name)
        return Prize(
            tokens=tuple(
                (self.currencies[code], self._worth(code, text)) for code, text in sorted(reward.tokens.items())
            ),
            experience=reward.experience,
            items=tuple(sorted(reward.items.items())),
            tools=reward.tools,
            badges=reward.badges,
        )

    def _worth(self, code: str, text: str) -> int:
        minor = self.currencies[code].parse(text)
        if minor == 0:
            raise ValueError(f"{code}: {text} is worth nothing")
        return minor


class Bearer(Struct, frozen=True, kw_only=True):
    """A player, as far as carrying is concerned. `gear` is the version of what multiplies their claims."""

    id: UUID
    experience: int = 0
    level: int = 1
    gear: int = 0
    collected: int = 0


class Item(Struct, frozen=True, kw_only=True):
    """What a player has of a type: a stack, or one instance; `used` counts how often it was."""

    player_id: UUID
    type: str
    id: UUID = STACK
    count: int
    used: int = 0
    since: datetime

    @property
    def name(self) -> str:
        """What clients call it: a stack by its type, an instance by its id."""
        return self.type if self.id == STACK else str(self.id)


class Tool(Struct, frozen=True, kw_only=True):
    """A tool somebody has. `equipped_at` is what they had collected when they took it in hand."""

    player_id: UUID
    id: UUID
    type: str
    level: int = 1
    wear: int = 0
    attempts: int = 0
    equipped_at: int | None = None
    since: datetime

    def worn(self, collected: int) -> int:
        """Its wear, when its player has collected so many."""
        return self.wear if self.equipped_at is None else self.wear + collected - self.equipped_at


class Running(Struct, frozen=True, kw_only=True):
    """A boost that a player has begun, until an instant in microseconds since 1970."""

    player_id: UUID
    what: str
    type: str
    multiplier_bp: int
    until_us: int


def basis_points(text: str) -> int:
    """A decimal such as `1.25` in basis points."""
    return int(Decimal(text) * WHOLE_BP)
