"""A game's items, tools and badges worked out from what its definition says."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from overworld.domains.gameplay.amounts import share_bp_of
from overworld.domains.gameplay.carry.types import (
    BadgeRules,
    ItemKind,
    ItemRules,
    ItemType,
    Kit,
    Level,
    ToolKind,
    ToolRules,
    ToolType,
    basis_points,
)
from overworld.kernel.money import Currency


def kit_of(
    items: ItemRules,
    tools: ToolRules,
    badges: Mapping[str, BadgeRules],
    *,
    currencies: Mapping[str, Currency],
    levels: tuple[int, ...],
    reduced_share: float = 0.5,
) -> Kit:
    """The kit of a checked definition.

    Raises: KeyError for what is named and not there; ValueError for an amount that its currency cannot express.
    """
    without_drops = Kit(
        items={name: _item_kind(name, declared) for name, declared in items.types.items()},
        tools={name: _tool_kind(name, declared, currencies) for name, declared in tools.types.items()},
        badges=badges,
        starter=tools.starter,
        currencies=currencies,
        levels=levels,
        reduced_bp=share_bp_of(reduced_share),
    )
    with_drops = {name: _filled(kind, without_drops) for name, kind in without_drops.items.items()}
    return replace(without_drops, items=with_drops)


def _item_kind(name: str, declared: ItemType) -> ItemKind:
    return ItemKind(
        type=name,
        title=declared.title or name,
        unique=declared.unique,
        stack_max=declared.stack_max,
        supply=declared.supply,
        level_min=declared.level_min,
        effects=declared.effects,
    )


def _filled(kind: ItemKind, kit: Kit) -> ItemKind:
    """The kind with what may be found in it."""
    if kind.effects is None:
        return kind
    drops = kind.effects.open
    return replace(
        kind, drops=tuple(kit.prize(drop.reward) for drop in drops), weights=tuple(drop.weight for drop in drops)
    )


def _tool_kind(name: str, declared: ToolType, currencies: Mapping[str, Currency]) -> ToolKind:
    currency = currencies[declared.currency]
    return ToolKind(
        type=name,
        title=declared.title or name,
        level_min=declared.level_min,
        currency=currency,
        durability=declared.durability,
        repair_minor=currency.parse(declared.repair_cost),
        levels=tuple(
            Level(basis_points(one.efficiency), currency.parse(one.cost), basis_points(one.chance))
            for one in declared.levels
        ),
    )
