"""What can be done without a network, each by whoever does it at any time, under its `request_id`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.gameplay.carry.errors import NoSuchTool
from overworld.domains.gameplay.carry.messages import EquipTool, RepairTool, UpgradeBody, UpgradeTool, UseItem
from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.messages import AsOf, ClaimCollectible
from overworld.domains.gameplay.quests.messages import CompleteQuest, QuestSeen, StartQuest
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.sync.errors import BadAction
from overworld.domains.gameplay.sync.messages import OfflineAction
from overworld.domains.gameplay.sync.once import Once
from overworld.domains.gameplay.sync.ports import Act
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer, Principal
from overworld.platform.postgres import Database


def acts(
    *, gameplay: Gameplay, carry: Carry, quests: QuestParts, database: Database, clock: Clock
) -> Mapping[str, Act]:
    """Everything that can be done without a network, by the names that clients call it."""
    return {
        "collect": CollectOffline(gameplay),
        "use": UseOffline(carry),
        "equip": ToolOffline(carry, EquipTool),
        "repair": ToolOffline(carry, RepairTool),
        "upgrade": UpgradeOffline(carry),
        "start_quest": Once(StartOffline(quests), answer=QuestSeen, database=database, clock=clock),
        "complete_quest": CompleteOffline(quests),
    }


class CollectOffline:
    """The claim of HTTP, as of where and when it was made."""

    def __init__(self, gameplay: Gameplay) -> None:
        self._gameplay = gameplay

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The answer of the claim. Raises: the claim's refusals."""
        claim = ClaimCollectible(
            player_id=principal.account_id,
            collectible_id=action.target,
            key=action.request_id,
            memberships=principal.memberships,
            as_of=as_of,
        )
        return await self._gameplay.collect(claim)


class UseOffline:
    """An item that was used; it has its effect from now on."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """What came of it. Raises: as `Carry.use`."""
        command = UseItem(player_id=principal.account_id, item_id=action.target, key=action.request_id)
        return await self._carry.use(command)


class ToolOffline:
    """A tool that was taken in hand or repaired."""

    def __init__(self, carry: Carry, kind: type[EquipTool | RepairTool]) -> None:
        self._carry = carry
        self._kind = kind

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The tool after it. Raises: as `Carry.change`."""
        command = self._kind(player_id=principal.account_id, tool_id=_tool_id(action.target), key=action.request_id)
        return await self._carry.change(command)


class UpgradeOffline:
    """A tool that somebody tried to upgrade; `data` is the body of the same over HTTP. What it costs is paid now."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The tool after it. Raises: BadAction; as `Carry.change`."""
        try:
            body = msgspec.convert(action.data, UpgradeBody)
        except msgspec.ValidationError as error:
            raise BadAction(str(error), action=action.action) from error
        command = UpgradeTool(
            player_id=principal.account_id,
            tool_id=_tool_id(action.target),
            level=body.level,
            key=action.request_id,
        )
        return await self._carry.change(command)


class StartOffline:
    """A quest that was begun; its run begins now."""

    def __init__(self, quests: QuestParts) -> None:
        self._quests = quests

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """The quest with its run. Raises: as `Starting.start`."""
        command = StartQuest(player_id=principal.account_id, quest=action.target, memberships=principal.memberships)
        return Answer(await self._quests.showing.one(await self._quests.starting.start(command)))


class CompleteOffline:
    """A quest whose objectives were met."""

    def __init__(self, quests: QuestParts) -> None:
        self._quests = quests

    async def __call__(self, principal: Principal, action: OfflineAction, as_of: AsOf) -> Answer[Any]:
        """What was given. Raises: as `Completing.complete`."""
        command = CompleteQuest(player_id=principal.account_id, quest=action.target, key=action.request_id)
        return await self._quests.completing.complete(command)


def _tool_id(target: str) -> UUID:
    try:
        return UUID(target)
    except ValueError as error:
        raise NoSuchTool from error
