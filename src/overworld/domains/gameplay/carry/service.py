"""Carry's door for changes: using items, and taking in hand, upgrading and repairing tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from overworld.domains.gameplay.carry import store
from overworld.domains.gameplay.carry.deciding import Deciding, Done
from overworld.domains.gameplay.carry.messages import (
    Change,
    EquipTool,
    RepairTool,
    ToolReply,
    UpgradeTool,
    Used,
    UseItem,
)
from overworld.domains.gameplay.carry.pack import Loaded, Pack, instance_named, sides_of, with_starter
from overworld.domains.gameplay.carry.types import Bearer, CarrySettings, Item, Kit, Prize, Tool
from overworld.domains.gameplay.errors import LowTrust
from overworld.domains.gameplay.ports import Trust
from overworld.domains.gameplay.purse import Purse
from overworld.domains.gameplay.rewards import accounts_of, require_posted, wanted_for
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.money import AccountRef
from overworld.kernel.ports import Ledger, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.kernel.standing import Gate
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, first_uses, keyed, recall, remember, repeated

T = TypeVar("T")
Outcome = Answer[Done] | Refusal
_RUNS_MAX = 16
_OPERATIONS: dict[type[Change], str] = {
    UseItem: "gameplay.use",
    EquipTool: "gameplay.equip",
    UpgradeTool: "gameplay.upgrade",
    RepairTool: "gameplay.repair",
}


class Carry:
    """Changes to what players carry. Several may run at once, here and on other servers. `close` lets those in flight
    finish. `kit` may be exchanged: batches that begin later go by the new one.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        ledger: Ledger,
        kit: Kit,
        key: bytes,
        trust: Trust,
        settings: CarrySettings,
    ) -> None:
        self.kit = kit
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._ledger = ledger
        self._key = key
        self._trust = trust
        self._settings = settings
        self.lanes = Lanes[Change, Answer[Done]](settings.lanes, make=self._lane, key=lambda command: command.player_id)

    def _lane(self, i: int) -> GroupCommit[Change, Answer[Done]]:
        return GroupCommit(
            name=f"carry-{i}",
            run=partial(self.run, stripe=i),
            queue_max=self._settings.queue_max,
            batch_max=self._settings.batch_max,
            monotonic_s=self._clock.monotonic_s,
        )

    async def use(self, command: UseItem) -> Answer[Used]:
        """What using an item came to; or the answer of an earlier try under the same key.

        Raises: KeyReused; NoSuchItem, NotUsable, LevelTooLow, NotWorn, LowTrust of what is opened, SoldOut, StackFull,
        WalletFrozen, WalletFull; Busy.
        """
        done = await self.lanes.submit(command)
        return Answer(_given(done.value.used), replayed=done.replayed)

    async def change(self, command: EquipTool | UpgradeTool | RepairTool) -> Answer[ToolReply]:
        """The tool after what was done to it; or the answer of an earlier try under the same key.

        Raises: KeyReused; NoSuchTool, LevelTooLow; of an upgrade ToolChanged, TopLevel, of a repair NotWorn;
        WalletFrozen, CannotPay; Busy.
        """
        done = await self.lanes.submit(command)
        return Answer(_given(done.value.tool), replayed=done.replayed)

    async def close(self) -> None:
        """Lets the changes in flight finish, and refuses new ones."""
        await self.lanes.close()

    async def run(self, changes: Sequence[Change], *, stripe: int = 0) -> list[Outcome]:
        """The outcome of each, (n,), exactly as if they had come one after another.

        Whatever is raised, the same changes may be run again. Raises: Busy when others keep using the same keys.
        """
        uses = [_use(change) for change in changes]
        gates = await self._gates(changes)
        for _ in range(_RUNS_MAX):
            try:
                return await run_again(partial(self._run_once, changes, uses, gates, stripe))
            except KeyTaken:
                continue
        raise Busy("others keep using the same keys")

    async def _gates(self, changes: Sequence[Change]) -> dict[UUID, Gate]:
        """At which gates they stand who use something."""
        users = list({change.player_id for change in changes if isinstance(change, UseItem)})
        standings = await self._trust.standings(users) if users else []
        return {player_id: standing.gate for player_id, standing in zip(users, standings, strict=True)}

    async def _run_once(
        self, changes: Sequence[Change], uses: Sequence[Keyed], gates: Mapping[UUID, Gate], stripe: int
    ) -> list[Outcome]:
        at, first = self._clock.now(), first_uses(uses)
        async with self._database.transaction() as tx:
            bearers = await store.lock_bearers(tx, {change.player_id for change in changes})
            earlier = await recall(tx, uses, answer=Done)
            fresh = [i for i in range(len(changes)) if first[i] == i and earlier[i] is None]
            decided: dict[int, Done | Refusal] = {}
            if fresh:
                pack = await self._pack(tx, [changes[i] for i in fresh], bearers, at=at)
                deciding = Deciding(pack, key=self._key, ids=self._ids, gates=gates)
                decided = {i: deciding.decide(changes[i]) for i in fresh}
                await store.save(tx, pack)
                require_posted(await self._ledger.post(tx, pack.transfers, at=at, stripe=stripe))
                kept = [(uses[i], outcome) for i, outcome in decided.items() if not isinstance(outcome, LowTrust)]
                await remember(tx, kept, at=at)
                await self._outbox.append(tx, pack.events, at=at)
        return [self._outcome(i, uses, first, earlier, decided) for i in range(len(changes))]

    def _outcome(
        self,
        i: int,
        uses: Sequence[Keyed],
        first: Sequence[int],
        earlier: Sequence[Done | Refusal | None],
        decided: dict[int, Done | Refusal],
    ) -> Outcome:
        if i in decided:
            own = decided[i]
            return own if isinstance(own, Refusal) else Answer(own)
        known = earlier[i]
        if known is None:
            known = repeated(uses[i], first=uses[first[i]], outcome=decided[first[i]])
        return known if isinstance(known, Refusal) else Answer(known, replayed=True)

    async def _pack(self, tx: Tx, changes: Sequence[Change], bearers: dict[UUID, Bearer], *, at: datetime) -> Pack:
        """All that some changes may touch, read and locked: supplies first, accounts last."""
        kit = self.kit
        asked = await self._asked(tx, changes, kit)
        prizes = [(item.player_id, prize) for item in asked for prize in _drops(item, kit)]
        wanted = replace(wanted_for(prizes, kit), player_ids=list(bearers), with_tools=_with_tools(changes, asked, kit))
        loaded = await store.load(tx, wanted, bearers)
        loaded = replace(loaded, items=[*asked, *loaded.items])
        accounts = list(dict.fromkeys([*accounts_of(prizes), *_charged(changes, loaded, kit, at=at)]))
        purse = Purse(await self._ledger.locked(tx, accounts) if accounts else {})
        return Pack(kit, loaded, purse=purse, ids=self._ids, at=at)

    async def _asked(self, tx: Tx, changes: Sequence[Change], kit: Kit) -> list[Item]:
        """The items that are to be used, as far as there are such."""
        names = [(change.player_id, change.item_id) for change in changes if isinstance(change, UseItem)]
        stacks = {(player_id, name) for player_id, name in names if name in kit.items}
        instances = {(player_id, one) for player_id, name in names if (one := instance_named(name)) is not None}
        if not stacks and not instances:
            return []
        return await store.items_of(tx, stacks=stacks, instances=instances)


def _given(reply: T | None) -> T:
    """What a change of its kind always comes to."""
    if reply is None:
        raise TypeError("a change was answered as another kind of change")
    return reply


def _use(change: Change) -> Keyed:
    """The use of a change's key: what is asked for is all but the key itself."""
    asked = [getattr(change, name) for name in type(change).__struct_fields__ if name not in ("player_id", "key")]
    return keyed(change.player_id, change.key, operation=_OPERATIONS[type(change)], body=asked)


def _drops(item: Item, kit: Kit) -> Sequence[Prize]:
    kind = kit.items.get(item.type)
    return () if kind is None else kind.drops


def _with_tools(changes: Sequence[Change], asked: Sequence[Item], kit: Kit) -> set[UUID]:
    """The players whose tools and boosts are to be looked at."""
    players = {change.player_id for change in changes if not isinstance(change, UseItem)}
    for item in asked:
        kind = kit.items.get(item.type)
        if kind is not None and kind.effects is not None and (kind.effects.heal or kind.effects.boost):
            players.add(item.player_id)
    return players


def _charged(changes: Sequence[Change], loaded: Loaded, kit: Kit, *, at: datetime) -> list[AccountRef]:
    """The accounts that upgrades and repairs may post to."""
    tools: dict[UUID, dict[UUID, Tool]] = {}
    for tool in loaded.tools:
        tools.setdefault(tool.player_id, {})[tool.id] = tool
    sides: list[AccountRef] = []
    for change in changes:
        if isinstance(change, UpgradeTool | RepairTool):
            theirs = with_starter(tools.get(change.player_id, {}), change.player_id, kit, at=at)
            kind = kit.tools.get(theirs[change.tool_id].type) if change.tool_id in theirs else None
            sides += [] if kind is None else sides_of(change.player_id, kind.currency)
    return sides
