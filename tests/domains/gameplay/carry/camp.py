"""What carry's tests share: a small game with things to carry, one database, as many servers as a test asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from overworld.domains.gameplay.carry.kit import kit_of
from overworld.domains.gameplay.carry.messages import EquipTool, RepairTool, UpgradeTool, UseItem
from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.carry.rules import starter_id
from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.carry.store import lock_bearers
from overworld.domains.gameplay.carry.types import (
    BadgeRules,
    Boost,
    CarrySettings,
    Drop,
    Effects,
    ItemRules,
    ItemType,
    Kit,
    Reward,
    ToolLevel,
    ToolRules,
    ToolType,
)
from overworld.domains.gameplay.rewards import Grant, Rewards, require_posted
from overworld.domains.gameplay.types import Worn
from overworld.domains.gameplay.wiring import SCHEMA
from overworld.domains.ledger import SCHEMA as LEDGER
from overworld.domains.ledger import Ledger
from overworld.kernel.events import Event
from overworld.kernel.money import Currency
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import SCHEMA as EVENTLOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY
from tests.domains.gameplay.field import Reputations

SCHEMAS = (IDEMPOTENCY, EVENTLOG, LEDGER, SCHEMA)
COIN, GEM = Currency("coin"), Currency("gem", 2)
CURRENCIES = {"coin": COIN, "gem": GEM}
LEVELS = (50, 100, 1000)
SECRET = b"a secret of the tests"
ANN, BEN, CARL = (UUID(int=n) for n in (1, 2, 3))
WOODEN = {player_id: starter_id(player_id, "wooden") for player_id in (ANN, BEN, CARL)}
"""The tools of the beginning, by player."""
ITEMS = ItemRules(
    types={
        "apple": ItemType(title="Apple", stack_max=1000, effects=Effects(experience=10)),
        "stone": ItemType(),
        "sword": ItemType(unique=True, level_min=2, effects=Effects(experience=1, consume=False)),
        "crown": ItemType(unique=True, supply=3),
        "ticket": ItemType(supply=5, effects=Effects()),
        "salve": ItemType(effects=Effects(heal=30)),
        "potion": ItemType(effects=Effects(boost=Boost(multiplier="1.50", seconds=60))),
        "elixir": ItemType(effects=Effects(boost=Boost(multiplier="2", seconds=30))),
        "charm": ItemType(effects=Effects(boost=Boost(what="upgrade", multiplier="2.00", seconds=60))),
        "box": ItemType(
            effects=Effects(
                open=(
                    Drop(weight=6, reward=Reward(tokens={"coin": "5"})),
                    Drop(weight=3, reward=Reward(items={"apple": 2}, experience=5)),
                    Drop(weight=1, reward=Reward(items={"crown": 1}, badges=("lucky",))),
                )
            )
        ),
        "chest": ItemType(effects=Effects(open=(Drop(weight=1, reward=Reward(items={"crown": 1})),))),
    }
)
TOOLS = ToolRules(
    starter="wooden",
    types={
        "wooden": ToolType(
            currency="coin",
            durability=100,
            repair_cost="10",
            levels=(
                ToolLevel(efficiency="1.00"),
                ToolLevel(efficiency="1.20", cost="20"),
                ToolLevel(efficiency="1.50", cost="50", chance="0.5"),
            ),
        ),
        "golden": ToolType(currency="gem", level_min=2, levels=(ToolLevel(efficiency="3.00"),)),
    },
)
BADGES = {
    "lucky": BadgeRules(kind="luck", name="Lucky", text="Found a crown.", icon="crown.svg"),
    "early": BadgeRules(kind="time", name="Early"),
}


def kit(items: ItemRules = ITEMS, tools: ToolRules = TOOLS) -> Kit:
    return kit_of(items, tools, BADGES, currencies=CURRENCIES, levels=LEVELS)


class Camp:
    """One database, one clock, one ledger; `server` makes another server on them."""

    def __init__(self, database, clock, ids) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.trust = Reputations()
        self.ledger = Ledger(database=database, currencies=CURRENCIES)
        self.outbox = PostgresOutbox(ids=ids)
        self.first = self.carry()
        self.reading = Reading(database=database, clock=clock, kit=kit())
        self.rewards = Rewards(kit=kit(), ledger=self.ledger, ids=ids)

    def carry(self, database=None, *, game: Kit | None = None) -> Carry:
        """The service of another server."""
        return Carry(
            database=database or self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=self.outbox,
            ledger=Ledger(database=database or self.database, currencies=CURRENCIES),
            kit=game or kit(),
            key=SECRET,
            trust=self.trust,
            settings=CarrySettings(),
        )

    async def do(self, *changes: Any, carry: Carry | None = None) -> list[Any]:
        """The outcomes of changes in one batch: what each came to, or its refusal."""
        outcomes = await (carry or self.first).run(changes)
        return [one if isinstance(one, Refusal) else one.value.used or one.value.tool for one in outcomes]

    def use(self, player_id: UUID, item_id: str, key: str | None = None) -> UseItem:
        return UseItem(player_id=player_id, item_id=item_id, key=key or str(self.ids()))

    def equip(self, player_id: UUID, tool_id: UUID, key: str | None = None) -> EquipTool:
        return EquipTool(player_id=player_id, tool_id=tool_id, key=key or str(self.ids()))

    def upgrade(
        self, player_id: UUID, tool_id: UUID, key: str | None = None, *, level: int | None = None
    ) -> UpgradeTool:
        return UpgradeTool(player_id=player_id, tool_id=tool_id, level=level, key=key or str(self.ids()))

    def repair(self, player_id: UUID, tool_id: UUID, key: str | None = None) -> RepairTool:
        return RepairTool(player_id=player_id, tool_id=tool_id, key=key or str(self.ids()))

    async def wear(self, player_id: UUID, claims: int) -> None:
        """Lets a player win so many claims."""
        async with self.database.transaction() as tx:
            await lock_bearers(tx, {player_id})
            await tx.execute("UPDATE gameplay.player SET collected = collected + $2 WHERE id = $1", player_id, claims)

    async def worn(self, player_id: UUID) -> Worn:
        async with self.database.read() as tx:
            return (await self.reading.of(tx, [player_id], now_us=self.clock.now_us()))[player_id]

    async def give(self, player_id: UUID, reward: Reward, *, reference: UUID | None = None) -> Any:
        """The outcome of one grant, posted and told."""
        return (await self.give_all([(player_id, reward)], reference=reference))[0]

    async def give_all(self, rewards, *, reference: UUID | None = None, rewarding: Rewards | None = None) -> list[Any]:
        """The outcomes of some grants in one transaction."""
        grants = [
            Grant(player_id=player_id, reward=reward, reference=reference or self.ids(), reason="test")
            for player_id, reward in rewards
        ]
        at = self.clock.now()
        async with self.database.transaction() as tx:
            given = await (rewarding or self.rewards).grant(tx, grants, at=at)
            require_posted(await self.ledger.post(tx, given.transfers, at=at))
            await self.outbox.append(tx, given.events, at=at)
        return given.outcomes

    async def balance(self, player_id: UUID, currency: str = "coin") -> int:
        held = {row.currency: row.posted_minor for row in await self.ledger.balances(player_id)}
        return held[currency]

    async def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        async with self.database.read() as tx:
            return [tuple(row) for row in await tx.fetch(query, *args)]

    async def held(self, player_id: UUID) -> Counter[str]:
        """How many a player has of each type."""
        return Counter(
            dict(
                await self.rows(
                    "SELECT type, sum(count)::bigint FROM gameplay.item WHERE player_id = $1 AND count > 0 GROUP BY 1",
                    player_id,
                )
            )
        )

    async def events(self, *topics: str) -> list[Any]:
        """Every event of the log, of some topics or of all, in its order."""
        async with self.database.read() as tx:
            batches = await read(tx, after=START, topics=frozenset(topics or Event.registry), batches_max=10_000)
        return [envelope.decode() for batch in batches for envelope in batch.events]

    async def broken(self) -> list[str]:
        """What does not add up in the books, and between what was told and what players hold."""
        async with self.database.read() as tx:
            found = await self.ledger.invariants(tx)
        granted: Counter[str] = Counter()
        for event in await self.events("events.item.granted"):
            granted[event.type] += event.count
        issued = dict(await self.rows("SELECT type, issued FROM gameplay.supply"))
        found += [
            f"{name}: {count} issued, {granted[name]} told" for name, count in issued.items() if count != granted[name]
        ]
        return found


@asynccontextmanager
async def opened_camp(open_database, clock, ids) -> AsyncIterator[Camp]:
    async with open_database(*SCHEMAS) as database:
        camp = Camp(database, clock, ids)
        yield camp
        assert await camp.broken() == []
