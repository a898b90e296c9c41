"""`overworld ledger` as operators and strangers run it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.servers import Ran, overworld
from overworld.app.schemas import SCHEMAS
from overworld.kernel.clock import SystemClock
from tests.domains.ledger.audit.vault import PEOPLE, Vault, mint, move, wallet

pytestmark = pytest.mark.slow


async def ledger(*arguments: str | Path) -> Ran:
    ran = await overworld("ledger", *arguments)
    assert "Traceback" not in ran.err
    return ran


@pytest.fixture
async def sealed(open_database, databases) -> AsyncIterator[tuple[Vault, str]]:
    """A database with two sealed blocks, and its DSN."""
    async with open_database(*SCHEMAS) as database:
        vault = Vault(database, SystemClock())
        await vault.sealer.prepare()
        await vault.post(mint(0, 100), mint(1, 50))
        await vault.seal_all()
        await vault.post(move(wallet(0), wallet(1), 7))
        await vault.seal_all()
        async with database.read() as tx:
            name = str(await tx.fetchval("SELECT current_database()"))
        yield vault, databases.dsn_of(name)


async def key_file(vault: Vault, folder: Path, *, number: int = 0) -> Path:
    path = folder / "key"
    path.write_text((await vault.log.certificates())[number].public_key.hex() + "\n")
    return path


@pytest.mark.parametrize("name", ["export", "export.tar.gz"])
async def test_an_export_verifies_with_the_key_alone(sealed, tmp_path, name):
    vault, dsn = sealed
    key, target = await key_file(vault, tmp_path), tmp_path / name

    exported = await ledger("export", target, "--database", dsn)
    verified = await ledger("verify", target, "--key", key)

    assert (exported.code, exported.out) == (0, f"{target}: 2 blocks, 3 transfers\n")
    assert (verified.code, verified.out) == (0, "2 blocks, 3 transfers: everything verifies\n")


async def test_what_was_tampered_with_is_named(sealed, tmp_path):
    vault, dsn = sealed
    key, folder = await key_file(vault, tmp_path), tmp_path / "export"
    await ledger("export", folder, "--database", dsn)
    lines = (folder / "transfers.jsonl").read_text().splitlines()
    line = json.loads(lines[2]) | {"amount_minor": "8"}
    (folder / "transfers.jsonl").write_text("\n".join([*lines[:2], json.dumps(line)]) + "\n")

    verified = await ledger("verify", folder, "--key", key)

    assert verified.code == 1
    assert "transfer 2: is not what was sealed" in verified.out
    assert "transfer 2: is another in the Parquet file" in verified.out


async def test_what_cannot_be_read_or_written_is_said(sealed, tmp_path):
    vault, dsn = sealed
    key, full = await key_file(vault, tmp_path), tmp_path / "full"
    full.mkdir()
    (full / "mine").touch()

    for ran in (
        await ledger("export", full, "--database", dsn),
        await ledger("verify", tmp_path / "nothing", "--key", key),
        await ledger("verify", full, "--key", full / "mine"),
        await ledger("verify", key, "--key", key),
    ):
        assert (ran.code, ran.out) == (1, "")
        assert "ledger.export_unusable" in ran.err
    assert (await ledger("verify", full, "--key", key)).code == 1


async def test_the_full_check_tells_what_is_wrong(sealed):
    vault, dsn = sealed
    sound = await ledger("check", "--database", dsn)
    async with vault.database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        await tx.execute("UPDATE ledger.transfer SET amount = 8 WHERE amount = 7")

    broken = await ledger("check", "--database", dsn)

    assert (sound.code, sound.out) == (0, "2 blocks, 3 transfers: 0 faults\n")
    assert broken.code == 1
    assert "transfer 2: its row says otherwise than what was sealed: amount_minor" in broken.out


async def test_the_key_is_turned(sealed, tmp_path):
    vault, dsn = sealed

    turned = await ledger("rotate-key", "--database", dsn)
    await vault.post(mint(2, 5))
    await vault.seal_all()
    await ledger("export", tmp_path / "export", "--database", dsn)

    assert turned.out.startswith("key 1 signs from block 2 on: ")
    for number in (0, 1):
        key = await key_file(vault, tmp_path, number=number)
        assert (await ledger("verify", tmp_path / "export", "--key", key)).code == 0


async def test_a_player_is_erased_once(sealed, tmp_path):
    vault, dsn = sealed

    erased = await ledger("erase", str(PEOPLE[0]), "--database", dsn)
    again = await ledger("erase", str(PEOPLE[0]), "--database", dsn)
    await ledger("export", tmp_path / "export", "--database", dsn)
    verified = await ledger("verify", tmp_path / "export", "--key", await key_file(vault, tmp_path))

    assert (erased.code, erased.out) == (0, "1 accounts belong to nobody known any more\n")
    assert (again.code, again.out) == (1, "")
    assert "ledger.nobody_to_forget" in again.err
    assert verified.code == 0
    assert (await ledger("check", "--database", dsn)).code == 0
