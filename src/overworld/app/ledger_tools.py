"""What `overworld ledger` does: with the database of a running server, or with an export alone."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from overworld.app.attached import attached
from overworld.app.on_the_machine import recording, staff
from overworld.app.settings import Settings
from overworld.domains.ledger.audit import parquet
from overworld.domains.ledger.audit import verify as verifier
from overworld.domains.ledger.audit.checker import Checked, Checker
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.sealer import Sealer
from overworld.domains.ledger.audit.verify import FINDINGS_MAX, Finding, Verdict
from overworld.kernel.clock import SystemClock
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database

_ARCHIVE = ".tar.gz"


class ExportUnusable(Refusal):
    """An export cannot be written there, or read from there."""

    code = "ledger.export_unusable"
    status = 400


def export(settings: Settings, target: Path) -> tuple[int, int]:
    """Writes the log into a folder or an archive; how many blocks and transfers. Raises: those of `attached`."""
    try:
        counts = _packed(settings, target) if target.name.endswith(_ARCHIVE) else asyncio.run(_export(settings, target))
    except OSError as error:
        raise ExportUnusable(f"cannot write {target}: {error.strerror or error}") from error
    return counts


def _packed(settings: Settings, target: Path) -> tuple[int, int]:
    with TemporaryDirectory() as folder, tarfile.open(target, "x:gz") as archive:
        counts = asyncio.run(_export(settings, Path(folder)))
        for path in sorted(Path(folder).iterdir()):
            archive.add(path, f"{target.name.removesuffix(_ARCHIVE)}/{path.name}")
    return counts


async def _export(settings: Settings, folder: Path) -> tuple[int, int]:
    async with attached(settings, application="overworld ledger export") as database:
        return await Log(database=database, clock=SystemClock(), settings=settings.ledger).export(folder)


def verify(export: Path, key: Path) -> Verdict:
    """What is wrong with an export. Raises: ExportUnusable."""
    try:
        trusted = verifier.read_key(key)
        with _opened(export) as folder:
            verdict = verifier.verify(folder, trusted)
            if len(verdict.findings) < FINDINGS_MAX:
                verdict.findings.extend(Finding(*found) for found in parquet.differences(folder))
            return verdict
    except (OSError, ValueError, tarfile.TarError) as error:
        raise ExportUnusable(f"cannot verify: {error}") from error


def summary(verdict: Verdict) -> str:
    """The verdict in three words."""
    if not verdict.findings:
        return "everything verifies"
    return f"{len(verdict.findings)} findings" + (" or more" if len(verdict.findings) >= FINDINGS_MAX else "")


@contextmanager
def _opened(export: Path) -> Iterator[Path]:
    if export.is_dir():
        yield export
        return
    with TemporaryDirectory() as folder, tarfile.open(export) as archive:
        for member in archive:
            member.name = Path(member.name).name
            if member.isfile():
                archive.extract(member, folder, filter="data")
        yield Path(folder)


def check(settings: Settings) -> Checked:
    """The full check. Raises: those of `attached`."""
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> Checked:
    async with attached(settings, application="overworld ledger check") as database:
        return await Checker(database=database).run()


def rotate_key(settings: Settings) -> str:
    """Makes a new signing key; what it is. Raises: those of `attached`; LedgerKeyLocked."""
    return asyncio.run(_rotate_key(settings))


async def _rotate_key(settings: Settings) -> str:
    async with _sealer(settings, "rotate-key") as sealer:
        made = (await sealer.turn_key(beside=recording(staff().did("ledger.rotate_key", "ledger")))).certificate
    return f"key {made.number} signs from block {made.from_block} on: {made.public_key.hex()}"


def erase(settings: Settings, player_id: UUID) -> int:
    """Forgets a player; how many accounts he had. Raises: those of `attached`; NobodyToForget."""
    return asyncio.run(_erase(settings, player_id))


async def _erase(settings: Settings, player_id: UUID) -> int:
    async with _sealer(settings, "erase") as sealer:
        return await sealer.forget(player_id, beside=recording(staff().did("ledger.erase", player_id)))


@asynccontextmanager
async def _sealer(settings: Settings, command: str) -> AsyncIterator[Sealer]:
    database: Database
    async with attached(settings, application=f"overworld ledger {command}") as database:
        yield Sealer(database=database, clock=SystemClock(), settings=settings.ledger)
