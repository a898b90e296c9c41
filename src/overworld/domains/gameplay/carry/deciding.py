"""What becomes of each change to what players carry: decided in order, each on what the ones before have left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.gameplay.carry.errors import (
    CannotPay,
    LevelTooLow,
    NoSuchItem,
    NoSuchTool,
    NotUsable,
    NotWorn,
    SoldOut,
    ToolChanged,
    TopLevel,
)
from overworld.domains.gameplay.carry.messages import (
    Change,
    EquipTool,
    ItemUsed,
    Obtained,
    Payment,
    RepairTool,
    ToolEquipped,
    ToolRepaired,
    ToolReply,
    ToolSeen,
    ToolUpgraded,
    UpgradeFailed,
    UpgradeTool,
    Used,
    UseItem,
)
from overworld.domains.gameplay.carry.pack import Pack, sides_of
from overworld.domains.gameplay.carry.rules import (
    draw,
    extended,
    picked,
    repair_minor,
    strongest,
    succeeds,
    wear_of,
    with_chance_bp,
)
from overworld.domains.gameplay.carry.showing import boost_seen, item_seen, tool_seen
from overworld.domains.gameplay.carry.types import (
    Boost,
    Effects,
    Item,
    ItemKind,
    Prize,
    Running,
    Tool,
    ToolKind,
    basis_points,
)
from overworld.domains.gameplay.errors import LowTrust
from overworld.domains.gameplay.purse import Move
from overworld.domains.gameplay.types import WHOLE_BP
from overworld.kernel.clock import from_us
from overworld.kernel.ids import IdSource
from overworld.kernel.money import Transfer, TransferCode
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import WITHHELD, Gate


class Done(Struct, frozen=True, kw_only=True):
    """What a change came to, as it is kept under its key."""

    used: Used | None = None
    tool: ToolReply | None = None


class _Effect(Struct, frozen=True, kw_only=True):
    """What a use did beside what it gave."""

    boost: Running | None = None
    tool: Tool | None = None
    healed: int = 0


class Deciding:
    """Decides changes over one pack. What is refused has changed nothing. `key` decides what chance does.

    `gates` has those who open something.
    """

    def __init__(self, pack: Pack, *, key: bytes, ids: IdSource, gates: Mapping[UUID, Gate]) -> None:
        self._pack = pack
        self._gates = gates
        self._kit = pack.kit
        self._key = key
        self._ids = ids

    def decide(self, change: Change) -> Done | Refusal:
        """What one change comes to."""
        if isinstance(change, UseItem):
            used = self._use(change)
            return used if isinstance(used, Refusal) else Done(used=used)
        found = self._tool(change)
        if isinstance(found, Refusal):
            return found
        if isinstance(change, EquipTool):
            reply: ToolReply | Refusal = self._equip(*found)
        elif isinstance(change, RepairTool):
            reply = self._repair(*found)
        else:
            reply = self._upgrade(*found, wanted=change.level)
        return reply if isinstance(reply, Refusal) else Done(tool=reply)

    def _use(self, command: UseItem) -> Used | Refusal:
        pack, player_id = self._pack, command.player_id
        found = self._usable(command)
        if isinstance(found, Refusal):
            return found
        item, kind, effects = found
        gate = self._gates.get(player_id, Gate.NORMAL)
        if kind.drops and gate in WITHHELD:
            return LowTrust(item_id=item.name, gate=gate)
        drop = self._drop(item, kind)
        if isinstance(drop, Refusal):
            return drop
        prize = Prize() if drop is None else kind.drops[drop]
        prize = replace(prize, experience=prize.experience + effects.experience)
        pack.put_item(replace(item, count=item.count - effects.consume, used=item.used + 1))
        use_id, first = self._ids(), len(pack.events)
        share_bp = self._kit.reduced_bp if gate is Gate.REDUCED else WHOLE_BP
        obtained = pack.give(player_id, prize, reference=use_id, reason=f"use:{kind.type}", share_bp=share_bp)
        if isinstance(obtained, Refusal):
            pack.put_item(item)
            return obtained
        effect = self._affect(item, effects)
        pack.events.insert(first, self._used(pack.kept(item), use_id=use_id, drop=drop, effect=effect))
        return self._shown(pack.kept(item), obtained, effect)

    def _usable(self, command: UseItem) -> tuple[Item, ItemKind, Effects] | Refusal:
        item = self._pack.item(command.player_id, command.item_id)
        if item is None:
            return NoSuchItem()
        kind = self._kit.items.get(item.type)
        if kind is None or kind.effects is None:
            return NotUsable(type=item.type)
        if self._pack.bearers[item.player_id].level < kind.level_min:
            return LevelTooLow(type=kind.type, level_min=kind.level_min)
        if kind.effects.heal and not self._wear_in_hand(item.player_id):
            return NotWorn()
        return item, kind, kind.effects

    def _drop(self, item: Item, kind: ItemKind) -> int | Refusal | None:
        """Which of the things inside is found, None when nothing can be; what is sold out is not drawn."""
        if not kind.drops:
            return None
        places = [place for place, prize in enumerate(kind.drops) if self._pack.sold_out(prize) is None]
        if not places:
            return SoldOut(type=self._pack.sold_out(kind.drops[0]))
        stream = draw(self._key, player_id=item.player_id, what="open", thing=item.name, nth=item.used + 1)
        return places[picked(stream, [kind.weights[place] for place in places])]

    def _affect(self, item: Item, effects: Effects) -> _Effect:
        pack, player_id = self._pack, item.player_id
        boost = None if effects.boost is None else self._begun(item, effects.boost)
        tool, healed = pack.in_hand(player_id) if effects.heal else None, 0
        if tool is not None:
            healed = min(effects.heal, self._wear_in_hand(player_id))
            tool = self._mended(tool, self._kit.tools[tool.type], by=healed)
        if tool is not None or (boost is not None and boost.what == "collect"):
            pack.geared(player_id)
        return _Effect(boost=boost, tool=tool, healed=healed)

    def _begun(self, item: Item, effect: Boost) -> Running:
        """A boost that begins, or goes on for longer."""
        begun = Running(
            player_id=item.player_id,
            what=effect.what,
            type=item.type,
            multiplier_bp=basis_points(effect.multiplier),
            until_us=0,
        )
        running = self._pack.boost(item.player_id, begun.what, begun.type)
        boost = extended(running, begun, now_us=self._pack.now_us, seconds=effect.seconds)
        self._pack.put_boost(boost)
        return boost

    def _used(self, item: Item, *, use_id: UUID, drop: int | None, effect: _Effect) -> ItemUsed:
        boost = effect.boost
        until: datetime | None = None if boost is None else from_us(boost.until_us)
        return ItemUsed(
            player_id=item.player_id,
            use_id=use_id,
            item_id=item.name,
            type=item.type,
            count=item.count,
            nth=item.used,
            drop=drop,
            healed=effect.healed,
            boost=None if boost is None else boost.what,
            multiplier_bp=None if boost is None else boost.multiplier_bp,
            until=until,
        )

    def _shown(self, item: Item, obtained: Obtained, effect: _Effect) -> Used:
        return Used(
            item=item_seen(item, self._kit),
            obtained=obtained,
            boost=None if effect.boost is None else boost_seen(effect.boost),
            tool=None if effect.tool is None else self._seen(effect.tool),
        )

    def _tool(self, change: EquipTool | UpgradeTool | RepairTool) -> tuple[Tool, ToolKind] | Refusal:
        """The tool that a change is about; one of a type that the game has no more counts as none."""
        tool = self._pack.tools(change.player_id).get(change.tool_id)
        kind = None if tool is None else self._kit.tools.get(tool.type)
        if tool is None or kind is None:
            return NoSuchTool()
        if self._pack.bearers[change.player_id].level < kind.level_min:
            return LevelTooLow(type=kind.type, level_min=kind.level_min)
        return tool, kind

    def _equip(self, tool: Tool, kind: ToolKind) -> ToolReply:
        if tool.equipped_at is not None:
            return ToolReply(tool=self._seen(tool))
        pack, collected = self._pack, self._collected(tool.player_id)
        before = pack.in_hand(tool.player_id)
        if before is not None:
            pack.put_tool(replace(before, wear=before.worn(collected), equipped_at=None))
        in_hand = replace(tool, equipped_at=collected)
        pack.put_tool(in_hand)
        pack.geared(tool.player_id)
        pack.events.append(ToolEquipped(player_id=tool.player_id, tool_id=tool.id, type=kind.type))
        return ToolReply(tool=self._seen(in_hand))

    def _upgrade(self, tool: Tool, kind: ToolKind, *, wanted: int | None) -> ToolReply | Refusal:
        pack = self._pack
        if wanted is not None and wanted != tool.level + 1:
            return ToolChanged(tool_id=str(tool.id), level=tool.level)
        if tool.level >= len(kind.levels):
            return TopLevel(tool_id=str(tool.id), level=tool.level)
        following = kind.levels[tool.level]
        paid = self._charge(tool, kind, following.cost_minor, code=TransferCode.UPGRADE)
        if isinstance(paid, Refusal):
            return paid
        attempt = tool.attempts + 1
        stream = draw(self._key, player_id=tool.player_id, what="upgrade", thing=str(tool.id), nth=attempt)
        success = succeeds(stream, with_chance_bp(following.chance_bp, self._upgrade_boost_bp(tool.player_id)))
        after = replace(tool, attempts=attempt, level=tool.level + success)
        pack.put_tool(after)
        if success and tool.equipped_at is not None:
            pack.geared(tool.player_id)
        told = ToolUpgraded if success else UpgradeFailed
        event = told(
            player_id=tool.player_id,
            tool_id=tool.id,
            type=kind.type,
            level=after.level,
            attempt=attempt,
            currency=kind.currency.code,
            cost_minor=following.cost_minor,
        )
        pack.events.append(event)
        return ToolReply(tool=self._seen(after), success=success, paid=paid)

    def _repair(self, tool: Tool, kind: ToolKind) -> ToolReply | Refusal:
        wear = wear_of(tool, kind, collected=self._collected(tool.player_id))
        if not wear:
            return NotWorn(tool_id=str(tool.id))
        cost_minor = repair_minor(kind, wear)
        paid = self._charge(tool, kind, cost_minor, code=TransferCode.REPAIR)
        if isinstance(paid, Refusal):
            return paid
        mended = self._mended(tool, kind, by=wear)
        if tool.equipped_at is not None:
            self._pack.geared(tool.player_id)
        event = ToolRepaired(
            player_id=tool.player_id,
            tool_id=tool.id,
            type=kind.type,
            wear=wear,
            currency=kind.currency.code,
            cost_minor=cost_minor,
        )
        self._pack.events.append(event)
        return ToolReply(tool=self._seen(mended), paid=paid)

    def _mended(self, tool: Tool, kind: ToolKind, *, by: int) -> Tool:
        """The tool with so much wear less, kept."""
        collected = self._collected(tool.player_id)
        mended = replace(
            tool,
            wear=wear_of(tool, kind, collected=collected) - by,
            equipped_at=None if tool.equipped_at is None else collected,
        )
        self._pack.put_tool(mended)
        return mended

    def _charge(self, tool: Tool, kind: ToolKind, amount_minor: int, *, code: TransferCode) -> Payment | Refusal | None:
        """What was paid for a tool; None where it costs nothing."""
        if not amount_minor:
            return None
        currency, purse = kind.currency, self._pack.purse
        issuance, wallet = sides_of(tool.player_id, currency)
        cost = currency.format(amount_minor)
        refusal = purse.move(
            [Move(wallet, issuance, amount_minor)], unpaid=CannotPay(currency=currency.code, cost=cost)
        )
        if refusal is not None:
            return refusal
        self._pack.transfers.append(
            Transfer(
                id=self._ids(), debit=wallet, credit=issuance, amount_minor=amount_minor, code=code, reference=tool.id
            )
        )
        return Payment(amount=cost, currency=currency.code, balance=currency.format(purse.posted_minor(wallet)))

    def _wear_in_hand(self, player_id: UUID) -> int:
        """The wear of the tool in a player's hand; 0 without one."""
        tool = self._pack.in_hand(player_id)
        kind = None if tool is None else self._kit.tools.get(tool.type)
        if tool is None or kind is None:
            return 0
        return wear_of(tool, kind, collected=self._collected(player_id))

    def _upgrade_boost_bp(self, player_id: UUID) -> int:
        return strongest(self._pack.boosts(player_id), "upgrade", now_us=self._pack.now_us)

    def _collected(self, player_id: UUID) -> int:
        return self._pack.bearers[player_id].collected

    def _seen(self, tool: Tool) -> ToolSeen:
        return tool_seen(
            tool,
            self._kit,
            collected=self._collected(tool.player_id),
            boost_bp=self._upgrade_boost_bp(tool.player_id),
        )
