"""What the tests of quests share: a hall with quests, players who do things, and as many servers as a test asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.gameplay.carry.kit import kit_of
from overworld.domains.gameplay.carry.types import ItemRules, Reward, ToolRules
from overworld.domains.gameplay.messages import CollectibleCollected, LevelReached
from overworld.domains.gameplay.quests.messages import CompleteQuest, StartQuest
from overworld.domains.gameplay.quests.types import QuestRules
from overworld.domains.gameplay.quests.wiring import QuestParts, build
from overworld.domains.gameplay.rewards import Rewards
from overworld.domains.ledger import Ledger
from overworld.domains.world.messages import LocationUpdated
from overworld.geo import cells
from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from tests.audited import KeptTrail
from tests.domains.gameplay.field import CURRENCIES, HOME, SCHEMAS, Fixes, Reputations

LAT, LNG = cells.centre_deg(HOME)
BY_CODE = {currency.code: currency for currency in CURRENCIES}
LEVELS = (50, 100, 1000)
PAID = Reward(tokens={"coin": "5"}, experience=40)
ANN, BEN, CID, STAFF = (UUID(int=n) for n in (1, 2, 3, 8))
TOPICS = frozenset(f"events.quest.{what}" for what in ("created", "started", "progressed", "completed", "failed"))


def rules(*objectives: Any, **said: Any) -> QuestRules:
    """A quest as if it stood in a game.toml."""
    written = {"title": "A quest", "objectives": list(objectives), "rewards": msgspec.to_builtins(PAID), **said}
    return msgspec.convert(written, QuestRules)


class Hall:
    """One database, one clock, the books, and the quests of a server."""

    def __init__(self, database, clock, ids) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.fixes = Fixes()
        self.audit = KeptTrail()
        self.trust = Reputations()
        self.outbox = PostgresOutbox(ids=ids)
        self.ledger = Ledger(database=database, currencies=BY_CODE)
        self._kit = kit_of(ItemRules(), ToolRules(), {}, currencies=BY_CODE, levels=LEVELS)

    async def server(self, **quests: QuestRules) -> QuestParts:
        """Another server, whose game has these quests."""
        parts = build(
            database=self.database,
            clock=self.clock,
            outbox=self.outbox,
            ledger=self.ledger,
            rewards=Rewards(kit=self._kit, ledger=self.ledger, ids=self.ids),
            last_fix=self.fixes,
            audit=self.audit,
            currencies=BY_CODE,
            trust=self.trust,
            fix_age_max_s=60,
        )
        await parts.catalogue.adopt(quests, at=self.clock.now())
        return parts

    def happens(self, event: Event, at: datetime | None = None) -> Envelope:
        """An event as it comes out of the log."""
        return enclose(event, id=self.ids(), at=at or self.clock.now())

    def collects(self, player_id: UUID, at: datetime | None = None, **said: Any) -> Envelope:
        known: dict[str, Any] = {"type": "copper", "currency": "coin", "amount_minor": 3}
        event = CollectibleCollected(
            player_id=player_id,
            collectible_id=str(self.ids()),
            experience=0,
            cell=cells.token(HOME),
            lat_deg=said.pop("lat", LAT),
            lng_deg=said.pop("lng", LNG),
            **(known | said),
        )
        return self.happens(event, at)

    def walks(self, player_id: UUID, metres: float, *, lat: float = LAT, lng: float = LNG) -> Envelope:
        return self.happens(
            LocationUpdated(
                player_id=player_id,
                lat_deg=lat,
                lng_deg=lng,
                accuracy_m=5.0,
                speed_m_s=1.0,
                metres=metres,
                cell=cells.token(HOME),
                recorded_at=self.clock.now(),
            )
        )

    def rises(self, player_id: UUID, level: int) -> Envelope:
        return self.happens(LevelReached(player_id=player_id, level=level, level_before=level - 1, experience=0))

    async def at_level(self, player_id: UUID, level: int) -> None:
        async with self.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO gameplay.player (id, level, experience) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE"
                " SET level = excluded.level, experience = excluded.experience",
                player_id,
                level,
                (0, *LEVELS)[level - 1],
            )

    async def balance(self, player_id: UUID, currency: str = "coin") -> int:
        held = {row.currency: row.posted_minor for row in await self.ledger.balances(player_id)}
        return held[currency]

    async def rows(self) -> dict[tuple[UUID, str, int], tuple[int, list[int]]]:
        """Every run with its state and counts."""
        async with self.database.read() as tx:
            rows = await tx.fetch("SELECT * FROM gameplay.assignment")
        return {(row["player_id"], row["quest"], row["run"]): (row["state"], row["counts"]) for row in rows}

    async def totals(self) -> list[list[int]]:
        async with self.database.read() as tx:
            return [row["counts"] for row in await tx.fetch("SELECT counts FROM gameplay.quest_total ORDER BY 1")]

    async def told(self) -> list[Any]:
        """Every event about quests, in the log's order."""
        async with self.database.read() as tx:
            batches = await read(tx, after=START, topics=TOPICS, batches_max=10_000)
        return [envelope.decode() for batch in batches for envelope in batch.events]

    async def seen(self, parts: QuestParts, player_id: UUID, *memberships: str) -> dict[str, Any]:
        return {one.id: one for one in await parts.showing.of(player_id, memberships=memberships)}

    async def complete(self, parts: QuestParts, player_id: UUID, quest: str, key: str | None = None) -> str:
        """`ok`, or the last word of the refusal's code; a replay is marked with a star."""
        command = CompleteQuest(player_id=player_id, quest=quest, key=key or str(self.ids()))
        try:
            answer = await parts.completing.complete(command)
        except Refusal as refusal:
            return refusal.code.rpartition(".")[2] + "*" * refusal.replayed
        return "ok" + "*" * answer.replayed

    async def start(self, parts: QuestParts, player_id: UUID, quest: str, *memberships: str) -> str:
        command = StartQuest(player_id=player_id, quest=quest, memberships=memberships)
        try:
            return (await parts.starting.start(command)).state.wire
        except Refusal as refusal:
            return refusal.code.rpartition(".")[2]


@asynccontextmanager
async def opened_hall(open_database, clock, ids) -> AsyncIterator[Hall]:
    async with open_database(*SCHEMAS) as database:
        hall = Hall(database, clock, ids)
        yield hall
        async with database.read() as tx:
            assert await hall.ledger.invariants(tx) == []
