"""Whether somebody who has an export of the log and its first public key finds everything in order."""

from __future__ import annotations

from pathlib import Path

import httpx
from msgspec import Struct

from bench.servers import ServerProcess
from overworld.domains.ledger.audit import verify
from overworld.domains.ledger.audit.checker import Checker
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import SystemClock
from overworld.platform.postgres import Database


class Sealed(Struct, frozen=True):
    """What was sealed and verified, how many transfers there are, and what is wrong."""

    blocks: int
    transfers: int
    posted: int
    faults: list[str]


async def first_key(server: ServerProcess) -> bytes:
    """The public key that the server's log begins with."""
    async with httpx.AsyncClient(base_url=server.http) as client:
        keys = (await client.get("/v1/ledger/keys")).raise_for_status().json()["items"]
    return bytes.fromhex(keys[0]["public_key"])


async def verified(dsn: str, folder: Path, *, key: bytes) -> Sealed:
    """Seals what is left, checks it against its rows, exports it, and verifies the export with nothing else."""
    database = await Database.open(dsn, application="proof")
    try:
        sealer = Sealer(database=database, clock=SystemClock(), settings=LedgerSettings())
        while await sealer.seal(at_once=True):
            pass
        checked = await Checker(database=database).run()
        await Log(database=database, clock=SystemClock(), settings=LedgerSettings()).export(folder)
        async with database.read() as tx:
            posted = await tx.fetchval("SELECT count(*) FROM ledger.transfer")
    finally:
        await database.close()
    verdict = verify.verify(folder, key)
    return Sealed(
        blocks=verdict.blocks,
        transfers=verdict.transfers,
        posted=posted,
        faults=checked.faults + [f"{where}: {what}" for where, what in verdict.findings],
    )
