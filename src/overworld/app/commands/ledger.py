"""`overworld ledger`: accounts as staff handle them, and the public log of everything of value."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from overworld.app.commands import ledger_desk
from overworld.app.commands.flags import Flags

app = App(name="ledger", help="Look after players' accounts and the log of transfers.")
for _command in ledger_desk.COMMANDS:
    app.command(_command)


@app.command
def export(folder: Path, *, flags: Flags = Flags()) -> None:
    """Write the sealed log so that strangers can verify it: JSON Lines, Parquet, and a signed manifest.

    It looks into the database of the running server, or the one given by --database, and changes nothing there. What is
    written says nothing about who anybody is; docs/ledger-audit.md describes it.

    For example:
      overworld ledger export ./export
      overworld ledger export ./export.tar.gz --data /var/lib/overworld

    Exit codes: 0 done, 1 there is no such database, or the folder is not empty.

    Parameters
    ----------
    folder
        A new or empty folder, or a name that ends in .tar.gz for one file.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_tools
    from overworld.app.progress import spinning

    with spinning("Writing the log"):
        blocks, transfers = ledger_tools.export(settings, folder)
    sys.stdout.write(f"{folder}: {blocks} blocks, {transfers} transfers\n")


@app.command
def verify(export: Path, *, key: Annotated[Path, Parameter(show_default=False)]) -> int:
    """Check an export with nothing but a public key, and name everything that is wrong with it.

    It needs no server and no database. The key should come from elsewhere than the export, and from long ago: a running
    server shows its keys at /v1/ledger/keys.

    For example:
      overworld ledger verify ./export --key ./key

    Exit codes: 0 everything verifies, 1 something does not, or nothing can be read.

    Parameters
    ----------
    export
        A folder that `overworld ledger export` wrote, or a .tar.gz of one.
    key
        A file with the first public key of the log, or a later one, as 64 hexadecimal digits.
    """
    from overworld.app import ledger_tools
    from overworld.app.progress import spinning

    with spinning("Verifying"):
        verdict = ledger_tools.verify(export, key)
    sys.stdout.writelines(f"{where}: {what}\n" for where, what in verdict.findings)
    sys.stdout.write(f"{verdict.blocks} blocks, {verdict.transfers} transfers: {ledger_tools.summary(verdict)}\n")
    return 1 if verdict.findings else 0


@app.command
def check(*, flags: Flags = Flags()) -> int:
    """Check all books from the first transfer on: balances, every sealed record against its row, tree, signatures.

    The running server checks balances and supply all the time; this reads everything, and so takes its time: a minute
    for some ten million transfers. Nothing is changed.

    For example:
      overworld ledger check
      overworld ledger check --database postgresql://me@db.example/game

    Exit codes: 0 the books hold, 1 they do not, or there is no such database.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_tools
    from overworld.app.progress import spinning

    with spinning("Checking the books"):
        checked = ledger_tools.check(settings)
    sys.stdout.writelines(f"{fault}\n" for fault in checked.faults)
    sys.stdout.write(f"{checked.blocks} blocks, {checked.transfers} transfers: {len(checked.faults)} faults\n")
    return 1 if checked.faults else 0


@app.command(name="rotate-key")
def rotate_key(*, flags: Flags = Flags()) -> None:
    """Make a new key that signs the log from the next block on, vouched for by the one before it.

    The private half of the old one is destroyed. Running servers take the new one up with their next block. The
    setting `ledger.signing_key_secret` has to be that of the servers.

    For example:
      overworld ledger rotate-key

    Exit codes: 0 done, 1 there is no such database, or the old key cannot be opened.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_tools

    sys.stdout.write(f"{ledger_tools.rotate_key(settings)}\n")


@app.command
def erase(player: UUID, *, flags: Flags = Flags()) -> None:
    """Make a player a stranger to his past in the log, for good.

    The keys that tie his accounts to pseudonyms and references are destroyed; his accounts are frozen and become those
    of somebody drawn at random, with what is in them. Sealed blocks stay as they are, and verify. End his sessions
    first: a transfer that arrives afterwards opens a new account for him.

    For example:
      overworld ledger erase 01890a5d-ac96-774b-bcce-b302099a8057

    Exit codes: 0 done, 1 there is no such database or no such player.

    Parameters
    ----------
    player
        The player's id.
    """
    settings = flags.settings().tree

    from overworld.app import ledger_tools

    sys.stdout.write(f"{ledger_tools.erase(settings, player)} accounts belong to nobody known any more\n")
