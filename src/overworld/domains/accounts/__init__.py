"""Accounts: who a player is, how they prove it, and what they may do.

Owns the schema `accounts`: `account` (name, credentials, role, security version), `device` (hashed ids that sign in),
`session` (one signed-in client each), `refresh_token` (hashes only) and `signing_key`; in its room `membership`, `club`
and `membership` (who has which number in which club); in its room `profiles` what players say of themselves, in
their accounts' rows, and `avatar`, their pictures. It never decides what a player is worth: level, experience and
badges are asked for through ports.

Invariants: folded usernames and e-mail addresses are unique; a device has one account; at most one signing key is
active; a session has one live refresh token, or two after a lost reply; no secret is stored, logged or shown in a repr
in a form that works; a club's numbers go from 1 without gaps, each given once. Verifying an access token does no I/O.

Events out: `events.user.registered`, `events.auth.login`, `events.auth.refused`, `events.membership.granted`,
`events.user.updated`, `events.session.revoked`. In: the last of these, in every process, so that a revoked token stops
everywhere.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.accounts.types import AccountsSettings
    from overworld.domains.accounts.wiring import SCHEMA, Accounts, build
else:
    __getattr__ = door(
        __name__,
        types=["AccountsSettings"],
        wiring=["Accounts", "SCHEMA", "build"],
    )

__all__ = ["SCHEMA", "Accounts", "AccountsSettings", "build"]
