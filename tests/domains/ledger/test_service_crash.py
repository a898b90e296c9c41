"""What a server remembers of accounts stays true when PostgreSQL is killed under it."""

from __future__ import annotations

import contextlib
import signal
from uuid import UUID

import psutil
import pytest

from overworld.domains.ledger import SCHEMA
from overworld.kernel.money import TransferStatus
from overworld.platform.postgres import Database, DatabaseSettings, DatabaseUnavailable, EmbeddedPostgres, migrate
from tests.domains.ledger.bank import AT, A, Bank, mint, transfer, wallet

CREATED = TransferStatus.CREATED


@pytest.fixture
def postgres(tmp_path):
    tmp_path.chmod(0o755)  # under root the server runs as another user
    server = EmbeddedPostgres(tmp_path, settings=DatabaseSettings(shared_buffers_mb=64))
    server.start()
    yield server
    server.stop()


def kill(folder):
    """`kill -9` of the whole server: what it had not written to its log is lost."""
    postmaster = psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family)


@pytest.mark.slow
async def test_an_account_that_a_crash_undid_is_not_mistaken_for_the_next_one(postgres, tmp_path):
    """Row numbers come from a sequence, and a crash takes back those of transactions that had not committed: the next
    account gets the number of the one that never was."""
    database = await Database.open(postgres.dsn)
    await migrate(database, [SCHEMA])
    bank = Bank(database)
    await bank.post(mint(A, 100))
    others = [UUID(int=n) for n in range(100, 150)]
    with contextlib.suppress(DatabaseUnavailable):
        async with database.transaction() as tx:
            await bank.ledger.post(tx, [mint(other, 7) for other in others], at=AT)
            kill(tmp_path)
    await database.close()
    assert postgres.revive()
    bank.database = await Database.open(postgres.dsn)
    elsewhere = Bank(bank.database)
    await elsewhere.post(*(mint(UUID(int=n), 1, currency="gem") for n in range(1000, 1100)))
    for other in others:
        assert await bank.statuses(transfer(wallet(A), wallet(other), 1)) == [CREATED]
        assert await elsewhere.held(other) == 1
    assert await elsewhere.broken() == []
    await bank.database.close()
