"""Accounts: who a player is, how they prove it, and what they may do.

Owns the schema `accounts`: `account` (name, credentials, role, security version), `device` (hashed ids that sign in),
`session` (one signed-in client each), `refresh_token` (hashes only), `signing_key`, `api_key` (hashes only) and `note`
(what staff wrote about an account); in its room `membership`, `club` and `membership` (who has which number in which
club); in `external`, `external` (accounts elsewhere) and `external_flow` (visits to their providers); in `passkeys`,
`passkey` (public keys) and `passkey_ceremony`; in `second_factor`, `totp` (sealed secrets of apps that make codes) and
`recovery_code` (hashes only); in `profiles` what players say of themselves, in their accounts' rows, and `avatar`,
their pictures. It never decides what a player is worth: level, experience and badges are asked for through ports.

Invariants: folded usernames and e-mail addresses are unique; a device has one account; at most one signing key is
active; a session has one live refresh token, or two after a lost reply; no secret is stored, logged or shown in a repr
in a form that works; a club's numbers go from 1 without gaps, each given once. Verifying an access token does no I/O.

Events out: `events.user.registered`, `events.auth.login`, `events.auth.refused`, `events.auth.linked`,
`events.auth.unlinked`, `events.membership.granted`, `events.user.updated`, `events.session.revoked`,
`events.api_key.changed`, `events.user.suspended`, `events.user.restored`, `events.user.role_changed`,
`events.signing_key.rotated`. In: the last six of these, in every process, so that what was revoked stops everywhere and
what is new is known.
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
