"""What the items, tools, badges and rewards of a definition cannot know alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from overworld.app.definition import Located, did_you_mean
from overworld.domains.gameplay.carry.types import (
    INSTANCES_AT_ONCE_MAX,
    BadgeRules,
    ItemRules,
    Reward,
    ToolRules,
)
from overworld.kernel.money import Currency

_Path = tuple[str, ...]


class _Scaled(Protocol):
    @property
    def scale(self) -> int: ...


class Written(Protocol):
    """As much of a definition as rewards may name."""

    @property
    def currencies(self) -> Mapping[str, _Scaled]: ...

    @property
    def items(self) -> ItemRules: ...

    @property
    def tools(self) -> ToolRules: ...

    @property
    def badges(self) -> Mapping[str, BadgeRules]: ...


def check_carry(written: Written, located: Located) -> None:
    """Notes what is wrong with items, tools and badges."""
    for name, item in written.items.types.items():
        path: _Path = ("items", "types", name, "effects")
        effects = item.effects
        for i, drop in enumerate(effects.open if effects is not None else ()):
            check_reward(drop.reward, written, located, (*path, "open", str(i), "reward"))
        if effects is not None and effects.heal and not written.tools.types:
            located.refuse((*path, "heal"), "there are no tools that it could mend")
    if written.tools.starter is not None:
        _known(written.tools.starter, written.tools.types, "tool", located, ("tools", "starter"))
    for name, tool in written.tools.types.items():
        path = ("tools", "types", name)
        if not _known(tool.currency, written.currencies, "currency", located, (*path, "currency")):
            continue
        currency = Currency(tool.currency, written.currencies[tool.currency].scale)
        _amount(tool.repair_cost, currency, located, (*path, "repair_cost"))
        for i, level in enumerate(tool.levels):
            _amount(level.cost, currency, located, (*path, "levels", str(i), "cost"))
        if tool.repair_cost.strip("0.") and not tool.durability:
            located.refuse((*path, "repair_cost"), "it never wears: give it a durability")


def check_reward(reward: Reward, written: Written, located: Located, path: _Path) -> None:
    """Notes what a reward names that is not there, or cannot be given at once."""
    for code, text in reward.tokens.items():
        if _known(code, written.currencies, "currency", located, (*path, "tokens", code)):
            currency = Currency(code, written.currencies[code].scale)
            if _amount(text, currency, located, (*path, "tokens", code)) == 0:
                located.refuse((*path, "tokens", code), "is worth nothing", allowed="a value above 0")
    for name, count in reward.items.items():
        if not _known(name, written.items.types, "item", located, (*path, "items", name)):
            continue
        if written.items.types[name].unique and count > INSTANCES_AT_ONCE_MAX:
            located.refuse((*path, "items", name), f"{count} at once", allowed=f"at most {INSTANCES_AT_ONCE_MAX}")
    for name in reward.tools:
        _known(name, written.tools.types, "tool", located, (*path, "tools"))
    for name in reward.badges:
        _known(name, written.badges, "badge", located, (*path, "badges"))


def _known(name: str, known: Collection[str], noun: str, located: Located, path: _Path) -> bool:
    if name in known:
        return True
    hint = did_you_mean(name, list(known)) if known else ""
    located.refuse(path, f"there is no {noun} `{name}`", hint=hint)
    return False


def _amount(text: str, currency: Currency, located: Located, path: _Path) -> int | None:
    """The amount in minor units; None for one that was refused."""
    try:
        return currency.parse(text)
    except ValueError as error:
        located.refuse(path, str(error))
        return None
