"""People look after what they carry: they take the best tool in hand, have it repaired and upgraded, and use items."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from overworld.app.simulate.profiles import Person
from overworld.app.simulate.stage import Stage
from overworld.app.simulate.turns import Tally, Turn
from overworld.domains.gameplay.carry.messages import (
    Cost,
    EquipTool,
    RepairTool,
    ToolSeen,
    UpgradeTool,
    UseItem,
)

_WORN = 0.7
_UPGRADES_MAX = 3
_ITEMS_LOOKED_AT = 50


class _Hand(Struct):
    """Somebody who looks after their tools: those that their level lets them use, and what they will still spend, by
    currency.
    """

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
        progress = await self._stage.gameplay.progress([person.id for person in caring])
        hands = await asyncio.gather(
            *(self._hand(person, level=one.level) for person, one in zip(caring, progress, strict=True))
        )
        await self._equip(hands)
        await self._repair(hands)
        for _ in range(_UPGRADES_MAX):
            hands = await self._upgrade(hands)

    async def _hand(self, person: Person, *, level: int) -> _Hand:
        tools, balances = await asyncio.gather(
            self._stage.carry.reading.tools(person.id), self._stage.ledger.balances(person.id)
        )
        currencies = self._stage.ledger.currencies
        spends = Decimal(str(person.profile.spends))
        return _Hand(
            person,
            [tool for tool in tools if self._stage.game.kit.tools[tool.type].level_min <= level],
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
    """As they set out, people use one of each kind of item that they have and that is of use to them."""

    def __init__(self, stage: Stage, *, tally: Tally) -> None:
        self._stage = stage
        self._tally = tally
        self._effects = {name: kind.effects for name, kind in stage.game.kit.items.items() if kind.effects is not None}

    async def play(self, turn: Turn) -> None:
        """Lets those who arrive use what they have."""
        if not self._effects or not turn.arriving:
            return
        self._stage.move_to(turn.begins_us)
        wanted = await asyncio.gather(*(self._wanted(person.id) for person in turn.arriving))
        await self._tally.told(
            self._stage.carry.service.use(UseItem(player_id=person.id, item_id=item_id, key=self._tally.key("use")))
            for person, item_ids in zip(turn.arriving, wanted, strict=True)
            for item_id in item_ids
        )

    async def _wanted(self, player_id: UUID) -> list[str]:
        """One of each kind; of those that mend a tool only where as much is worn off the one in hand."""
        reading = self._stage.carry.reading
        items = [item for _, item in await reading.inventory(player_id, limit=_ITEMS_LOOKED_AT)]
        usable = {item.type: item.id for item in items if item.type in self._effects}
        if not any(self._effects[kind].heal for kind in usable):
            return list(usable.values())
        worn = max((tool.wear for tool in await reading.tools(player_id) if tool.equipped), default=0)
        return [item_id for kind, item_id in usable.items() if self._effects[kind].heal <= worn]
