"""People look after what they carry: they take the best tool in hand, have it repaired and upgraded, and use items."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from overworld.app.simulate.profiles import Person
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Tally, Turn
from overworld.domains.gameplay.carry.messages import (
    Cost,
    EquipTool,
    ItemSeen,
    RepairTool,
    ToolSeen,
    UpgradeTool,
    UseItem,
)

_WORN = 0.7
_UPGRADES_MAX = 3
_ITEMS_LOOKED_AT = 50


class _Hand(Struct):
    """Somebody who looks after their tools: those, and what is left of what they will spend, by currency."""

    person: Person
    tools: list[ToolSeen]
    purse: dict[str, Decimal]

    def pays(self, cost: Cost | None) -> bool:
        """Takes a cost out of what they will spend, if it is in there."""
        if cost is None or self.purse.get(cost.currency, Decimal(0)) < Decimal(cost.amount):
            return False
        self.purse[cost.currency] -= Decimal(cost.amount)
        return True

    @property
    def held(self) -> ToolSeen | None:
        """The tool in hand."""
        return next((tool for tool in self.tools if tool.equipped), None)

    @property
    def best(self) -> ToolSeen | None:
        """The tool that multiplies most."""
        return max(self.tools, key=lambda tool: Decimal(tool.efficiency), default=None)


class Tending:
    """As they go home, some look after their tools: the best in hand, worn ones repaired, the rest into upgrades."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally

    async def play(self, turn: Turn) -> None:
        """Lets those who leave and care do so, each command of all of them at once."""
        if not self._stage.game.kit.tools:
            return
        caring = [person for person in turn.leaving if person.random.random() < person.profile.upkeep]
        if not caring:
            return
        self._stage.move_to(turn.ends_us - 1)
        hands = await asyncio.gather(*map(self._hand, caring))
        await self._equip(hands)
        await self._repair(hands)
        for _ in range(_UPGRADES_MAX):
            hands = await self._upgrade(hands)

    async def _hand(self, person: Person) -> _Hand:
        tools, balances = await asyncio.gather(
            self._stage.carry.reading.tools(person.id), self._stage.ledger.balances(person.id)
        )
        currencies = self._stage.ledger.currencies
        spends = Decimal(str(person.profile.spends))
        return _Hand(
            person,
            tools,
            {one.currency: Decimal(currencies[one.currency].format(one.posted_minor)) * spends for one in balances},
        )

    async def _equip(self, hands: Sequence[_Hand]) -> None:
        await self._tally.told(
            self._stage.carry.service.change(
                EquipTool(player_id=hand.person.id, tool_id=hand.best.id, key=self._tally.key("equip"))
            )
            for hand in hands
            if hand.best is not None and not hand.best.equipped
        )

    async def _repair(self, hands: Sequence[_Hand]) -> None:
        await self._tally.told(
            self._stage.carry.service.change(
                RepairTool(player_id=hand.person.id, tool_id=tool.id, key=self._tally.key("repair"))
            )
            for hand in hands
            for tool in hand.tools
            if tool.durability and tool.wear >= _WORN * tool.durability and hand.pays(tool.repair)
        )

    async def _upgrade(self, hands: Sequence[_Hand]) -> list[_Hand]:
        """Tries one upgrade for each who will pay for it; those that go on, with their tools as they are then."""
        trying = [(hand, tool) for hand in hands if (tool := hand.best) is not None and hand.pays(tool.upgrade)]
        answers = await self._tally.told(
            self._stage.carry.service.change(
                UpgradeTool(player_id=hand.person.id, tool_id=tool.id, key=self._tally.key("upgrade"))
            )
            for hand, tool in trying
        )
        going_on = []
        for (hand, tool), answer in zip(trying, answers, strict=True):
            if not isinstance(answer, Exception):
                after = answer.value.tool
                hand.tools = [after if one.id == tool.id else one for one in hand.tools]
                going_on.append(hand)
        return going_on


class Using:
    """As they set out, people use one of each kind of item that they have and can use."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally
        self._usable = {name for name, kind in stage.game.kit.items.items() if kind.effects is not None}

    async def play(self, turn: Turn) -> None:
        """Lets those who arrive use what they have."""
        if not self._usable or not turn.arriving:
            return
        self._stage.move_to(turn.begins_us)
        reading = self._stage.carry.reading
        shown = await asyncio.gather(
            *(reading.inventory(person.id, limit=_ITEMS_LOOKED_AT) for person in turn.arriving)
        )
        await self._tally.told(
            self._stage.carry.service.use(UseItem(player_id=person.id, item_id=item_id, key=self._tally.key("use")))
            for person, places in zip(turn.arriving, shown, strict=True)
            for item_id in self._one_of_each(item for (_, item) in places)
        )

    def _one_of_each(self, items: Iterable[ItemSeen]) -> list[str]:
        return list({item.type: item.id for item in items if item.type in self._usable}.values())
