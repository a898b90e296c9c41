"""What gameplay's tests share: a field with collectibles, players who stand where they are put, and the real ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.held.messages import RewardReleased
from overworld.domains.gameplay.held.service import HeldRewards
from overworld.domains.gameplay.messages import ClaimCollectible, CollectibleCollected
from overworld.domains.gameplay.rules import spawn_table
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import (
    EXPERIENCE_MAX,
    CollectibleRules,
    CollectibleType,
    GameplaySettings,
    Mode,
    ProgressionRules,
)
from overworld.domains.gameplay.wiring import SCHEMA, build
from overworld.domains.ledger import SCHEMA as LEDGER
from overworld.domains.ledger import Ledger
from overworld.geo import cells
from overworld.kernel.money import Currency
from overworld.kernel.ports import FixColumns
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate, Standing
from overworld.platform.eventlog import SCHEMA as EVENTLOG
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.eventlog.store import read
from overworld.platform.eventlog.types import START
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY
from tests.audited import KeptTrail

SCHEMAS = (IDEMPOTENCY, EVENTLOG, LEDGER, SCHEMA)
CURRENCIES = (Currency("coin"), Currency("gem", 2))
SECRET = b"a secret of the tests"
HOME = cells.cell_of(45.8021, 14.3611, 15)
RULES = CollectibleRules(
    mean_per_cell=8,
    daily_cap=1000,
    near_land=False,
    types={
        "copper": CollectibleType(weight=5, value="3", currency="coin"),
        "opal": CollectibleType(weight=2, value="1.50", currency="gem"),
        "relic": CollectibleType(weight=2, value="10", currency="coin", mode=Mode.PERSONAL),
    },
)
LEVELS = ProgressionRules(experience_per_unit=10, levels=(50, 100, 1000))


_HELD_WRONGLY = """
SELECT format('held %s in state %s: %s, settled by %s', coalesce(held.transfer_id, promise.id), state, promise.kind,
    settling.kind) AS id
FROM gameplay.held FULL JOIN (SELECT * FROM ledger.transfer WHERE kind = 1) AS promise ON promise.id = transfer_id
LEFT JOIN ledger.transfer AS settling ON settling.pending_id = promise.id
WHERE held.transfer_id IS NULL OR promise.id IS NULL OR promise.amount <> held.amount
    OR settling.kind IS DISTINCT FROM (CASE state WHEN 2 THEN 2 WHEN 3 THEN 3 END)"""


class Fixes:
    """Where players stand; implements the kernel's `LastFix`."""

    def __init__(self) -> None:
        self.at: dict[UUID, tuple[float, float, int]] = {}

    async def get(self, player_ids):
        found = [self.at.get(player_id) for player_id in player_ids]
        lat, lng, at_us = zip(*(fix or (0.0, 0.0, 0) for fix in found), strict=True)
        return FixColumns([fix is not None for fix in found], list(lat), list(lng), list(at_us))


class Reputations:
    """How far players are trusted: fully, unless a test says otherwise; implements gameplay's `Trust`."""

    def __init__(self) -> None:
        self.of: dict[UUID, float] = {}
        self.gates: dict[UUID, Gate] = {}

    async def standings(self, player_ids):
        return [Standing(self.of.get(one, 1.0), self.gates.get(one, Gate.NORMAL)) for one in player_ids]


class OpenSight:
    """Everyone may see everything; remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, float, float, frozenset[str]]] = []

    async def require_in_sight(self, player_id, lat_deg, lng_deg, scopes):
        self.asked.append((player_id, lat_deg, lng_deg, frozenset(scopes)))


class CountingDatabase:
    """A database that counts the statements of its transactions; BEGIN and COMMIT are not among them."""

    def __init__(self, database) -> None:
        self._database = database
        self.statements = 0

    @asynccontextmanager
    async def transaction(self):
        async with self._database.transaction() as tx:
            yield _CountingTx(self, tx)

    @asynccontextmanager
    async def read(self):
        async with self._database.read() as tx:
            yield _CountingTx(self, tx)


class _CountingTx:
    def __init__(self, counter, tx) -> None:
        self._counter = counter
        self._tx = tx

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self._counter.statements += 1
        method: Callable[..., Any] = getattr(self._tx, name)
        return method


class Mortal:
    """A database whose server dies when it has sent so many statements: the transaction that was open is gone."""

    def __init__(self, database, statements: int) -> None:
        self._database = database
        self._left = statements

    @asynccontextmanager
    async def transaction(self):
        async with self._database.transaction() as tx:
            yield _MortalTx(self, tx)
            self.spend()

    @asynccontextmanager
    async def read(self):
        async with self._database.read() as tx:
            yield tx

    def spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ConnectionError("the server died")


class _MortalTx:
    def __init__(self, server: Mortal, tx) -> None:
        self._server = server
        self._tx = tx

    def __getattr__(self, name: str):
        self._server.spend()
        return getattr(self._tx, name)


class Field:
    """One database, one clock, and as many servers on them as a test asks for."""

    def __init__(self, database, clock, ids) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.fixes = Fixes()
        self.trust = Reputations()
        self.sight = OpenSight()
        self.audit = KeptTrail()
        self.ledger = Ledger(database=database, currencies={currency.code: currency for currency in CURRENCIES})
        self.outbox = PostgresOutbox(ids=ids)
        self.spawns = spawns_of(RULES)

    def claims(self, rules: CollectibleRules = RULES, *, database=None, ledger=None, outbox=None, gear=None) -> Claims:
        """Another server's batch executor."""
        return Claims(
            database=database or self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=outbox or self.outbox,
            ledger=ledger or self.ledger,
            last_fix=self.fixes,
            trust=self.trust,
            spawns=spawns_of(rules),
            rules=rules,
            levels=LEVELS.levels,
            fix_age_max_s=60,
            gear=gear,
        )

    def held(self, *, database=None, clock=None) -> HeldRewards:
        """Another server's door to what is held."""
        return HeldRewards(
            database=database or self.database,
            clock=clock or self.clock,
            outbox=self.outbox,
            audit=self.audit,
            ledger=self.ledger,
            trust=self.trust,
            currencies={currency.code: currency for currency in CURRENCIES},
            levels=LEVELS.levels,
        )

    async def server(self, rules: CollectibleRules = RULES, **options):
        """The service of another server on the same database."""
        return (await self.parts(rules, **options)).service

    async def parts(self, rules: CollectibleRules = RULES, **options):
        """Everything of another server, with the field's secret unless its settings say otherwise."""
        options.setdefault("settings", GameplaySettings(spawn_key=SECRET.decode()))
        options.setdefault("currencies", CURRENCIES)
        return await build(
            database=options.pop("database", self.database),
            clock=self.clock,
            ids=self.ids,
            outbox=self.outbox,
            ledger=self.ledger,
            last_fix=self.fixes,
            sight=self.sight,
            trust=self.trust,
            audit=self.audit,
            collectibles=rules,
            progression=LEVELS,
            **options,
        )

    def all_at(self, cell: int = HOME) -> list[Any]:
        """What spawns at a cell and around it in the window that is open."""
        around = [cell, *cells.neighbours(cell)]
        return self.spawns.in_cells(around, window=self.spawns.window_at(self.clock.now_us()))

    def shared(self, currency: str = "coin") -> list[Any]:
        """Shared collectibles worth some of a currency, in a stable order."""
        return [s for s in self.all_at() if s.kind.mode is Mode.SHARED and s.kind.currency.code == currency]

    def personal(self) -> list[Any]:
        return [s for s in self.all_at() if s.kind.mode is Mode.PERSONAL]

    def stand(self, player_id: UUID, spawn, *, north_deg: float = 0.0, age_s: float = 0.0) -> None:
        """Puts a player at a collectible, or so many degrees north of it."""
        at_us = self.clock.now_us() - round(age_s * 1e6)
        self.fixes.at[player_id] = (spawn.lat_deg + north_deg, spawn.lng_deg, at_us)

    def claim(self, player_id: UUID, spawn, key: str | None = None) -> ClaimCollectible:
        """A claim by a player who stands where the collectible is."""
        self.stand(player_id, spawn)
        return ClaimCollectible(player_id=player_id, collectible_id=spawn.id, key=key or str(self.ids()))

    async def balance(self, player_id: UUID, currency: str = "coin") -> int:
        held = {row.currency: row.posted_minor for row in await self.ledger.balances(player_id)}
        return held[currency]

    async def events(self) -> list[Any]:
        """Every event of the log, in its order."""
        async with self.database.read() as tx:
            topics = frozenset(
                {
                    "events.collectible.collected",
                    "events.level.reached",
                    "events.reward.released",
                    "events.reward.denied",
                }
            )
            batches = await read(tx, after=START, topics=topics, batches_max=10_000)
        return [envelope.decode() for batch in batches for envelope in batch.events]

    async def counts(self) -> dict[str, int]:
        """How many rows there are of everything that a claim writes."""
        tables = ("gameplay.player", "ledger.transfer", "platform.idempotency")
        async with self.database.read() as tx:
            return {table: await tx.fetchval(f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608

    async def broken(self) -> list[str]:
        """What does not add up: in the books, between payments and events, and in what players have earned."""
        async with self.database.read() as tx:
            found = await self.ledger.invariants(tx)
            payments = await tx.fetch(
                "SELECT owner_id, amount FROM ledger.transfer t"
                " JOIN ledger.account a ON a.id = t.credit_id WHERE t.code = 1 AND memo IS NOT NULL"
            )
            found += [row["id"] for row in await tx.fetch(_HELD_WRONGLY)]
            earned = {row["id"]: row for row in await tx.fetch("SELECT * FROM gameplay.player")}
        events = await self.events()
        told = [event for event in events if isinstance(event, CollectibleCollected)]
        given = told + [event for event in events if isinstance(event, RewardReleased)]
        paid = Counter((row["owner_id"], row["amount"]) for row in payments)
        published = Counter((event.player_id, event.amount_minor) for event in told)
        found += [f"paid {paid}, told {published}"] * (paid != published)
        for player_id, player in earned.items():
            experience = sum(event.experience for event in given if event.player_id == player_id)
            found += [f"{player_id} has {player}, told {experience}"] * (
                player["experience"] != min(experience, EXPERIENCE_MAX) and player["experience"] < EXPERIENCE_MAX
            )
        return found


def spawns_of(rules: CollectibleRules) -> Spawns:
    table = spawn_table(rules, LEVELS, {currency.code: currency for currency in CURRENCIES})
    return Spawns(key=SECRET, table=table, cells_cached_max=1000)


def code_of(outcome) -> str:
    """`ok`, or the code of the refusal; a replay is marked with a star."""
    if isinstance(outcome, Refusal):
        return f"{outcome.code.rpartition('.')[2]}{'*' * outcome.replayed}"
    return f"ok{'*' * outcome.replayed}"


@asynccontextmanager
async def opened_field(open_database, clock, ids) -> AsyncIterator[Field]:
    async with open_database(*SCHEMAS) as database:
        field = Field(database, clock, ids)
        yield field
        assert await field.broken() == []
