"""`overworld accounts`: what has to be done with accounts on the machine itself."""

from __future__ import annotations

import sys

from cyclopts import App

from overworld.app.commands.flags import Flags
from overworld.domains.accounts.types import Role

app = App(name="accounts", help="Give accounts their roles, and turn the key of access tokens.")


@app.command
def role(player: str, role: Role, *, flags: Flags = Flags()) -> None:
    """Give an account a role: how the first administrator is made.

    Its access tokens end within a second on every running server, and the next ones have what the role may do; its
    sessions go on. API keys of it that may do more are revoked. The audit log keeps who did it.

    For example:
      overworld accounts role Ann admin
      overworld accounts role 01890a5d-ac96-774b-bcce-b302099a8057 player

    Exit codes: 0 done, 1 there is no such database or no such account.

    Parameters
    ----------
    player
        The account's name or id.
    role
        What it becomes.
    """
    settings = flags.settings().tree

    from overworld.app import accounts_tools

    found = accounts_tools.set_role(settings, player, role)
    sys.stdout.write(f"{found.username} ({found.id}) has the role {found.role}\n")


@app.command(name="rotate-key")
def rotate_key(*, at_once: bool = False, flags: Flags = Flags()) -> None:
    """Make a new key that signs access tokens, ten minutes from now; nobody is signed out by it.

    It is published at once, so that whoever keeps the published keys for five minutes knows it when its first token
    shows up. The old key signs until then, and verifies until its last token is over. The setting
    `accounts.signing_key_secret` has to be that of the servers.

    For example:
      overworld accounts rotate-key
      overworld accounts rotate-key --at-once

    Exit codes: 0 done, 1 there is no such database, or the old key cannot be opened.

    Parameters
    ----------
    at_once
        The old key was stolen: it ends now, and every access token with it; clients get new ones by refreshing.
    """
    settings = flags.settings().tree

    from overworld.app import accounts_tools

    key = accounts_tools.rotate_key(settings, at_once=at_once)
    sys.stdout.write(f"key {key.kid} signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on\n")
