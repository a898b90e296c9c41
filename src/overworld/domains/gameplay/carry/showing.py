"""What players hold, as clients read it."""

from __future__ import annotations

from decimal import Decimal

from overworld.domains.gameplay.carry.messages import BoostSeen, Cost, ItemSeen, ToolSeen
from overworld.domains.gameplay.carry.rules import level_at, repair_minor, wear_of, with_chance_bp
from overworld.domains.gameplay.carry.types import Item, Kit, Running, Tool
from overworld.domains.gameplay.types import WHOLE_BP
from overworld.kernel.clock import from_us, rfc3339


def factor(bp: int) -> str:
    """Basis points as clients read them: 12500 is `1.25`."""
    return f"{Decimal(bp) / WHOLE_BP:.2f}"


def item_seen(item: Item, kit: Kit) -> ItemSeen:
    """An item; of a type that the game no longer has, the type stands for its title."""
    kind = kit.items.get(item.type)
    title = kind.title if kind is not None else item.type
    return ItemSeen(id=item.name, type=item.type, title=title, count=item.count, since=rfc3339(item.since))


def tool_seen(tool: Tool, kit: Kit, *, collected: int, boost_bp: int = WHOLE_BP) -> ToolSeen:
    """A tool of a type that the game has; `boost_bp` raises the chances of upgrades."""
    kind = kit.tools[tool.type]
    wear = wear_of(tool, kind, collected=collected)
    upgrade = repair = None
    if tool.level < len(kind.levels):
        following = kind.levels[tool.level]
        upgrade = Cost(
            amount=kind.currency.format(following.cost_minor),
            currency=kind.currency.code,
            chance=with_chance_bp(following.chance_bp, boost_bp) / WHOLE_BP,
        )
    if wear:
        repair = Cost(amount=kind.currency.format(repair_minor(kind, wear)), currency=kind.currency.code)
    return ToolSeen(
        id=tool.id,
        type=tool.type,
        title=kind.title,
        level=tool.level,
        level_max=len(kind.levels),
        efficiency=factor(level_at(tool, kind).efficiency_bp),
        equipped=tool.equipped_at is not None,
        wear=wear,
        durability=kind.durability,
        upgrade=upgrade,
        repair=repair,
    )


def boost_seen(boost: Running) -> BoostSeen:
    """A boost that runs."""
    return BoostSeen(
        what=boost.what,
        type=boost.type,
        multiplier=factor(boost.multiplier_bp),
        until=rfc3339(from_us(boost.until_us)),
    )
