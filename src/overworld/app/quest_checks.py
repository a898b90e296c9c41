"""What quests name must be there: other quests, levels, types, currencies, memberships, and what they reward with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from overworld.app.definition import Located, did_you_mean
from overworld.domains.gameplay.quests.types import Collect, Objective, QuestRules, Reach, Upgrade, Use
from overworld.kernel.money import Currency

QUESTS_MAX = 256


def check_quests(
    quests: Mapping[str, QuestRules],
    located: Located,
    *,
    currencies: Mapping[str, Currency],
    types: Collection[str],
    items: Collection[str],
    tools: Collection[str],
    level_max: int,
) -> None:
    """Refuses, in `located`, what names something that the game does not have."""
    for name, rules in quests.items():
        path = ("quests", name)
        for other in rules.requires.quests:
            if other not in quests:
                located.refuse(
                    (*path, "requires", "quests"), f"there is no quest `{other}`", hint=did_you_mean(other, quests)
                )
            elif other == name:
                located.refuse((*path, "requires", "quests"), "a quest cannot wait for itself")
        if rules.requires.level > level_max:
            located.refuse((*path, "requires", "level"), f"the highest level is {level_max}")
        for i, objective in enumerate(rules.objectives):
            at = (*path, "objectives", str(i))
            _check_named(objective, located, at, types=types, items=items, tools=tools)
            if isinstance(objective, Reach) and objective.level > level_max:
                located.refuse((*at, "level"), f"the highest level is {level_max}")
            if isinstance(objective, Collect):
                _check_currency(objective, located, at, currencies=currencies)


def _check_named(
    objective: Objective,
    located: Located,
    path: tuple[str, ...],
    *,
    types: Collection[str],
    items: Collection[str],
    tools: Collection[str],
) -> None:
    match objective:
        case Collect(type=str() as word):
            field, known, noun = "type", types, "type of collectible"
        case Use(item=str() as word):
            field, known, noun = "item", items, "item"
        case Upgrade(tool=str() as word):
            field, known, noun = "tool", tools, "tool"
        case _:
            return
    if word not in known:
        located.refuse((*path, field), f"there is no {noun} `{word}`", hint=did_you_mean(word, sorted(known)))


def _check_currency(
    objective: Collect, located: Located, path: tuple[str, ...], *, currencies: Mapping[str, Currency]
) -> None:
    if objective.currency is None:
        return
    currency = currencies.get(objective.currency)
    if currency is None:
        hint = did_you_mean(objective.currency, currencies)
        located.refuse((*path, "currency"), f"there is no currency `{objective.currency}`", hint=hint)
    elif objective.value is not None:
        try:
            worth = currency.parse(objective.value)
        except ValueError as error:
            located.refuse((*path, "value"), str(error))
        else:
            if worth == 0:
                located.refuse((*path, "value"), "is worth nothing", allowed="a value above 0")
