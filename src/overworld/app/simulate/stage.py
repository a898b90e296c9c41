"""What the players of a simulation play on: the services of a server, on a PostgreSQL and a clock of their own."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from msgspec import Struct

from overworld.app.doors import TrustEverybody
from overworld.app.game import Game
from overworld.app.hooks.work import Counted, OnClaim
from overworld.app.schemas import SCHEMAS
from overworld.app.simulate.turns import BEGINS
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.accounts.membership import wiring as membership_wiring
from overworld.domains.accounts.membership.service import Memberships
from overworld.domains.accounts.store import insert_account
from overworld.domains.accounts.types import NewAccount
from overworld.domains.gameplay import wiring as gameplay_wiring
from overworld.domains.gameplay.carry import wiring as carry_wiring
from overworld.domains.gameplay.carry.types import CarrySettings
from overworld.domains.gameplay.carry.wiring import CarryParts
from overworld.domains.gameplay.quests import wiring as quests_wiring
from overworld.domains.gameplay.quests.wiring import QuestParts
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.types import GameplaySettings
from overworld.domains.ledger import wiring as ledger_wiring
from overworld.domains.ledger.service import Ledger
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import FixColumns
from overworld.platform import postgres
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.postgres import Database, DatabaseSettings, EmbeddedPostgres

_BATCH_MAX = 1_024
_STATEMENT_TIMEOUT_MS = 600_000


class Fixes:
    """Where players stand when they claim; implements the kernel's `LastFix`.

    A turn's claims are asked for at once, each from the place where its player had come by then: places are used up
    in the order in which they were given, which is the order of the player's claims.
    """

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._places: dict[UUID, deque[tuple[float, float]]] = {}
        self._last: dict[UUID, tuple[float, float]] = {}

    def stand(self, player_id: UUID, lat_deg: float, lng_deg: float) -> None:
        """Where the player's next claim will be made from."""
        self._places.setdefault(player_id, deque()).append((lat_deg, lng_deg))
        self._last[player_id] = (lat_deg, lng_deg)

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The places of the next claims of players, a place for each time that one is named."""
        return self._columns([self._places[player_id].popleft() for player_id in player_ids])

    def last(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The places that were given last, used up or not."""
        return self._columns([self._last.get(player_id) for player_id in player_ids])

    def _columns(self, places: Sequence[tuple[float, float] | None]) -> FixColumns:
        lat, lng = ([0.0 if place is None else place[i] for place in places] for i in (0, 1))
        return FixColumns([place is not None for place in places], lat, lng, [self._clock.now_us()] * len(places))


class LastStood:
    """Where players stood last; implements the kernel's `LastFix` for who asks beside claims."""

    def __init__(self, fixes: Fixes) -> None:
        self._fixes = fixes

    async def get(self, player_ids: Sequence[UUID]) -> FixColumns:
        """The places that claims were made from last; unknown for those who never claimed."""
        return self._fixes.last(player_ids)


class SeesAll:
    """Players of a simulation ask for what lies around them only; implements gameplay's `Sight`."""

    async def require_in_sight(self, player_id: UUID, lat_deg: float, lng_deg: float, scopes: AbstractSet[str]) -> None:
        """Passes."""


class Stage(Struct, frozen=True, kw_only=True):
    """The services, and what they stand on."""

    game: Game
    database: Database
    clock: FixedClock
    fixes: Fixes
    ledger: Ledger
    gameplay: Gameplay
    carry: CarryParts
    quests: QuestParts
    memberships: Memberships
    outbox: PostgresOutbox

    async def admit(self, player_ids: Sequence[UUID]) -> None:
        """Makes the accounts of players, as signing in with a device does."""
        at = self.clock.now()
        async with self.database.transaction() as tx:
            for number, player_id in enumerate(player_ids):
                name = f"player-{number}"
                await insert_account(
                    tx, NewAccount(id=player_id, username=name, did=f"did:example:{name}", created_at=at)
                )

    def move_to(self, at_us: int) -> None:
        """Lets the clock go on to an instant; it never goes back."""
        self.clock.advance(timedelta(microseconds=max(0, at_us - self.clock.now_us())))


@asynccontextmanager
async def own_database() -> AsyncIterator[Database]:
    """A migrated database that is gone when the block ends; what it holds need not survive a crash."""
    settings = DatabaseSettings(statement_timeout_ms=_STATEMENT_TIMEOUT_MS)
    with tempfile.TemporaryDirectory(prefix="overworld-economy-") as folder:
        server = EmbeddedPostgres(Path(folder), settings=settings, durable=False)
        dsn = await asyncio.to_thread(_started, server, Path(folder))
        try:
            database = await Database.open(dsn, settings=settings, application="overworld simulate")
            try:
                await postgres.migrate(database, SCHEMAS)
                yield database
            finally:
                await database.close()
        finally:
            await asyncio.to_thread(server.stop)


def _rule_of(game: Game, clock: FixedClock) -> OnClaim | None:
    """The game's own rule for claims. It is never too slow by this clock: what it says must not hang on the machine."""
    function = game.hooks.functions.get("on_claim")
    return None if function is None else OnClaim(function, counted=Counted(), monotonic_s=clock.monotonic_s)


def _memberships(
    game: Game, *, database: Database, clock: FixedClock, ledger: Ledger, outbox: PostgresOutbox
) -> Memberships:
    return membership_wiring.build(
        database=database,
        clock=clock,
        ledger=ledger,
        outbox=outbox,
        rules=game.memberships,
        currencies=ledger.currencies,
    ).service


def _started(server: EmbeddedPostgres, folder: Path) -> str:
    folder.chmod(0o755)  # under root the server runs as another user
    return server.start()


@asynccontextmanager
async def opened(game: Game, *, database: Database, seed: int) -> AsyncIterator[Stage]:
    """The services of a game on a migrated database without players; one lane, so that every run is the same."""
    clock = FixedClock(BEGINS)
    ids = IdSource(clock.now_us, Random(f"ids-{seed}").randbytes)  # noqa: S311 - of a world that is thrown away
    outbox = PostgresOutbox(ids=ids, game=lambda: game.digest)
    fixes, trail = Fixes(clock), Trail(clock=clock, ids=ids)
    currencies, secret = {currency.code: currency for currency in game.currencies}, f"simulation {seed}"
    ledger = ledger_wiring.build(database=database, clock=clock, currencies=currencies)
    carry = await carry_wiring.build(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        ledger=ledger.service,
        kit=game.kit,
        trust=TrustEverybody(),
        secret=secret,
        settings=CarrySettings(lanes=1),
    )
    gameplay = await gameplay_wiring.build(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        ledger=ledger.service,
        last_fix=fixes,
        sight=SeesAll(),
        trust=TrustEverybody(),
        audit=trail,
        gear=carry.reading,
        rule=_rule_of(game, clock),
        collectibles=game.collectibles,
        progression=game.progression,
        currencies=game.currencies,
        settings=GameplaySettings(lanes=1, batch_max=_BATCH_MAX, queue_max=65_536, spawn_key=secret),
    )
    quests = quests_wiring.build(
        database=database,
        clock=clock,
        outbox=outbox,
        ledger=ledger.service,
        rewards=carry.rewards,
        last_fix=LastStood(fixes),
        audit=trail,
        currencies=currencies,
        trust=TrustEverybody(),
        fix_age_max_s=GameplaySettings().fix_age_max_s,
    )
    await quests.catalogue.adopt(game.quests, at=clock.now())
    stage = Stage(
        game=game,
        database=database,
        clock=clock,
        fixes=fixes,
        ledger=ledger.service,
        gameplay=gameplay.service,
        carry=carry,
        quests=quests,
        memberships=_memberships(game, database=database, clock=clock, ledger=ledger.service, outbox=outbox),
        outbox=outbox,
    )
    try:
        yield stage
    finally:
        await gameplay.service.close()
        await carry.service.close()
        await quests.completing.close()
        await stage.memberships.close()
