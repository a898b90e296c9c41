"""Puts the rooms of accounts together."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from litestar.handlers import HTTPRouteHandler

from overworld.domains.accounts import store
from overworld.domains.accounts.consumers import revocation_tail
from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner, Verifier
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.ports import Badges, Progress
from overworld.domains.accounts.routes import routes
from overworld.domains.accounts.service import Directory, Profiles, Sessions, SignIn, SigningKeys
from overworld.domains.accounts.service.lockout import Lockout
from overworld.domains.accounts.service.turns import Turns
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limiter, Outbox
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="accounts", folder=Path(__file__).parent / "schema")

_TOKEN_LIFE_LEAST_S = 1_800
_SKEW_S = 60


class Accounts:
    """The doors of accounts.

    Hand `on_events` to the log's tail, then `await load()`, then serve: so no revocation falls between. `verifier` is
    the kernel's `TokenVerifier`. `await close()` before the database closes.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        settings: AccountsSettings,
        sign_in: SignIn,
        sessions: Sessions,
        profiles: Profiles,
        directory: Directory,
        keys: SigningKeys,
        revocations: Revocations,
        passwords: Passwords,
    ) -> None:
        self.sign_in = sign_in
        self.sessions = sessions
        self.profiles = profiles
        self.directory = directory
        self.verifier = Verifier(ring=keys.ring, revocations=revocations, clock=clock, settings=settings)
        self.routes: list[HTTPRouteHandler] = routes(
            sign_in=sign_in, sessions=sessions, profiles=profiles, jwks=lambda: keys.ring.jwks
        )
        self.on_events: Callable[[Sequence[Envelope]], Awaitable[None]] = revocation_tail(revocations)
        self._database = database
        self._clock = clock
        self._keys = keys
        self._revocations = revocations
        self._passwords = passwords
        self._keep = timedelta(seconds=_revocations_kept_s(settings))

    async def load(self) -> None:
        """Reads the signing keys and every revocation that can still matter; makes the first key.

        Raises: SigningKeyLocked, and what the database raises.
        """
        await self._keys.load()
        async with self._database.read() as tx:
            for revocation in await store.revocations_since(tx, self._clock.now() - self._keep):
                self._revocations.add(revocation)

    async def close(self) -> None:
        """Lets the passwords that are being hashed finish and drops those that wait."""
        await self._keys.close()
        self._passwords.close()


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    limiter: Limiter,
    limits_enabled: bool,
    settings: AccountsSettings,
    progress: Progress,
    badges: Badges | None = None,
    clubs: Clubs | None = None,
    random: Callable[[int], bytes] = os.urandom,
) -> Accounts:
    """Accounts on a migrated database.

    `clubs` are those of the game, which tokens and profiles tell of. Without `badges` nobody has any. `random` gives
    that many unforeseeable bytes; only tests replace it.
    """
    known_clubs = clubs or Clubs({})
    keys = SigningKeys(database=database, clock=clock, secret=settings.signing_key_secret)
    revocations = Revocations(clock=clock, keep_s=_revocations_kept_s(settings))
    passwords = Passwords(settings, random=random)
    profiles = Profiles(database=database, clock=clock, progress=progress, badges=badges, clubs=known_clubs)
    sessions = Sessions(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        settings=settings,
        profiles=profiles,
        clubs=known_clubs,
        signer=TokenSigner(ring=keys.ring, clock=clock, ids=ids, settings=settings),
        revocations=revocations,
        random=random,
    )
    sign_in = SignIn(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        sessions=sessions,
        passwords=passwords,
        lockout=Lockout(limiter=limiter, enabled=limits_enabled, settings=settings),
        turns=Turns(at_once=settings.sign_ins_at_once, waiting_max=settings.sign_ins_waiting_max),
        random=random,
    )
    return Accounts(
        database=database,
        clock=clock,
        settings=settings,
        sign_in=sign_in,
        sessions=sessions,
        profiles=profiles,
        directory=Directory(database=database),
        keys=keys,
        revocations=revocations,
        passwords=passwords,
    )


def _revocations_kept_s(settings: AccountsSettings) -> int:
    """As long as a token may live, also one made under an earlier setting of up to half an hour."""
    return max(settings.access_token_s, _TOKEN_LIFE_LEAST_S) + _SKEW_S
