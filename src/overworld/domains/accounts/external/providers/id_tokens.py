"""Checking an ID token. Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Collection
from hashlib import sha256, sha384, sha512
from hmac import compare_digest

import msgspec
from joserfc import jws
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from overworld.domains.accounts.external.errors import NotProved
from overworld.domains.accounts.external.types import SUBJECT_LENGTH_MAX

_SKEW_S = 60
_AGE_MAX_S = 3_600
_HASHES = {"256": sha256, "384": sha384, "512": sha512}


class KeyUnknown(Exception):
    """The token names a key that is not known, which may be a new one."""


class Expected(Struct, frozen=True, kw_only=True):
    """What an ID token must say."""

    issuer: str
    client_ids: Collection[str]
    nonce: str
    algorithms: Collection[str]
    access_token: str | None = None


class _Claims(Struct, frozen=True, kw_only=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    nbf: float = 0.0
    azp: str | None = None
    at_hash: str | None = None


def subject_of(token: str, keys: KeySet, expected: Expected, *, now_s: float) -> str:
    """What the issuer calls who the token is about. Raises: KeyUnknown; NotProved, with the reason for our log."""
    try:
        signed = jws.deserialize_compact(token, keys, algorithms=list(expected.algorithms))
        claims = msgspec.json.decode(signed.payload or b"", type=_Claims)
    except InvalidKeyIdError as error:
        raise KeyUnknown from error
    except (JoseError, msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        raise NotProved(reason=f"ID token: {type(error).__name__}") from error
    _check(claims, expected, now_s=now_s)
    if expected.access_token is not None and claims.at_hash is not None:
        _check_hash(claims.at_hash, expected.access_token, algorithm=str(signed.headers()["alg"]))
    return claims.sub


def _check(claims: _Claims, expected: Expected, *, now_s: float) -> None:
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    faults = {
        "issuer": claims.iss != expected.issuer,
        "audience": not set(audiences) & set(expected.client_ids),
        "authorized party": (len(audiences) > 1 or claims.azp is not None) and claims.azp not in expected.client_ids,
        "expired": not now_s < claims.exp + _SKEW_S,
        "from the future": not max(claims.nbf, claims.iat) <= now_s + _SKEW_S,
        "old": not now_s - claims.iat <= _AGE_MAX_S,
        "nonce": not compare_digest(claims.nonce.encode(), expected.nonce.encode()),
        "subject": not 0 < len(claims.sub) <= SUBJECT_LENGTH_MAX or "\0" in claims.sub,
    }
    if any(faults.values()):
        raise NotProved(reason=f"ID token: {', '.join(name for name, wrong in faults.items() if wrong)}")


def _check_hash(at_hash: str, access_token: str, *, algorithm: str) -> None:
    """Raises: NotProved when the ID token was issued with another access token. Source: section 3.1.3.6."""
    digest = _HASHES.get(algorithm[-3:], sha512)(access_token.encode()).digest()
    half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not compare_digest(half, at_hash.encode()):
        raise NotProved(reason="ID token: at_hash")
