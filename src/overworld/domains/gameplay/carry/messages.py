"""The commands, the events, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.gameplay.carry.types import Count
from overworld.kernel.audit import Staff
from overworld.kernel.events import Event


class UseItem(Struct, frozen=True, kw_only=True):
    """A player uses one of their items: of a stack by its type, or an instance by its id."""

    player_id: UUID
    item_id: str
    key: str


class EquipTool(Struct, frozen=True, kw_only=True):
    """A player takes one of their tools in hand, and puts the other away."""

    player_id: UUID
    tool_id: UUID
    key: str


class UpgradeTool(Struct, frozen=True, kw_only=True):
    """A player tries to lift a tool to its next level, which has to be `level` if they say one."""

    player_id: UUID
    tool_id: UUID
    level: int | None = None
    key: str


class RepairTool(Struct, frozen=True, kw_only=True):
    """A player has a tool repaired, whole."""

    player_id: UUID
    tool_id: UUID
    key: str


Change = UseItem | EquipTool | UpgradeTool | RepairTool


class UseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a use: nothing. What is used stands in the path."""


class EquipBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of taking a tool in hand: nothing."""


class UpgradeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The level that the tool should have afterwards, so that two requests at once do not lift it twice."""

    level: Annotated[int, Meta(ge=2, le=1_000)] | None = None


class RepairBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a repair: nothing."""


class ItemSeen(Struct, frozen=True, kw_only=True):
    """Something in an inventory: a stack, whose id is its type, or a unique item."""

    id: str
    type: str
    title: str
    count: int
    since: str


class Cost(Struct, frozen=True, kw_only=True):
    """What an upgrade or a repair takes; `chance` is how often an upgrade succeeds, 1 is always."""

    amount: str
    currency: str
    chance: float = 1.0


class ToolSeen(Struct, frozen=True, kw_only=True):
    """A tool as its player sees it. It is worn out when `wear` has reached `durability`; 0 is never.

    `upgrade` is null at the highest level, `repair` where nothing is worn.
    """

    id: UUID
    type: str
    title: str
    level: int
    level_max: int
    efficiency: str
    equipped: bool
    wear: int
    durability: int
    upgrade: Cost | None
    repair: Cost | None


class BoostSeen(Struct, frozen=True, kw_only=True):
    """A boost that runs. `until` is RFC 3339 UTC."""

    what: str
    type: str
    multiplier: str
    until: str


class BadgeSeen(Struct, frozen=True, kw_only=True):
    """A badge of the game; `earned_at` is null until it is earned."""

    id: str
    kind: str
    name: str
    text: str
    icon: str
    earned_at: str | None


class Payment(Struct, frozen=True, kw_only=True):
    """An amount that was paid or received, and what the wallet holds after it."""

    amount: str
    currency: str
    balance: str


class Obtained(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody was given. `items` are what they hold of each afterwards; `level` is theirs afterwards.

    `reduced`: the tokens are a share of what they would be, for want of trust. It is left out where it is not true.
    """

    tokens: list[Payment]
    items: list[ItemSeen]
    tools: list[ToolSeen]
    badges: list[str]
    experience: int
    level: int
    reduced: bool = False


class Used(Struct, frozen=True, kw_only=True):
    """The reply to a use: what is left of the item, what came of it, the boost that runs, the tool that was mended."""

    item: ItemSeen
    obtained: Obtained
    boost: BoostSeen | None = None
    tool: ToolSeen | None = None


class ToolReply(Struct, frozen=True, kw_only=True):
    """The reply to what was done to a tool; `success` is whether an upgrade came about, `paid` what it took."""

    tool: ToolSeen
    success: bool = True
    paid: Payment | None = None


class GrantBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a player should be given, by the operators of the game. `to` is their id or username."""

    to: Annotated[str, Meta(min_length=1, max_length=64)]
    items: Annotated[dict[str, Count], Meta(max_length=16)] = {}
    tools: Annotated[tuple[str, ...], Meta(max_length=8)] = ()
    badges: Annotated[tuple[str, ...], Meta(max_length=8)] = ()


class GrantItems(Struct, frozen=True, kw_only=True):
    """Somebody of the staff gives a player something. `key` is the idempotency key."""

    granted_by: UUID
    staff: Staff
    body: GrantBody
    key: str


class GrantReply(Struct, frozen=True, kw_only=True):
    """Who was given what."""

    player_id: UUID
    obtained: Obtained


class ItemUsed(Event, frozen=True, kw_only=True):
    """A player used an item. `count` is what they have left of it; `nth` numbers their uses of it, and so its draw."""

    topic: ClassVar[str] = "events.item.used"

    player_id: UUID
    use_id: UUID
    item_id: str
    type: str
    count: int
    nth: int
    drop: int | None = None
    healed: int = 0
    boost: str | None = None
    multiplier_bp: int | None = None
    until: datetime | None = None

    @property
    def key(self) -> str:
        return str(self.player_id)


class ItemGranted(Event, frozen=True, kw_only=True):
    """A player was given items; `total` is what they have of the stack now. `reference` says for what."""

    topic: ClassVar[str] = "events.item.granted"

    player_id: UUID
    item_id: str
    type: str
    count: int
    total: int
    reference: UUID
    reason: str

    @property
    def key(self) -> str:
        return str(self.player_id)


class ToolGranted(Event, frozen=True, kw_only=True):
    """A player was given a tool."""

    topic: ClassVar[str] = "events.tool.granted"

    player_id: UUID
    tool_id: UUID
    type: str
    reference: UUID
    reason: str

    @property
    def key(self) -> str:
        return str(self.player_id)


class ToolEquipped(Event, frozen=True, kw_only=True):
    """A player took a tool in hand."""

    topic: ClassVar[str] = "events.tool.equipped"

    player_id: UUID
    tool_id: UUID
    type: str

    @property
    def key(self) -> str:
        return str(self.player_id)


class ToolUpgraded(Event, frozen=True, kw_only=True):
    """A player lifted a tool to a level. `attempt` numbers its draws."""

    topic: ClassVar[str] = "events.tool.upgraded"

    player_id: UUID
    tool_id: UUID
    type: str
    level: int
    attempt: int
    currency: str
    cost_minor: int

    @property
    def key(self) -> str:
        return str(self.player_id)


class UpgradeFailed(Event, frozen=True, kw_only=True):
    """A player paid for an upgrade that did not come about; the tool stays as it was."""

    topic: ClassVar[str] = "events.tool.upgrade_failed"

    player_id: UUID
    tool_id: UUID
    type: str
    level: int
    attempt: int
    currency: str
    cost_minor: int

    @property
    def key(self) -> str:
        return str(self.player_id)


class ToolRepaired(Event, frozen=True, kw_only=True):
    """A tool was repaired; `wear` was taken off it."""

    topic: ClassVar[str] = "events.tool.repaired"

    player_id: UUID
    tool_id: UUID
    type: str
    wear: int
    currency: str
    cost_minor: int

    @property
    def key(self) -> str:
        return str(self.player_id)


class BadgeEarned(Event, frozen=True, kw_only=True):
    """A player earned a badge, for the first and only time."""

    topic: ClassVar[str] = "events.badge.earned"

    player_id: UUID
    badge: str
    reference: UUID
    reason: str

    @property
    def key(self) -> str:
        return str(self.player_id)
