"""Books that the build before this one kept: after the migration they say the same, and go on."""

from __future__ import annotations

import random
import shutil
from base64 import urlsafe_b64encode
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from overworld.domains.gameplay.wiring import SCHEMA as GAMEPLAY
from overworld.domains.ledger import SCHEMA as LEDGER
from overworld.domains.ledger.audit.checker import Checker
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import SystemClock
from overworld.kernel.money import HOUSE, TransferStatus
from overworld.platform.eventlog import SCHEMA as EVENTLOG
from overworld.platform.postgres import Schema, migrate
from overworld.platform.postgres.idempotency import SCHEMA as IDEMPOTENCY
from tests.domains.ledger.bank import AT, Bank, mint, transfer, wallet

SEED = 3
_WRITE = "SELECT ledger.write($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7)"
_TAKE = """
SELECT account_ids FROM ledger.take($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bool[], '{}'::uuid[])"""
_COLLECT = """
INSERT INTO gameplay.collection (collectible_id, taker_id, player_id, collected_at)
SELECT * FROM unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::timestamptz[])"""
_PLAYER = "INSERT INTO gameplay.player (id, experience, level) SELECT id, 7, 1 FROM unnest($1::uuid[]) AS new (id)"


def first_of(schema: Schema, folder) -> Schema:
    """The schema as the build before had it: its first migration alone."""
    [first] = schema.folder.glob("0001_*.sql")
    folder.mkdir()
    shutil.copy(first, folder)
    return Schema(name=schema.name, folder=folder)


async def collected_before(tx, players, chance):
    """Collections as the build before wrote them, shared and personal; what each player got, (at, id, amount)."""
    got: dict[Any, list[Any]] = {player: [] for player in players}
    for currency in ("ore", "gem"):
        owners = [HOUSE, *players]
        codes = ["issuance"] + ["wallet"] * len(players)
        row = await tx.fetchrow(
            _TAKE, owners, [currency] * len(owners), codes, [True] * len(owners), [code == "wallet" for code in codes]
        )
        number = dict(zip(owners, row["account_ids"], strict=True))
        for turn in range(30):
            at = AT + timedelta(minutes=turn)
            personal = chance.randbytes(14)
            takers = chance.sample(players, 3)
            keys = [personal, personal, *(chance.randbytes(14) for _ in takers[2:])]
            ids = [uuid4() for _ in takers]
            amounts = [chance.randrange(1, 1_000) for _ in takers]
            names = [urlsafe_b64encode(key + b"0123456789").decode() for key in keys]
            assert await tx.fetchval(
                _WRITE,
                ids,
                [number[HOUSE]] * len(takers),
                [number[player] for player in takers],
                amounts,
                ["collect"] * len(takers),
                names,
                at,
            )
            nobody = UUID(int=0)
            await tx.execute(_COLLECT, keys, [*takers[:2], nobody], takers, [at] * len(takers))
            for player, one, amount in zip(takers, ids, amounts, strict=True):
                got[player].append((currency, at, one, amount))
    return got


@pytest.mark.slow
async def test_books_of_the_build_before_say_the_same_and_go_on(open_database, tmp_path):
    chance = random.Random(SEED)
    players = [UUID(int=chance.getrandbits(128)) for _ in range(12)]
    async with open_database(IDEMPOTENCY, EVENTLOG) as database:
        before = [first_of(LEDGER, tmp_path / "ledger"), first_of(GAMEPLAY, tmp_path / "gameplay")]
        await migrate(database, before)
        async with database.transaction() as tx:
            await tx.execute(_PLAYER, players)
            got = await collected_before(tx, players, chance)

        await migrate(database, [LEDGER, GAMEPLAY])
        bank = Bank(database)
        assert await bank.broken() == []
        for player in players:
            held: Counter[str] = Counter()
            for currency, _, _, amount in got[player]:
                held[currency] += amount
            assert {one.currency: one.posted_minor for one in await bank.ledger.balances(player)} == {
                currency: held[currency] for currency in ("ore", "gem")
            }
            told = await bank.ledger.history(player, limit=1_000)
            assert [(one.currency, one.at, one.id, one.amount_minor) for one in told] == sorted(
                got[player], key=lambda one: (one[1], one[2]), reverse=True
            )
            assert {(one.code.label, one.direction) for one in told} <= {("collect", "in")}

        one, other = sorted(players, key=lambda player: -len(got[player]))[:2]
        assert (
            await bank.statuses(mint(one, 5), transfer(wallet(one), wallet(other), 6), stripe=5)
            == [TransferStatus.CREATED] * 2
        )
        sealer = Sealer(database=database, clock=SystemClock(), settings=LedgerSettings())
        await sealer.prepare()
        sealed = 0
        while now := await sealer.seal(at_once=True):
            sealed += now
        assert sealed == sum(map(len, got.values())) + 2
        assert (await Checker(database=database).run()).faults == []
        assert await bank.broken() == []
