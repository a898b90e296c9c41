"""What staff do with players' accounts, as they do it: commands against the database of a running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from msgspec import Struct

from bench.servers import Ran, overworld
from overworld.app import audit_tools, ledger_desk
from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.domains.accounts import store
from overworld.domains.accounts.types import NewAccount
from overworld.domains.ledger import Ledger
from overworld.kernel.money import AccountCode, Currency
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, DatabaseSettings

pytestmark = pytest.mark.slow


class Town(Struct):
    """A migrated database in which one player, ada, has an account."""

    database: Database
    ledger: Ledger
    dsn: str
    ada: UUID

    @property
    def settings(self) -> Settings:
        """Those of a command that is told where the database is."""
        return Settings(database=DatabaseSettings(dsn=self.dsn))

    async def run(self, *arguments: str | Path) -> Ran:
        ran = await overworld("ledger", *arguments, "--database", self.dsn)
        assert "Traceback" not in ran.err, ran
        return ran

    async def held(self, owner_id: UUID, code: AccountCode = AccountCode.WALLET) -> int:
        [coins] = await self.ledger.balances(owner_id, code=code)
        return coins.posted_minor


@pytest.fixture
async def town(open_database, databases) -> AsyncIterator[Town]:
    async with open_database(*SCHEMAS) as database:
        ada = NewAccount(
            id=uuid4(),
            username="Ada",
            email=None,
            password_hash=None,
            did="did:key:z6Mk",
            created_at=datetime(2026, 6, 1, tzinfo=UTC),
        )
        async with database.transaction() as tx:
            await store.insert_account(tx, ada)
            name = str(await tx.fetchval("SELECT current_database()"))
        ledger = Ledger(database=database, currencies={"coin": Currency("coin")})
        yield Town(database, ledger, databases.dsn_of(name), ada.id)
        async with database.read() as tx:
            assert await ledger.invariants(tx) == []


async def test_minting_under_a_key_happens_once_and_is_no_gift(town: Town):
    minted = [await town.run("mint", "ada", "50", "coin", "--key", "k", "--note", "an outage") for _ in range(2)]
    assert [ran.code for ran in minted] == [0, 0]
    assert minted[0].out.startswith(f"50 coin minted for {town.ada}, transfer ")
    assert minted[1].out == minted[0].out.rstrip() + ", by an earlier order under this key\n"
    other = await town.run("mint", "ada", "51", "coin", "--key", "k")
    assert (other.code, "http.key_reused" in other.err) == (1, True)
    [movement] = await town.ledger.history(town.ada)
    assert (movement.code.label, movement.amount_minor, movement.note) == ("mint", 50, None)
    async with town.database.read() as tx:
        assert await tx.fetchval("SELECT note FROM ledger.note WHERE transfer_id = $1", movement.id) == "an outage"
        [entry] = await tx.fetch("SELECT * FROM accounts.audit")
    assert (entry["action"], entry["target"], entry["note"]) == ("ledger.mint", str(town.ada), "an outage")
    assert (entry["actor_id"], "@" in entry["address"]) == (None, True)
    verified = await overworld("audit", "verify", "--database", town.dsn)
    assert (verified.code, verified.out) == (0, "0 entries, 1 wait to be sealed: all hold\n")
    cut = await asyncio.to_thread(audit_tools.verify, town.settings, f"7:{'0f' * 32}")
    assert cut.faults == ["the chain ends at 0, before the known entry 7"]
    with pytest.raises(audit_tools.BadHead):
        audit_tools.verify(town.settings, "7")


async def test_burning_takes_what_is_there_and_no_more(town: Town):
    await town.run("mint", str(town.ada), "50", "coin")
    burned = await town.run("burn", "ADA", "20", "coin")
    too_much = await town.run("burn", "ada", "31", "coin")
    assert (burned.code, too_much.code, await town.held(town.ada)) == (0, 1, 30)
    assert "ledger.insufficient" in too_much.err


async def test_a_campaign_gets_a_budget(town: Town):
    campaign = uuid4()
    assert (await town.run("fund", str(campaign), "1000", "coin", "--key", "spring")).code == 0
    assert (await town.held(campaign, AccountCode.BUDGET), await town.held(campaign)) == (1_000, 0)
    shown = await town.run("show", str(campaign))
    assert [line.split() for line in shown.out.splitlines()[1:]] == [
        ["CURRENCY", "ACCOUNT", "HOLDS", "PENDING"],
        ["coin", "budget", "1000", "0"],
    ]


async def test_frozen_is_frozen_until_it_is_thawed_wallets_not_open_yet_included(town: Town):
    assert (await town.run("freeze", "ada")).out == "1 account is frozen\n"
    refused = await town.run("mint", "ada", "5", "coin")
    shown = json.loads((await town.run("show", "ada", "--json")).out)
    assert (refused.code, "ledger.account_frozen" in refused.err) == (1, True)
    frozen = {"currency": "coin", "account": "wallet", "posted": "0", "pending": "0", "frozen": True}
    assert shown == {"owner_id": str(town.ada), "accounts": [frozen]}
    assert (await town.run("thaw", "ada", "--currency", "coin")).out == "1 account is thawed\n"
    assert (await town.run("mint", "ada", "5", "coin")).code == 0


@pytest.mark.parametrize(
    ("owner", "amount", "currency", "code"),
    [
        ("bob", "5", "coin", "ledger.no_such_player"),
        (str(UUID(int=9)), "5", "coin", "ledger.no_such_player"),
        ("ada", "5", "doubloon", "ledger.unknown_currency"),
        ("ada", "0", "coin", "ledger.bad_amount"),
        ("ada", "1.5", "coin", "ledger.bad_amount"),
        ("ada", "-5", "coin", "ledger.bad_amount"),
        ("ada", "many", "coin", "ledger.bad_amount"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(town: Town, owner, amount, currency, code):
    order = ledger_desk.Order(owner=owner, amount=amount, currency=currency)
    for carried_out in (ledger_desk.mint, ledger_desk.burn):
        with pytest.raises(Refusal) as refused:
            await asyncio.to_thread(carried_out, town.settings, order)
        assert refused.value.code == code


async def test_what_is_not_there_is_told(town: Town):
    unknown = await town.run("freeze", str(uuid4()))
    assert (unknown.code, unknown.err) == (1, "overworld: nothing is held under this id (ledger.no_such_player)\n")
    wrong = await town.run("thaw", "ada", "--currency", "doubloon")
    assert (wrong.code, "ledger.unknown_currency" in wrong.err) == (1, True)
    assert "ledger.no_such_player" in (await town.run("show", "bob")).err


async def test_notes_and_ids_of_the_wrong_form_are_wrong_usage(town: Town):
    for wrong in (
        ("mint", "ada", "5", "coin", "--note", "x" * 141),
        ("mint", "ada", "5", "coin", "--note", "two\nlines"),
        ("fund", "spring", "5", "coin"),
    ):
        assert (await town.run(*wrong)).code == 2, wrong
    assert await town.held(town.ada) == 0
