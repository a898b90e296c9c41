"""Pure decisions: what a name may be, what a role may do, what becomes of a refresh token."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from uuid import UUID

from overworld.domains.accounts.errors import BadEmail, BadUsername
from overworld.domains.accounts.types import (
    EMAIL_LENGTH_MAX,
    USERNAME_LENGTH_MAX,
    USERNAME_LENGTH_MIN,
    Account,
    RefreshMove,
    RefreshToken,
    Role,
    Session,
    TokenState,
)
from overworld.kernel.identity import Scope
from overworld.kernel.ports import Limit, Taken

DEFAULT_NAME = "player"
ENDING_BYTES = 5

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PUBLIC = b"\xed\x01"
_ENDING_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_UNSEEN_CATEGORIES = ("C", "Z")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_PLAYER = frozenset(
    {
        Scope.ACCOUNT_SELF,
        Scope.CHAT_READ,
        Scope.CHAT_WRITE,
        Scope.GAME_PLAY,
        Scope.GAME_READ,
        Scope.LEDGER_READ,
        Scope.LEDGER_TRANSFER,
        Scope.LOCATION_READ,
        Scope.LOCATION_WRITE,
        Scope.REALTIME_CONNECT,
        Scope.TELEMETRY_WRITE,
    }
)
_FENCES = frozenset({Scope.FENCES_READ, Scope.FENCES_WRITE})
_FLAGS = frozenset({Scope.FLAGS_EVALUATE, Scope.FLAGS_READ, Scope.FLAGS_WRITE})
_GUEST = frozenset({Scope.ACCOUNT_SELF})
_SCOPES: Mapping[Role, frozenset[str]] = MappingProxyType(
    {
        Role.PLAYER: _PLAYER,
        Role.MODERATOR: _PLAYER
        | {
            Scope.LOCATION_AUDIT,
            Scope.TRUST_DECIDE,
            Scope.TRUST_READ,
            Scope.USERS_READ,
            Scope.USERS_SUSPEND,
            Scope.WORLD_READ,
        },
        Role.ADVERTISER: _GUEST,
        Role.SPONSOR: _GUEST,
        Role.AUDITOR: _GUEST | {Scope.AUDIT_READ},
        Role.GOVERNMENT: _GUEST,
        Role.ADMIN: _PLAYER
        | _FENCES
        | _FLAGS
        | {
            Scope.ANALYTICS_READ,
            Scope.AUDIT_READ,
            Scope.EVENTS_READ,
            Scope.EVENTS_REPLAY,
            Scope.GAME_PLACE,
            Scope.GAME_RELOAD,
            Scope.KEYS_MANAGE,
            Scope.LOCATION_AUDIT,
            Scope.TRUST_DECIDE,
            Scope.TRUST_READ,
            Scope.USERS_MANAGE,
            Scope.USERS_READ,
            Scope.USERS_SUSPEND,
            Scope.WEBHOOK_MANAGE,
            Scope.WORLD_READ,
        },
        Role.DEVELOPER: _PLAYER | _FENCES | _FLAGS | {Scope.WORLD_READ},
    }
)


def scopes_of(role: Role) -> frozenset[str]:
    """What accounts of a role may do.

    One scope belongs to no role: `world.replay`, which the developer key alone gives. By `telemetry.write` players tell
    of themselves; ingest keys, which have no other scope, tell of any player.
    """
    return _SCOPES[role]


def is_staff(role: Role) -> bool:
    """Whether accounts of a role may be asked for a second factor: everybody's but players'."""
    return role is not Role.PLAYER


def needs_second_factor(account: Account, *, required: bool) -> bool:
    """Whether a session of this account is held back until it proves a second factor.

    Who has set one up is asked for it; with `required` all staff are.
    """
    return is_staff(account.role) and (required or account.has_second_factor)


def held_back(scopes: frozenset[str]) -> frozenset[str]:
    """What is left of scopes without a second factor: those that players have too, so new ones are held back."""
    return scopes & _PLAYER


def is_proof_fresh(proved_at: datetime | None, *, now: datetime, life_s: int) -> bool:
    """Whether a second factor was proved so lately that it still counts."""
    return proved_at is not None and now < proved_at + timedelta(seconds=life_s)


def has_count_grown(known: int, given: int) -> bool:
    """Whether an authenticator's count shows no copy: it grew, or the authenticator does not count.

    Source: Web Authentication level 2, section 7.2, step 21.
    """
    return given > known or known == given == 0


def folded(text: str) -> str:
    """The form in which names and addresses are compared: case, width and composition no longer count.

    Source: Unicode Standard Annex 15 (NFKC) and section 3.13, default caseless matching.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def username(text: str) -> str:
    """A username as it is kept and shown: NFKC, 3 to 50 characters, every one of them visible but single spaces.

    Raises: BadUsername.
    """
    name = unicodedata.normalize("NFKC", text)
    if not USERNAME_LENGTH_MIN <= len(name) <= USERNAME_LENGTH_MAX:
        raise BadUsername(f"A username has {USERNAME_LENGTH_MIN} to {USERNAME_LENGTH_MAX} characters.")
    if name != name.strip() or "  " in name:
        raise BadUsername("A username neither begins nor ends with a space and has no two in a row.")
    if _has_unseen(name.replace(" ", "")) or not any(character.isalnum() for character in name):
        raise BadUsername("A username has a letter or digit, and no invisible or control characters.")
    return name


def email(text: str) -> str:
    """An e-mail address as it is kept: something, an @, and something, without blanks; whether it works is not judged.

    Raises: BadEmail.
    """
    local, at, domain = text.rpartition("@")
    if not (local and at and domain) or "@" in local:
        raise BadEmail("An e-mail address has one @ with something on both sides.")
    if _has_unseen(text):
        raise BadEmail("An e-mail address has no blanks, and no invisible or control characters.")
    if len(folded(text)) > EMAIL_LENGTH_MAX:
        raise BadEmail(f"An e-mail address has at most {EMAIL_LENGTH_MAX} characters.")
    return text


def account_id(text: str) -> UUID | None:
    """The id that a text is, in its one written form; None for any other text."""
    return UUID(text) if _ID.fullmatch(text) else None


def default_username(random: bytes) -> str:
    """The name of an account that asked for none: `player-` and an ending."""
    return with_ending(DEFAULT_NAME, random)


def with_ending(name: str, random: bytes) -> str:
    """A name that was taken, shortened where it must be, with an ending of 8 characters from 5 random bytes."""
    bits = int.from_bytes(random[:ENDING_BYTES], "big")
    ending = "".join(_ENDING_ALPHABET[bits >> 5 * place & 31] for place in reversed(range(8)))
    return f"{name[: USERNAME_LENGTH_MAX - 9].rstrip()}-{ending}"


def secret_hash(secret: str) -> bytes:
    """How device ids and refresh tokens are kept: 32 bytes that do not lead back. Source: SHA-256, FIPS 180-4."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def did_key(public_key: bytes) -> str:
    """The decentralised identifier of an Ed25519 public key, 32 bytes.

    Source: did:key method v0.7 (W3C CCG): multibase base58btc of the multicodec 0xed01 and the key.
    """
    number = int.from_bytes(_ED25519_PUBLIC + public_key, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return f"did:key:z{digits}"


def judge_refresh(token: RefreshToken, session: Session, *, now: datetime, life_s: int, reuse_s: int) -> RefreshMove:
    """What becomes of a refresh token.

    A session has one live token, or two after a reply was lost; using one of them spends every other, so whoever
    holds the other shows up as a second user of the session: `REUSED`, which must end it.
    """
    if session.revoked_at is not None or now >= token.made_at + timedelta(seconds=life_s):
        return RefreshMove.ENDED
    if token.state is TokenState.LIVE:
        return RefreshMove.ROTATE
    if token.state is TokenState.ROTATED and is_just_used(token, now, reuse_s):
        return RefreshMove.SIBLING
    return RefreshMove.REUSED


def is_just_used(token: RefreshToken, now: datetime, reuse_s: int) -> bool:
    """Whether a token was used within the time in which it may be used once more."""
    return token.rotated_at is not None and now - token.rotated_at <= timedelta(seconds=reuse_s)


def per_window(count_max: int, window_s: int) -> Limit:
    """The bucket that lets `count_max` through at once and flows back over the window."""
    return Limit(per_s=count_max / window_s, burst=count_max)


def wait_s(taken: Taken, limit: Limit) -> float:
    """Seconds until the bucket has one token again."""
    return max(0.0, taken.reset_s - (limit.burst - 1) / limit.per_s)


def scope_claim(scopes: Iterable[str]) -> str:
    """Scopes as the claim `scope` writes them: sorted, one blank between. Source: RFC 8693, section 4.2."""
    return " ".join(sorted(scopes))


def _has_unseen(text: str) -> bool:
    return any(unicodedata.category(character)[0] in _UNSEEN_CATEGORIES for character in text)
