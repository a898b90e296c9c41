"""Puts the rooms of accounts together."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from litestar.handlers import HTTPRouteHandler

from overworld.domains.accounts import store
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.accounts.consumers import accounts_tail
from overworld.domains.accounts.crypto.csrf import CsrfKey
from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.crypto.tokens import TokenSigner, Verifier
from overworld.domains.accounts.ground import Ground
from overworld.domains.accounts.mail import wiring as mail_wiring
from overworld.domains.accounts.mail.queue import MailQueue
from overworld.domains.accounts.mail.wiring import MailParts
from overworld.domains.accounts.membership.clubs import Clubs
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.passkeys.routes import routes as passkey_routes
from overworld.domains.accounts.passkeys.service import Passkeys
from overworld.domains.accounts.ports import Badges, Progress
from overworld.domains.accounts.routes import routes
from overworld.domains.accounts.second_factor.routes import routes as second_factor_routes
from overworld.domains.accounts.second_factor.service import SecondFactors
from overworld.domains.accounts.service import Directory, Profiles, Sessions, SignIn, SigningKeys
from overworld.domains.accounts.service.lockout import Lockout
from overworld.domains.accounts.service.turns import Turns
from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.mail import MailCarrier
from overworld.kernel.ports import Limiter, Outbox
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="accounts", folder=Path(__file__).parent / "schema")

_TOKEN_LIFE_LEAST_S = 1_800
_SKEW_S = 60

_log = logging.getLogger(__name__)


class Accounts:
    """The doors of accounts.

    Hand `on_events` to the log's tail, then `await load()`, then serve: so no revocation falls between. `verifier` is
    the kernel's `TokenVerifier`, `csrf` the edge's `CsrfTokens`. `await close()` before the database closes.
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
        passkeys: Passkeys,
        second_factors: SecondFactors,
        keys: SigningKeys,
        revocations: Revocations,
        book: KeyBook,
        passwords: Passwords,
        turns: Turns,
        mail: MailParts,
        pages: Pages,
        csrf: CsrfKey,
    ) -> None:
        self.mail = mail
        self.verifier = pages.verifier
        self.pages = pages
        self.csrf = csrf
        self.sign_in = sign_in
        self.sessions = sessions
        self.profiles = profiles
        self.directory = directory
        self.passkeys = passkeys
        self.second_factors = second_factors
        self.routes: list[HTTPRouteHandler] = [
            *routes(sign_in=sign_in, sessions=sessions, profiles=profiles, pages=pages, jwks=lambda: keys.ring.jwks),
            *mail.routes,
            *passkey_routes(passkeys, pages=pages),
            *second_factor_routes(second_factors, pages=pages),
        ]
        self.on_events: Callable[[Sequence[Envelope]], Awaitable[None]] = accounts_tail(
            revocations=revocations, book=book, keys=keys
        )
        self._database = database
        self._clock = clock
        self.keys = keys
        self.revocations = revocations
        self.book = book
        self._passwords = passwords
        self.lines = {"sign-ins": turns.line, "passwords": passwords.line}
        self._keep = timedelta(seconds=token_life_most_s(settings))

    async def load(self) -> None:
        """Reads the keys and every revocation that can still matter; makes the first keys.

        Raises: SigningKeyLocked, and what the database raises.
        """
        await self.keys.load()
        async with self._database.transaction() as tx:
            await self.csrf.load(tx)
            for revocation in await store.revocations_since(tx, self._clock.now() - self._keep):
                self.revocations.add(revocation)
        await self.book.load()

    async def close(self) -> None:
        """Notes the last use of keys, lets the passwords that are being hashed finish and drops those that wait."""
        await self._note_use()
        await self.keys.close()
        self._passwords.close()

    async def _note_use(self) -> None:
        try:
            await self.book.note_use()
        except Refusal as refusal:
            _log.warning("when keys were last used could not be written down: %s", refusal)


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
    carrier: MailCarrier | None = None,
    game_title: str = "Overworld",
    random: Callable[[int], bytes] = os.urandom,
) -> Accounts:
    """Accounts on a migrated database.

    `clubs` are those of the game, which tokens and profiles tell of. Without `badges` nobody has any, without a
    `carrier` no mail is sent. `random` gives that many unforeseeable bytes; only tests replace it. Raises: BadMailText.
    """
    ground = Ground(
        database=database,
        clock=clock,
        ids=ids,
        outbox=outbox,
        limiter=limiter,
        limits_enabled=limits_enabled,
        settings=settings,
        random=random,
    )
    known_clubs = clubs or Clubs({})
    keys = SigningKeys(database=database, clock=clock, secret=settings.signing_key_secret)
    passwords, book = Passwords(settings, random=random), KeyBook(database=database, clock=clock)
    revocations = Revocations(clock=clock, keep_s=token_life_most_s(settings))
    profiles = Profiles(database=database, clock=clock, progress=progress, badges=badges, clubs=known_clubs)
    sessions = _sessions(ground, profiles=profiles, clubs=known_clubs, keys=keys, revocations=revocations)
    lockout = Lockout(limiter=limiter, enabled=limits_enabled, settings=settings)
    turns = Turns(at_once=settings.sign_ins_at_once, waiting_max=settings.sign_ins_waiting_max)
    pages = _pages(ground, keys=keys, book=book, revocations=revocations)
    mail = mail_wiring.build(
        ground,
        sessions=sessions,
        passwords=passwords,
        lockout=lockout,
        pages=pages,
        carrier=carrier,
        game_title=game_title,
    )
    return Accounts(
        database=database,
        clock=clock,
        settings=settings,
        sign_in=_sign_in(
            ground, sessions=sessions, passwords=passwords, lockout=lockout, turns=turns, mails=mail.queue
        ),
        sessions=sessions,
        profiles=profiles,
        directory=Directory(database=database),
        passkeys=_passkeys(ground, sessions=sessions, turns=turns),
        second_factors=_second_factors(ground, sessions=sessions),
        keys=keys,
        revocations=revocations,
        book=book,
        passwords=passwords,
        turns=turns,
        mail=mail,
        pages=pages,
        csrf=CsrfKey(secret=settings.signing_key_secret, random=random),
    )


def _pages(ground: Ground, *, keys: SigningKeys, book: KeyBook, revocations: Revocations) -> Pages:
    verifier = Verifier(
        ring=keys.ring, book=book, revocations=revocations, clock=ground.clock, settings=ground.settings
    )
    return Pages(verifier=verifier, refresh_token_s=ground.settings.refresh_token_s)


def _sessions(
    ground: Ground, *, profiles: Profiles, clubs: Clubs, keys: SigningKeys, revocations: Revocations
) -> Sessions:
    signer = TokenSigner(ring=keys.ring, clock=ground.clock, ids=ground.ids, settings=ground.settings)
    return Sessions(
        database=ground.database,
        clock=ground.clock,
        ids=ground.ids,
        outbox=ground.outbox,
        settings=ground.settings,
        profiles=profiles,
        clubs=clubs,
        signer=signer,
        revocations=revocations,
        random=ground.random,
    )


def _sign_in(
    ground: Ground, *, sessions: Sessions, passwords: Passwords, lockout: Lockout, turns: Turns, mails: MailQueue
) -> SignIn:
    return SignIn(
        database=ground.database,
        clock=ground.clock,
        ids=ground.ids,
        outbox=ground.outbox,
        sessions=sessions,
        passwords=passwords,
        lockout=lockout,
        turns=turns,
        mails=mails,
        password_length_min=ground.settings.password_length_min,
        random=ground.random,
    )


def _passkeys(ground: Ground, *, sessions: Sessions, turns: Turns) -> Passkeys:
    return Passkeys(
        database=ground.database,
        clock=ground.clock,
        ids=ground.ids,
        outbox=ground.outbox,
        sessions=sessions,
        turns=turns,
        settings=ground.settings,
        random=ground.random,
    )


def _second_factors(ground: Ground, *, sessions: Sessions) -> SecondFactors:
    return SecondFactors(
        database=ground.database,
        clock=ground.clock,
        outbox=ground.outbox,
        audit=Trail(clock=ground.clock, ids=ground.ids),
        limiter=ground.limiter,
        limits_enabled=ground.limits_enabled,
        sessions=sessions,
        settings=ground.settings,
        random=ground.random,
    )


def token_life_most_s(settings: AccountsSettings) -> int:
    """As long as a token may live, also one made under an earlier setting of up to half an hour."""
    return max(settings.access_token_s, _TOKEN_LIFE_LEAST_S) + _SKEW_S
