"""What the tests of leaderboards share: collections at a time and place, a server on a database, a naive scoreboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards.scoring import NAME, TOPICS
from overworld.domains.gameplay.boards.standings import TOPICS as TOLD
from overworld.domains.gameplay.boards.types import Board, BoardRules
from overworld.domains.gameplay.boards.wiring import BoardsParts, build
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.geo import cells
from overworld.kernel.events import Envelope, enclose
from overworld.kernel.money import Currency
from overworld.platform.eventlog import EventLog, EventLogSettings, PostgresOutbox
from overworld.platform.eventlog.store import has_passed, head, read
from overworld.platform.eventlog.types import START, Position

CURRENCIES = (Currency("coin"), Currency("gem", 2))
REGION_LEVEL = 10
TOWNS = ((46.05, 14.5), (45.8, 14.36), (-33.9, 151.2))
FAST = EventLogSettings(poll_ms=5, rest_ms=0, takeover_ms=10, backoff_first_ms=1, backoff_max_ms=2, tries=3, save_ms=20)


class Take(Struct, frozen=True):
    """A player took something worth so much, somewhere and some time."""

    player_id: UUID
    amount: int
    at: datetime
    town: int = 0
    currency: str = "coin"
    experience: int = 1

    @property
    def event(self) -> CollectibleCollected:
        lat_deg, lng_deg = TOWNS[self.town]
        return CollectibleCollected(
            player_id=self.player_id,
            collectible_id="x",
            type="copper",
            currency=self.currency,
            amount_minor=self.amount,
            experience=self.experience,
            cell="",
            lat_deg=lat_deg,
            lng_deg=lng_deg,
        )

    @property
    def region(self) -> int:
        return cells.cell_of(*TOWNS[self.town], REGION_LEVEL)


class Clubs:
    """Memberships by name; implements `Memberships`."""

    def __init__(self) -> None:
        self.of: dict[str, list[UUID]] = {}

    async def players(self, membership: str) -> Sequence[UUID] | None:
        return self.of.get(membership)


class Progress:
    """How far the real fold has come."""

    async def has_passed(self, tx: Any, before: datetime) -> bool:
        return await has_passed(tx, NAME, topics=frozenset(TOPICS), before=before)


class Stadium:
    """One database, one clock, and as many servers on them as a test asks for; the first is `parts`."""

    def __init__(self, database: Any, clock: Any, ids: Any, declared: dict[str, BoardRules] | None = None) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.clubs = Clubs()
        self.outbox = PostgresOutbox(ids=ids)
        self.log = EventLog(database, clock=clock, settings=FAST)
        self.declared = declared or {}
        self.parts = self.server()
        self._heard: Position = START

    def server(self) -> BoardsParts:
        """Another server, which holds nothing yet."""
        return build(
            database=self.database,
            clock=self.clock,
            outbox=self.outbox,
            progress=Progress(),
            memberships=self.clubs,
            declared=self.declared,
            currencies=CURRENCIES,
            region_level=REGION_LEVEL,
        )

    async def publish(self, takes: Iterable[Take]) -> None:
        """Writes collections into the log, a batch each."""
        for take in takes:
            async with self.database.transaction() as tx:
                await self.outbox.append(tx, [take.event], at=take.at)

    async def fold(self, takes: Iterable[Take], *, parts: BoardsParts | None = None) -> None:
        """Counts collections at once, as the fold does, and lets the server hear of it."""
        async with self.database.transaction() as tx:
            await (parts or self.parts).scoring.apply(tx, [self.enclosed(take) for take in takes])
        await self.hear()

    def enclosed(self, take: Take) -> Envelope:
        return enclose(take.event, id=self.ids(), at=take.at)

    async def told(self, *, after: Position = START) -> list[Envelope]:
        """What the log says about scores."""
        async with self.database.read() as tx:
            batches = await read(tx, after=after, topics=frozenset(TOLD), batches_max=100_000)
            if batches:
                self._heard = (await head(tx)).position
        return [event for batch in batches for event in batch.events]

    async def hear(self, parts: BoardsParts | None = None) -> list[Any]:
        """Hands what is new in the log to a server, as its tail would."""
        envelopes = await self.told(after=self._heard)
        return await (parts or self.parts).service.standings.on_events(envelopes)

    async def score_rows(self) -> set[tuple[Any, ...]]:
        """The whole table of scores."""
        async with self.database.read() as tx:
            rows = await tx.fetch("SELECT * FROM gameplay.board_score")
        names = ("board", "starts_at", "region", "player_id", "score", "reached_at")
        return {tuple(row[name] for name in names) for row in rows}

    async def results(self, board: str, starts_at: datetime) -> list[tuple[int, UUID, int]]:
        """What is kept of a window of the world."""
        async with self.database.read() as tx:
            rows = await tx.fetch(
                "SELECT rank, player_id, score FROM gameplay.board_result WHERE board = $1 AND starts_at = $2"
                " ORDER BY region, rank",
                board,
                starts_at,
            )
        return [tuple(row) for row in rows]


class Naive:
    """The scoreboard as one would write it first: keep everything, sum and sort whenever somebody asks."""

    def __init__(self, takes: Sequence[Take]) -> None:
        self.takes = takes

    def places(
        self, board: Board, at: datetime, *, region: int = 0, among: Sequence[UUID] | None = None
    ) -> list[tuple[int, UUID, int, datetime]]:
        """All places of a board in the window that holds an instant: (rank, player, score, reached)."""
        window = board.window(at)
        scores: dict[UUID, tuple[int, datetime]] = {}
        for take in self.takes:
            worth = take.experience if board.counts == "experience" else take.amount * (take.currency == board.counts)
            inside = window.starts_at <= take.at < window.ends_at and region in (0, take.region)
            if worth and inside and (among is None or take.player_id in among):
                had, reached = scores.get(take.player_id, (0, take.at))
                scores[take.player_id] = had + worth, max(reached, take.at)
        ordered = sorted(scores.items(), key=lambda one: (-one[1][0], one[1][1], str(one[0])))
        return [(i + 1, player_id, score, reached) for i, (player_id, (score, reached)) in enumerate(ordered)]
