"""What a key may hold, and what it looks like. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from hashlib import sha256

from overworld.domains.accounts.apikeys.errors import BadScopes
from overworld.kernel.identity import Scope

SECRET_BYTES = 32

_API, _INGEST = "owkey_", "owingest_"
_HINT_LENGTH = 4
_INGEST_SCOPES = (Scope.TELEMETRY_WRITE,)
# What stays with people: to be somebody, to make more keys, to hand out roles. Sockets end with a session, and a key
# has none.
_NEVER = frozenset(
    {Scope.ACCOUNT_SELF, Scope.KEYS_MANAGE, Scope.REALTIME_CONNECT, Scope.USERS_MANAGE, Scope.WORLD_REPLAY}
)
_API_LIFE_S = 90 * 86_400
_INGEST_LIFE_S = 5 * 365 * 86_400


def is_key(token: str) -> bool:
    """Whether a bearer's text has the form of a key rather than that of an access token."""
    return token.startswith((_API, _INGEST))


def is_ingest(scopes: Iterable[str]) -> bool:
    """Whether a key of these scopes can only write telemetry."""
    return tuple(scopes) == _INGEST_SCOPES


def granted(asked: Iterable[str], *, holds: frozenset[str]) -> tuple[str, ...]:
    """The scopes of a new key, sorted: what its maker may do, or `telemetry.write` and nothing else.

    Raises: BadScopes.
    """
    scopes = tuple(sorted(set(asked)))
    if is_ingest(scopes):
        return scopes
    allowed = holds - _NEVER - {Scope.TELEMETRY_WRITE}
    if not scopes or not allowed.issuperset(scopes):
        raise BadScopes(allowed=sorted(allowed | {Scope.TELEMETRY_WRITE}))
    return scopes


def life_s(scopes: Iterable[str]) -> int:
    """How long a key lives where its maker does not say: 90 days, and 5 years where it ships with a game."""
    return _INGEST_LIFE_S if is_ingest(scopes) else _API_LIFE_S


def key_of(secret: bytes, scopes: Iterable[str]) -> str:
    """The key as its bearer sends it; its beginning says what it is, also to who searches code for lost keys."""
    kind = _INGEST if is_ingest(scopes) else _API
    return kind + base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def hint_of(key: str) -> str:
    """How it begins: enough to tell keys apart, of no use to who wants to guess the rest."""
    return key[: key.index("_") + 1 + _HINT_LENGTH]


def hash_of(key: str) -> bytes:
    """What is kept of a key. Source: SHA-256, FIPS 180-4; a slow hash adds nothing to 256 random bits."""
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
