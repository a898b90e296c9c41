"""What quests name must be there: other quests, levels, types, currencies, items, tools, and what they reward with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from overworld.app.carry_checks import Written as Rewarding
from overworld.app.carry_checks import check_reward
from overworld.app.definition import Located, did_you_mean
from overworld.domains.gameplay.quests.types import Collect, Objective, QuestRules, Reach, Requirements, Upgrade, Use
from overworld.domains.gameplay.types import CollectibleRules, ProgressionRules
from overworld.kernel.money import Currency


class Written(Rewarding, Protocol):
    """As much of a definition as quests may name."""

    @property
    def quests(self) -> Mapping[str, QuestRules]: ...

    @property
    def collectibles(self) -> CollectibleRules: ...

    @property
    def progression(self) -> ProgressionRules: ...


def check_quests(written: Written, located: Located) -> None:
    """Notes what names something that the game does not have, and quests that wait for each other."""
    level_max = len(written.progression.levels) + 1
    for name, rules in written.quests.items():
        path = ("quests", name)
        _check_requirements(name, rules.requires, written, located)
        check_reward(rules.rewards, written, located, (*path, "rewards"))
        for i, objective in enumerate(rules.objectives):
            at = (*path, "objectives", str(i))
            _check_named(objective, located, at, written=written)
            if isinstance(objective, Reach) and objective.level > level_max:
                located.refuse((*at, "level"), f"the highest level is {level_max}")
            if isinstance(objective, Collect):
                _check_currency(objective, located, at, written=written)


def _check_requirements(name: str, requires: Requirements, written: Written, located: Located) -> None:
    path = ("quests", name, "requires")
    level_max = len(written.progression.levels) + 1
    if requires.level > level_max:
        located.refuse((*path, "level"), f"the highest level is {level_max}")
    for other in requires.quests:
        if other not in written.quests:
            hint = did_you_mean(other, written.quests)
            located.refuse((*path, "quests"), f"there is no quest `{other}`", hint=hint)
        elif name in _before(other, written.quests):
            located.refuse((*path, "quests"), f"it waits for `{other}`, which waits for it")


def _before(name: str, quests: Mapping[str, QuestRules]) -> set[str]:
    """A quest and all that have to be completed before it."""
    found, left = set[str](), [name]
    while left:
        one = left.pop()
        if one not in found and one in quests:
            found.add(one)
            left += quests[one].requires.quests
    return found


def _check_named(objective: Objective, located: Located, path: tuple[str, ...], *, written: Written) -> None:
    known: Collection[str]
    match objective:
        case Collect(type=str() as word):
            field, known, noun = "type", written.collectibles.types, "type of collectible"
        case Use(item=str() as word):
            field, known, noun = "item", written.items.types, "item"
        case Upgrade(tool=str() as word):
            field, known, noun = "tool", written.tools.types, "tool"
        case _:
            return
    if word not in known:
        located.refuse((*path, field), f"there is no {noun} `{word}`", hint=did_you_mean(word, sorted(known)))


def _check_currency(objective: Collect, located: Located, path: tuple[str, ...], *, written: Written) -> None:
    code = objective.currency
    if code is None:
        return
    if code not in written.currencies:
        hint = did_you_mean(code, written.currencies)
        located.refuse((*path, "currency"), f"there is no currency `{code}`", hint=hint)
    elif objective.value is not None:
        try:
            worth = Currency(code, written.currencies[code].scale).parse(objective.value)
        except ValueError as error:
            located.refuse((*path, "value"), str(error))
        else:
            if worth == 0:
                located.refuse((*path, "value"), "is worth nothing", allowed="a value above 0")
