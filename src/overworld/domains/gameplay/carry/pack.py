"""What some players carry, under lock, and what a batch makes of it: decided in memory, written afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from overworld.domains.gameplay.amounts import shared_minor
from overworld.domains.gameplay.carry.errors import SoldOut, StackFull
from overworld.domains.gameplay.carry.messages import BadgeEarned, ItemGranted, Obtained, Payment, ToolGranted
from overworld.domains.gameplay.carry.rules import experienced, starter_id
from overworld.domains.gameplay.carry.showing import item_seen, tool_seen
from overworld.domains.gameplay.carry.types import (
    INSTANCES_AT_ONCE_MAX,
    STACK,
    Bearer,
    Item,
    Kit,
    Prize,
    Running,
    Tool,
)
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.gameplay.purse import Move, Purse
from overworld.domains.gameplay.types import WHOLE_BP
from overworld.kernel.clock import to_us
from overworld.kernel.events import Event
from overworld.kernel.ids import IdSource, derived_id
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Currency, Transfer, TransferCode
from overworld.kernel.refusals import Refusal


class Loaded(Struct, frozen=True, kw_only=True):
    """What was read under the players' locks; of items, badges and supplies only what the batch may touch."""

    bearers: Mapping[UUID, Bearer]
    items: Sequence[Item] = ()
    tools: Sequence[Tool] = ()
    boosts: Sequence[Running] = ()
    badges: AbstractSet[tuple[UUID, str]] = frozenset()
    issued: Mapping[str, int] = {}


class Pack:
    """The things of a batch's players as they are now. What is in `changed_*`, `transfers` and `events` is to be kept.

    Every method that refuses has changed nothing.
    """

    def __init__(self, kit: Kit, loaded: Loaded, *, purse: Purse, ids: IdSource, at: datetime) -> None:
        self.kit = kit
        self.purse = purse
        self.at = at
        self.now_us = to_us(at)
        self.events: list[Event] = []
        self.transfers: list[Transfer] = []
        self.changed_bearers: set[UUID] = set()
        self.changed_items: dict[tuple[UUID, str, UUID], Item] = {}
        self.changed_tools: dict[UUID, Tool] = {}
        self.changed_boosts: dict[tuple[UUID, str, str], Running] = {}
        self.new_badges: list[tuple[UUID, str]] = []
        self.changed_supplies: set[str] = set()
        self.issued = dict(loaded.issued)
        self.bearers = dict(loaded.bearers)
        self._ids = ids
        self._items = {(one.player_id, one.type, one.id): one for one in loaded.items}
        self._instances = {(one.player_id, one.id): one for one in loaded.items if one.id != STACK}
        self._badges = set(loaded.badges)
        self._boosts = {(one.player_id, one.what, one.type): one for one in loaded.boosts}
        self._tools: dict[UUID, dict[UUID, Tool]] = {player_id: {} for player_id in loaded.bearers}
        for tool in loaded.tools:
            self._tools[tool.player_id][tool.id] = tool

    def item(self, player_id: UUID, name: str) -> Item | None:
        """An item by what clients call it, if the player has one."""
        found = self._items.get((player_id, name, STACK))
        if found is None:
            instance_id = instance_named(name)
            found = None if instance_id is None else self._instances.get((player_id, instance_id))
        return found if found is not None and found.count else None

    def kept(self, item: Item) -> Item:
        """An item as it is now."""
        return self._items[item.player_id, item.type, item.id]

    def put_item(self, item: Item) -> None:
        """Keeps an item as it is now."""
        self._items[item.player_id, item.type, item.id] = item
        self.changed_items[item.player_id, item.type, item.id] = item
        if item.id != STACK:
            self._instances[item.player_id, item.id] = item

    def tools(self, player_id: UUID) -> dict[UUID, Tool]:
        """The tools of a player, the one of the beginning among them."""
        return with_starter(self._tools[player_id], player_id, self.kit, at=self.at)

    def in_hand(self, player_id: UUID) -> Tool | None:
        """The tool that a player has in hand."""
        return next((one for one in self.tools(player_id).values() if one.equipped_at is not None), None)

    def put_tool(self, tool: Tool) -> None:
        """Keeps a tool as it is now."""
        self._tools[tool.player_id][tool.id] = tool
        self.changed_tools[tool.id] = tool

    def boosts(self, player_id: UUID) -> list[Running]:
        """The boosts of a player, those that have ended included."""
        return [one for one in self._boosts.values() if one.player_id == player_id]

    def boost(self, player_id: UUID, what: str, type: str) -> Running | None:
        """The boost of a type that a player began."""
        return self._boosts.get((player_id, what, type))

    def put_boost(self, boost: Running) -> None:
        """Keeps a boost as it is now."""
        self._boosts[boost.player_id, boost.what, boost.type] = boost
        self.changed_boosts[boost.player_id, boost.what, boost.type] = boost

    def geared(self, player_id: UUID) -> None:
        """Says that what multiplies a player's claims has changed."""
        bearer = self.bearers[player_id]
        self.bearers[player_id] = replace(bearer, gear=bearer.gear + 1)
        self.changed_bearers.add(player_id)

    def sold_out(self, prize: Prize) -> str | None:
        """The first type of a prize of which there are not so many left."""
        for item_type, count in prize.items:
            supply = self.kit.items[item_type].supply
            if supply is not None and self.issued[item_type] + count > supply:
                return item_type
        return None

    def give(
        self, player_id: UUID, prize: Prize, *, reference: UUID, reason: str, share_bp: int = WHOLE_BP
    ) -> Obtained | Refusal:
        """Gives a player all of a prize, a share of its tokens, or nothing of it.

        Refused are, in this order: SoldOut, StackFull, WalletFrozen, WalletFull.
        """
        is_reduced = share_bp != WHOLE_BP and bool(prize.tokens)
        if is_reduced:
            prize = replace(prize, tokens=tuple((code, shared_minor(minor, share_bp)) for code, minor in prize.tokens))
        refusal = self._cannot_hold(player_id, prize)
        if refusal is None:
            refusal = self.purse.move([Move(*sides_of(player_id, code), minor) for code, minor in prize.tokens])
        if refusal is not None:
            return refusal
        items = [one for entry in prize.items for one in self._add(player_id, *entry, reference, reason)]
        tools = [self._new_tool(player_id, tool_type, reference, reason) for tool_type in prize.tools]
        badges = [name for name in prize.badges if self._earn(player_id, name, reference, reason)]
        self._experience(player_id, prize.experience)
        bearer = self.bearers[player_id]
        return Obtained(
            tokens=[self._pay(player_id, code, minor, reference) for code, minor in prize.tokens],
            items=[item_seen(item, self.kit) for item in items],
            tools=[tool_seen(tool, self.kit, collected=bearer.collected) for tool in tools],
            badges=badges,
            experience=bearer.experience,
            level=bearer.level,
            reduced=is_reduced,
        )

    def _cannot_hold(self, player_id: UUID, prize: Prize) -> Refusal | None:
        gone = self.sold_out(prize)
        if gone is not None:
            return SoldOut(type=gone)
        for item_type, count in prize.items:
            kind = self.kit.items[item_type]
            at_most = INSTANCES_AT_ONCE_MAX if kind.unique else kind.stack_max
            held = None if kind.unique else self._items.get((player_id, item_type, STACK))
            if count + (held.count if held else 0) > at_most:
                return StackFull(type=item_type, stack_max=at_most)
        return None

    def _add(self, player_id: UUID, type: str, count: int, reference: UUID, reason: str) -> list[Item]:
        kind = self.kit.items[type]
        if kind.supply is not None:
            self.issued[type] += count
            self.changed_supplies.add(type)
        if kind.unique:
            added = [
                Item(player_id=player_id, type=type, id=new_id, count=1, since=self.at)
                for new_id in self._ids.many(count)
            ]
        else:
            held = self._items.get((player_id, type, STACK))
            held = held or Item(player_id=player_id, type=type, count=0, since=self.at)
            added = [replace(held, count=held.count + count, since=held.since if held.count else self.at)]
        for item in added:
            self.put_item(item)
            event = ItemGranted(
                player_id=player_id,
                item_id=item.name,
                type=type,
                count=1 if kind.unique else count,
                total=item.count,
                reference=reference,
                reason=reason,
            )
            self.events.append(event)
        return added

    def _new_tool(self, player_id: UUID, type: str, reference: UUID, reason: str) -> Tool:
        tool = Tool(player_id=player_id, id=self._ids(), type=type, since=self.at)
        self.put_tool(tool)
        self.events.append(
            ToolGranted(player_id=player_id, tool_id=tool.id, type=type, reference=reference, reason=reason)
        )
        return tool

    def _earn(self, player_id: UUID, name: str, reference: UUID, reason: str) -> bool:
        if (player_id, name) in self._badges:
            return False
        self._badges.add((player_id, name))
        self.new_badges.append((player_id, name))
        self.events.append(BadgeEarned(player_id=player_id, badge=name, reference=reference, reason=reason))
        return True

    def _experience(self, player_id: UUID, gained: int) -> None:
        if not gained:
            return
        before = self.bearers[player_id]
        after = self.bearers[player_id] = experienced(before, gained, self.kit.levels)
        self.changed_bearers.add(player_id)
        if after.level > before.level:
            event = LevelReached(
                player_id=player_id, level=after.level, level_before=before.level, experience=after.experience
            )
            self.events.append(event)

    def _pay(self, player_id: UUID, currency: Currency, amount_minor: int, reference: UUID) -> Payment:
        debit, credit = sides_of(player_id, currency)
        self.transfers.append(
            Transfer(
                id=derived_id(reference, "reward", str(player_id), currency.code),
                debit=debit,
                credit=credit,
                amount_minor=amount_minor,
                code=TransferCode.REWARD,
                reference=reference,
            )
        )
        return Payment(
            amount=currency.format(amount_minor),
            currency=currency.code,
            balance=currency.format(self.purse.posted_minor(credit)),
        )


def sides_of(player_id: UUID, currency: Currency) -> tuple[AccountRef, AccountRef]:
    """The issuance of a currency and a player's wallet in it: who pays a reward, and who is paid."""
    return AccountRef(HOUSE, currency.code, AccountCode.ISSUANCE), AccountRef(player_id, currency.code)


def with_starter(tools: Mapping[UUID, Tool], player_id: UUID, kit: Kit, *, at: datetime) -> dict[UUID, Tool]:
    """A player's tools with the one of the beginning, which is no row until something is done to it.

    It is in hand as long as no other one is.
    """
    if kit.starter is None:
        return dict(tools)
    first_id = starter_id(player_id, kit.starter)
    if first_id in tools:
        return dict(tools)
    is_in_hand = all(one.equipped_at is None for one in tools.values())
    first = Tool(player_id=player_id, id=first_id, type=kit.starter, equipped_at=0 if is_in_hand else None, since=at)
    return {first_id: first, **tools}


def instance_named(name: str) -> UUID | None:
    """The id of an instance by its name, None for what names none."""
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name and found != STACK else None
