"""The sealer on a real database: everything committed, in order, once; whatever runs beside it or breaks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from hashlib import sha256

import asyncpg
import pytest

from overworld.domains.ledger import SCHEMA
from overworld.domains.ledger import store as ledger_store
from overworld.domains.ledger.audit import books, parquet, records, sealer, store, verify
from overworld.domains.ledger.audit.errors import NobodyToForget, NoLogYet
from overworld.domains.ledger.audit.keys import LedgerKeyLocked
from overworld.kernel.money import HOUSE
from tests.domains.ledger.audit.vault import HOUR, Vault, mint, move, promise, settle, wallet


@pytest.fixture
async def vault(open_database, clock):
    async with open_database(SCHEMA) as database:
        opened = Vault(database, clock)
        await opened.sealer.prepare()
        yield opened
        assert await opened.auditor.look() == []
        async with database.read() as tx:
            assert await opened.ledger.invariants(tx) == []


async def verified(vault, folder):
    """Exports the log, checks all of it, and gives the transfers."""
    await vault.log.export(folder)
    trusted = (await vault.log.certificates())[0].public_key
    verdict = verify.verify(folder, trusted)
    assert verdict.findings == []
    assert list(parquet.differences(folder)) == []
    return verdict.transfers


async def records_of(vault):
    async with vault.database.read() as tx:
        bodies = await store.bodies(tx, first=0, count_max=1000)
    raw = b"".join(body for _, body, _ in bodies)
    return [records.decode(raw[at : at + 128]) for at in range(0, len(raw), 128)]


async def test_a_block_is_due_when_the_oldest_transfer_has_waited_long_enough(vault):
    await vault.post(mint(0, 5))
    assert await vault.sealer.seal() == 0
    assert vault.sealer.state.waiting == 1

    vault.clock.advance(timedelta(seconds=60))

    assert await vault.sealer.seal() == 1
    assert vault.sealer.state.waiting == 0
    assert await vault.sealer.seal() == 0


async def test_full_blocks_are_due_at_once(vault, monkeypatch):
    monkeypatch.setattr(sealer, "TRANSFERS_MAX", 4)
    await vault.post(*(mint(number % 7, 1 + number) for number in range(11)))

    assert await vault.sealer.seal() == 8
    assert [block.count for block in await vault.log.blocks()] == [4, 4]
    assert await vault.sealer.seal() == 0


async def test_every_transfer_is_sealed_once_in_log_order(vault, tmp_path, monkeypatch):
    """Over several blocks and transactions, with promises that are settled in the same block and in a later one."""
    monkeypatch.setattr(sealer, "TRANSFERS_MAX", 5)
    await vault.post(*(mint(number, 1000) for number in range(7)))
    kept, let_go = promise(vault, wallet(0), wallet(1), 40), promise(vault, wallet(1), wallet(2), 7)
    await vault.post(kept, let_go, settle(kept, 30))
    assert await vault.seal_all() == 10
    await vault.post(settle(let_go, 0), move(wallet(3), wallet(4), 12))
    assert await vault.seal_all() == 2

    async with vault.database.read() as tx:
        rows = await tx.fetch("SELECT id, amount, kind FROM ledger.transfer ORDER BY stamp, kind >= 2, id")
    sealed = await records_of(vault)

    assert [(each.id_hash, each.amount_minor, each.kind) for each in sealed] == [
        (records.id_hash(row["id"].bytes), row["amount"], row["kind"]) for row in rows
    ]
    assert await verified(vault, tmp_path / "export") == 12
    assert await vault.count("sealed_promise") == 0


async def test_what_settles_a_promise_of_another_month_bears_its_pseudonyms(vault, tmp_path):
    promised = promise(vault, wallet(0), wallet(1), 40)
    await vault.post(mint(0, 100), promised)
    await vault.seal_all()
    vault.clock.advance(timedelta(days=35))
    await vault.post(settle(promised, 40), move(wallet(0), wallet(1), 1))
    await vault.seal_all()

    found = {each.kind: each for each in await records_of(vault)}

    assert (found[2].debit, found[2].credit) == (found[1].debit, found[1].credit)
    assert found[0].debit != found[1].debit
    assert await verified(vault, tmp_path / "export") == 4


async def test_a_transfer_of_an_open_transaction_is_neither_sealed_nor_skipped(vault, tmp_path):
    """A block must end before whatever may still come before it."""
    await vault.post(mint(0, 100), mint(1, 100))
    await vault.seal_all()
    async with vault.database.transaction() as tx:
        await vault.post(move(wallet(0), wallet(2), 1), tx=tx)
        await vault.post(move(wallet(1), wallet(3), 2))
        assert await vault.seal_all() == 0
        assert await vault.auditor.look() == []

    assert await vault.seal_all() == 2
    assert await verified(vault, tmp_path / "export") == 4


async def test_sealers_of_several_servers_make_one_log_while_others_post(vault, tmp_path, monkeypatch):
    monkeypatch.setattr(sealer, "TRANSFERS_MAX", 16)
    await vault.post(*(mint(number, 100_000) for number in range(7)))
    done = asyncio.Event()

    async def work(seed):
        for number in range(15):
            await vault.post(*(move(wallet(seed), wallet((seed + n) % 7), 1 + number) for n in range(1, 6)))

    async def seal(one):
        while not done.is_set():
            await one.seal(at_once=True)

    sealing = [asyncio.create_task(seal(vault.another_sealer())) for _ in range(3)]
    await asyncio.gather(*(work(seed) for seed in range(4)))
    done.set()
    await asyncio.gather(*sealing)
    await vault.seal_all()

    assert await verified(vault, tmp_path / "export") == 7 + 4 * 15 * 5


@pytest.mark.parametrize("step", ["keep_account_keys", "keep_blocks", "keep_promises", "fold"])
async def test_a_sealer_that_breaks_anywhere_leaves_nothing_and_starts_again(vault, tmp_path, monkeypatch, step):
    await vault.post(mint(0, 100), promise(vault, wallet(0), wallet(1), 5))

    async def broken(*_arguments, **_named):
        raise ConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(store, step, broken)
        with pytest.raises(ConnectionError):
            await vault.sealer.seal(at_once=True)

    for table in ("block", "tile", "account_secret", "sealed_balance", "sealed_promise"):
        assert await vault.count(table) == 0, table
    assert await vault.sealer.seal(at_once=True) == 2
    assert await verified(vault, tmp_path / "export") == 2


async def test_keys_turn_and_every_block_verifies_with_the_one_that_was_in_force(vault, tmp_path):
    await vault.post(mint(0, 100))
    await vault.seal_all()
    await vault.sealer.turn_key()
    await vault.sealer.turn_key()
    await vault.post(mint(1, 100))
    await vault.seal_all()

    certificates = await vault.log.certificates()
    async with vault.database.read() as tx:
        kept = [key.private_pem is not None for key in await store.signing_keys(tx)]

    assert [(each.number, each.from_block) for each in certificates] == [(0, 0), (1, 1), (2, 1)]
    assert kept == [False, False, True]
    assert await verified(vault, tmp_path / "export") == 2
    assert verify.verify(tmp_path / "export", certificates[2].public_key).findings == []


async def test_a_signing_key_that_is_encrypted_needs_its_secret(open_database, clock):
    async with open_database(SCHEMA) as database:
        vault = Vault(database, clock, signing_key_secret="sesame")
        await vault.sealer.prepare()
        await vault.post(mint(0, 1))
        assert await vault.sealer.seal(at_once=True) == 1

        async with database.read() as tx:
            assert "ENCRYPTED" in ((await store.signing_keys(tx))[0].private_pem or "")
        with pytest.raises(LedgerKeyLocked):
            await Vault(database, clock, signing_key_secret="other").sealer.prepare()


async def test_a_forgotten_player_is_a_stranger_and_everything_verifies(vault, tmp_path):
    await vault.post(mint(0, 100), mint(1, 100), promise(vault, wallet(0), wallet(1), 9))
    await vault.seal_all()
    before, keys_count = await records_of(vault), await vault.count("account_secret")
    async with vault.database.read() as tx:
        await tx.execute("INSERT INTO ledger.note SELECT id, 'for your birthday' FROM ledger.transfer")

    assert await vault.sealer.forget(wallet(0).owner_id) == 1

    assert await records_of(vault) == before
    assert await verified(vault, tmp_path / "one") == 3
    assert await vault.count("account_secret") == keys_count - 1
    assert await vault.count("note") == 1, "what others wrote to each other stays"
    assert [each.posted_minor for each in await vault.ledger.balances(wallet(0).owner_id)] == [0, 0]
    await vault.post(mint(0, 50), mint(1, 50))
    assert [each.posted_minor for each in await vault.ledger.balances(wallet(0).owner_id)] == [50, 0]
    await vault.seal_all()
    again = {each.credit for each in (await records_of(vault))[3:]} & {each.credit for each in before}
    assert len(again) == 1, "the other player goes by the same name all month; the forgotten one does not"
    assert await verified(vault, tmp_path / "two") == 5


async def test_what_was_promised_to_or_by_a_forgotten_player_is_let_go_at_once(vault, tmp_path):
    """Nobody can ever pay it any more, and what others have promised is theirs again."""
    await vault.post(mint(0, 100), mint(1, 100))
    await vault.post(promise(vault, wallet(0), wallet(1), 9), promise(vault, wallet(1), wallet(0), 7))
    await vault.post(promise(vault, wallet(1), wallet(2), 5))
    await vault.seal_all()

    await vault.sealer.forget(wallet(0).owner_id)

    assert await vault.ledger.expire(at=vault.clock.now()) == 2
    assert [each.pending_minor for each in await vault.ledger.balances(wallet(1).owner_id)] == [-5, 0]
    await vault.seal_all()
    assert await verified(vault, tmp_path / "export") == 7


async def test_what_is_being_written_to_a_player_while_they_are_forgotten_is_forgotten_too(vault):
    await vault.post(mint(0, 100), mint(1, 100))
    gift = move(wallet(1), wallet(0), 3)

    async def waits() -> bool:
        async with vault.database.read() as tx:
            return bool(await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with vault.database.transaction() as tx:
        await vault.post(gift, tx=tx)
        await ledger_store.keep_notes(tx, {gift.id: "for your birthday"})
        forgetting = asyncio.create_task(vault.sealer.forget(wallet(0).owner_id))
        while not await waits():  # noqa: ASYNC110 - the database has no event for this
            await asyncio.sleep(0)
    await forgetting

    assert await vault.count("note") == 0


async def test_forgetting_reads_what_one_player_moved_and_not_all_that_anybody_did(vault):
    async with vault.database.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        asked = [1], wallet(0).owner_id, vault.clock.now()
        plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {books._FORGET}", *asked))

    assert "Seq Scan on transfer" not in plan
    assert "transfer_debit" in plan


async def test_there_is_nothing_to_export_where_no_server_has_run(open_database, clock, tmp_path):
    async with open_database(SCHEMA) as database:
        with pytest.raises(NoLogYet):
            await Vault(database, clock).log.export(tmp_path / "export")


async def test_the_house_is_not_forgotten(vault):
    await vault.post(mint(0, 100))

    with pytest.raises(NobodyToForget):
        await vault.sealer.forget(HOUSE)
    with pytest.raises(NobodyToForget):
        await vault.sealer.forget(wallet(5).owner_id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.block SET root = root",
        "DELETE FROM ledger.block",
        "TRUNCATE ledger.block",
        "DELETE FROM ledger.tile",
        "TRUNCATE ledger.tile",
        "UPDATE ledger.tile SET hashes = sha256(hashes)",
        "UPDATE ledger.tile SET number = number + 1",
        "UPDATE ledger.account_secret SET key = sha256(key)",
        "DELETE FROM ledger.signing_key",
        "UPDATE ledger.signing_key SET from_block = 9, private_pem = NULL",
        "UPDATE ledger.signing_key SET private_pem = 'x'",
    ],
)
async def test_what_is_sealed_stays_whoever_asks_the_database(vault, statement):
    await vault.post(mint(0, 100))
    await vault.seal_all()

    async with vault.database.read() as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="refused"):
            await tx.execute(statement)


async def test_a_block_waits_for_nobody_and_nobody_for_it(vault):
    """While a sealer has its turn, another gives way at once, and posting goes on."""
    await vault.post(mint(0, 100))
    async with vault.database.transaction() as tx:
        assert await store.take_turn(tx)
        assert await vault.sealer.seal(at_once=True) == 0
        await vault.post(mint(1, 100))

    assert await vault.sealer.seal(at_once=True) == 2


async def test_pseudonyms_are_made_of_keys_that_only_the_database_has(vault):
    await vault.post(mint(0, 100))
    await vault.seal_all()

    async with vault.database.read() as tx:
        keys = {row["account_id"]: row["key"] for row in await tx.fetch("SELECT * FROM ledger.account_secret")}
    sealed = (await records_of(vault))[0]

    assert len(keys) == 2
    assert not {sha256(str(number).encode()).digest()[:16] for number in keys} & {sealed.debit, sealed.credit}


async def test_broken_books_are_seen_by_the_running_auditor(open_database, clock):
    """It must be able to fail: each sort of damage, done behind the ledger's back."""
    async with open_database(SCHEMA) as database:
        vault = Vault(database, clock)
        await vault.sealer.prepare()
        await vault.post(mint(0, 100), mint(1, 100))
        await vault.seal_all()
        await vault.post(move(wallet(0), wallet(1), 5))
        await vault.auditor.check()
        damage = [
            "UPDATE ledger.account SET credits_posted = credits_posted + 1 WHERE code = 'wallet'",
            "UPDATE ledger.account SET debits_pending = debits_pending + 1 WHERE code = 'wallet'",
            "UPDATE ledger.sealed_balance SET debits_posted = debits_posted + 1",
            "DELETE FROM ledger.sealed_balance",
        ]
        for statement in damage:
            async with database.read() as tx:
                await tx.execute("BEGIN")
                await tx.execute(statement)
                assert await books.faults(tx), statement
                await tx.execute("ROLLBACK")
        assert await vault.auditor.look() == []
        async with database.read() as tx:
            await tx.execute(damage[0])

        faults = await vault.auditor.look()

        assert any("currency ore" in fault for fault in faults)
        with pytest.raises(Exception, match="faults"):
            await vault.auditor.check()


async def test_the_log_goes_on_in_a_cluster_it_was_restored_into(vault, tmp_path):
    """There transaction ids begin anew: what is posted would have its place before the end of the log, and stay out."""
    await vault.post(mint(0, 100))
    await vault.seal_all()
    await vault.post(mint(1, 100))
    async with vault.database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute("UPDATE ledger.transfer SET stamp = stamp + 1000000")
        await tx.execute("UPDATE ledger.block SET last_stamp = last_stamp + 1000000")
    assert await vault.seal_all() == 0

    await vault.sealer.prepare()
    await vault.post(move(wallet(1), wallet(2), 3), move(wallet(0), wallet(2), 4))

    assert await vault.seal_all() == 3
    assert [each.amount_minor for each in await records_of(vault)][:2] == [100, 100]
    await vault.another_sealer().prepare()
    async with vault.database.read() as tx:
        assert 999_990 < await tx.fetchval("SELECT ahead FROM ledger.epoch") < 1_000_010
    assert await verified(vault, tmp_path / "export") == 4


async def test_time_does_not_go_back_in_the_log(vault, tmp_path):
    await vault.post(mint(0, 100))
    await vault.seal_all()
    vault.clock.advance(-HOUR)
    await vault.post(mint(1, 100))
    await vault.seal_all()

    newer, older = await vault.log.blocks()

    assert newer.time == older.time
    assert await verified(vault, tmp_path / "export") == 2
