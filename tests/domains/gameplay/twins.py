"""Two fields that are asked the same: one in one round trip where it can, the other always the exact way."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from overworld.domains.gameplay import store
from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.placed import Placed
from overworld.domains.gameplay.rules import catalogue_of, spawn_table
from overworld.domains.gameplay.spawns import Spawns, placed_key
from overworld.domains.gameplay.types import CollectibleType, Kind, Mode, Placement, Spawn
from overworld.geo import cells
from overworld.kernel.clock import to_us
from overworld.kernel.ids import IdSource
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Currency, Transfer, TransferCode
from tests.domains.gameplay.field import CURRENCIES, HOME, LEVELS, RULES, SECRET, Field

STAFF = UUID(int=8)
CAP = 3
MARKED = replace(
    RULES,
    reach_m=900.0,
    daily_cap=CAP,
    member_bonus={"gold": "0.5", "silver": "0.1"},
    types={
        **RULES.types,
        "token": CollectibleType(weight=0, value="7", currency="coin"),
        "gift": CollectibleType(weight=0, value="0.35", currency="gem", mode=Mode.PERSONAL),
        "rare": CollectibleType(weight=0, value="20", currency="coin", cooldown_s=600),
    },
)
_BY_CODE: dict[str, Currency] = {currency.code: currency for currency in CURRENCIES}
_UUID = re.compile(rb'"id":"[0-9a-f-]{36}"')


class Recording(Claims):
    """The claims of the field that takes one round trip; tells which claims went together, in which way."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.turns: list[list[list[UUID]]] = []
        self.at_once = 0

    async def _carried_out(self, claims, *, at, stripe):
        exact_before = self.exact_batches
        self.turns.append([])
        self._left = [claim.id for claim in claims]
        found = await super()._carried_out(claims, at=at, stripe=stripe)
        if self.exact_batches > exact_before:
            self.turns[-1].append(self._left)
        return found

    async def _at_once(self, claims, *, at, stripe):
        outcomes = await super()._at_once(claims, at=at, stripe=stripe)
        if outcomes is not None:
            self.at_once += 1
            together = [claim.id for claim in claims]
            self.turns[-1].append(together)
            self._left = [one for one in self._left if one not in set(together)]
        return outcomes


class Exactly(Claims):
    """The claims of the other field: the same claims together, always the exact way."""

    turns: list[list[list[UUID]]]

    async def _carried_out(self, claims, *, at, stripe):
        by_id = {claim.id: claim for claim in claims}
        found: dict[UUID, Any] = {}
        for together in self.turns.pop(0):
            answers = await self._exact.run([by_id[one] for one in together], at=at, stripe=stripe)
            found |= dict(zip(together, answers, strict=True))
        return [found[claim.id] for claim in claims]


class Twin:
    """A field with placed collectibles, whose ids come from a seed of its own."""

    def __init__(self, database: Any, clock: Any, claims_type: type[Claims]) -> None:
        self.field = Field(database, clock, IdSource(clock.now_us, random.Random(7).randbytes))
        self.placed = Placed(cell_level=15)
        self._rows_told = 0
        self.spawns = Spawns(
            key=SECRET, table=spawn_table(MARKED, LEVELS, _BY_CODE), cells_cached_max=1000, placed=self.placed
        )
        self.claims: Any = claims_type(
            database=database,
            clock=clock,
            ids=self.field.ids,
            outbox=self.field.outbox,
            ledger=self.field.ledger,
            last_fix=self.field.fixes,
            trust=self.field.trust,
            spawns=self.spawns,
            rules=MARKED,
            levels=LEVELS.levels,
            fix_age_max_s=60,
        )

    async def place(self, number: int, type: str, *, payer_id: UUID | None, experience: int) -> Spawn:
        """A collectible in the middle of the cell; the same number is the same one on both fields."""
        declared, now = MARKED.types[type], self.field.clock.now()
        catalogue = catalogue_of(MARKED, LEVELS, _BY_CODE)
        currency = catalogue.currencies[declared.currency]
        lat_deg, lng_deg = cells.centre_deg(HOME)
        one = Placement(
            key=placed_key(HOME, number.to_bytes(5, "big")),
            lat_deg=lat_deg,
            lng_deg=lng_deg,
            type=type,
            value_minor=currency.parse(declared.value),
            currency=currency.code,
            experience=experience,
            mode=declared.mode,
            opens_at=now,
            closes_at=now + timedelta(hours=2),
            payer_id=payer_id,
        )
        async with self.field.database.transaction() as tx:
            await store.place(tx, [one], by=STAFF, at=now)
        known_as, reference = self.spawns.named(one.key)
        spawn = Spawn(
            id=known_as,
            key=one.key,
            reference=reference,
            kind=Kind(
                type=type,
                value_minor=one.value_minor,
                currency=currency,
                experience=experience,
                mode=declared.mode,
                cooldown_s=declared.cooldown_s,
            ),
            cell=HOME,
            lat_deg=lat_deg,
            lng_deg=lng_deg,
            opens_us=to_us(one.opens_at),
            closes_us=to_us(one.closes_at),
            payer_id=payer_id,
        )
        self.placed.put([spawn])
        return spawn

    async def withdraw(self, spawn: Spawn) -> None:
        """Withdraws it in the database alone, as if the news were on its way."""
        async with self.field.database.transaction() as tx:
            assert await store.withdraw(tx, spawn.key, at=self.field.clock.now())

    async def fund(self, account: AccountRef, amount_minor: int) -> None:
        transfer = Transfer(
            id=self.field.ids(),
            debit=AccountRef(HOUSE, account.currency, AccountCode.ISSUANCE),
            credit=account,
            amount_minor=amount_minor,
            code=TransferCode.FUND,
            reference=UUID(int=9),
        )
        async with self.field.database.transaction() as tx:
            await self.field.ledger.post(tx, [transfer], at=self.field.clock.now())

    async def books(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that claims leave behind, in forms that do not depend on row numbers."""
        async with self.field.database.read() as tx:
            today = self.field.clock.now().date()
            return {
                name: [tuple(row) for row in await tx.fetch(sql, *[today] * sql.count("$1"))]
                for name, sql in _BOOKS.items()
            }

    async def told(self) -> list[tuple[list[str], bytes]]:
        """The rows of the log since the last time, in order: topics, and the encoded events without their ids."""
        async with self.field.database.read() as tx:
            rows = await tx.fetch(
                "SELECT topics, events FROM eventlog.outbox ORDER BY stamp, id OFFSET $1", self._rows_told
            )
        self._rows_told += len(rows)
        return [(sorted(row["topics"]), _UUID.sub(b'"id":""', row["events"])) for row in rows]


_BOOKS = {
    # A claim that is lost begins the player's day as one that is won does, but only on the way of one round trip.
    "players": """SELECT id, experience, level, CASE WHEN day = $1 THEN collected_on_day ELSE 0 END
        FROM gameplay.player ORDER BY id""",
    "waits": "SELECT player_id, type, until FROM gameplay.wait ORDER BY 1, 2",
    "answers": "SELECT account_id, key_hash, digest, code, body, kept_at FROM platform.idempotency ORDER BY 1, 2",
    "accounts": """SELECT owner_id, currency, code, sum(debits_posted), sum(credits_posted), sum(debits_pending),
        sum(credits_pending) FROM ledger.account
        GROUP BY 1, 2, 3 HAVING sum(debits_posted + credits_posted + credits_pending) > 0 ORDER BY 1, 2, 3""",
    "held": "SELECT * FROM gameplay.held ORDER BY 1",
    "reduced": "SELECT * FROM gameplay.reduced ORDER BY 1",
    "collections": """SELECT transfer.id, reference, payer.owner_id, payer.code, payee.owner_id, payee.currency, amount,
        at, memo, balance, kind FROM ledger.transfer JOIN ledger.account AS payer ON payer.id = debit_id
        JOIN ledger.account AS payee ON payee.id = credit_id WHERE transfer.code = 1 ORDER BY 1""",
}
