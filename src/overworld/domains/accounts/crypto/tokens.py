"""Access tokens: JSON Web Tokens signed with RS256, made and verified without I/O."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections import OrderedDict
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from msgspec import Meta, Struct

from overworld.domains.accounts import rules
from overworld.domains.accounts.apikeys.book import KeyBook
from overworld.domains.accounts.apikeys.rules import is_key
from overworld.domains.accounts.crypto.keys import ALGORITHM, KeyRing
from overworld.domains.accounts.crypto.revocations import Revocations
from overworld.domains.accounts.errors import BadToken, TokenExpired, TokenRevoked
from overworld.domains.accounts.types import Account, AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource

TOKEN_LENGTH_MAX = 4095

_US = 1_000_000
_PARTS = 3
_SCOPES_KEPT_MAX = 64


class _Header(Struct, frozen=True, forbid_unknown_fields=True):
    """All a header may say: no other algorithm, no key of its own, no extension."""

    alg: Literal["RS256"]
    kid: Annotated[str, Meta(max_length=64)]
    typ: Literal["JWT"]


class _Claims(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What our tokens say, and `nbf`, which they never do: one that says it is not good before then."""

    sub: UUID
    role: str
    scope: str
    memberships: tuple[str, ...]
    sid: UUID
    sv: int
    iat: int
    exp: int
    jti: UUID
    iss: str
    aud: str
    nbf: int = 0


class _Verified(Struct, frozen=True):
    principal: Principal
    session_id: UUID
    version: int
    kid: str


class TokenSigner:
    """Makes access tokens with the key ring's active key."""

    def __init__(self, *, ring: KeyRing, clock: Clock, ids: IdSource, settings: AccountsSettings) -> None:
        self._ring = ring
        self._clock = clock
        self._ids = ids
        self._settings = settings

    def sign(
        self,
        account: Account,
        session_id: UUID,
        *,
        memberships: tuple[str, ...] = (),
        life_s: int | None = None,
        is_proved: bool = False,
    ) -> str:
        """An access token of this account and session, good from now on for `life_s`, or as the settings say.

        Staff who are asked for a second factor get what only they may do when it `is_proved`. About 0.3 ms of
        computing.
        """
        now_s = self._clock.now_us() // _US
        scopes = rules.scopes_of(account.role)
        if not is_proved and rules.needs_second_factor(account, required=self._settings.second_factor_required):
            scopes = rules.held_back(scopes)
        claims = _Claims(
            sub=account.id,
            role=account.role,
            scope=rules.scope_claim(scopes),
            memberships=memberships,
            sid=session_id,
            sv=account.security_version,
            iat=now_s,
            exp=now_s + (self._settings.access_token_s if life_s is None else life_s),
            jti=self._ids(),
            iss=self._settings.issuer,
            aud=self._settings.audience,
        )
        kid, key = self._ring.signing(self._clock.now())
        header = {"alg": ALGORITHM, "kid": kid, "typ": "JWT"}
        return jws.serialize_compact(header, msgspec.json.encode(claims), key, algorithms=[ALGORITHM])


class Verifier:
    """The `TokenVerifier` of the product, for access tokens and API keys alike.

    Verified tokens are remembered by digest, the least used forgotten first; keys stand in their book. Expiry and
    revocation are looked at anew each time. Call it on the event loop.
    """

    def __init__(
        self, *, ring: KeyRing, book: KeyBook, revocations: Revocations, clock: Clock, settings: AccountsSettings
    ) -> None:
        self._ring = ring
        self._book = book
        self._revocations = revocations
        self._clock = clock
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._verified_max = settings.verified_tokens_max

    @property
    def remembered(self) -> int:
        """How many verified tokens are in memory."""
        return len(self._verified)

    def verify(self, token: str) -> Principal:
        """The principal of a token. No I/O; about 3 us when it was seen before, 50 us when not.

        Raises: BadToken, TokenExpired, TokenRevoked; for a key BadApiKey.
        """
        if is_key(token):
            return self._book.principal(token)
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise BadToken
        digest = blake2b(token.encode(), digest_size=32).digest()
        seen = self._verified.get(digest)
        verified = seen or self._checked(token)
        principal = verified.principal
        if self._clock.now_us() >= principal.expires_us:
            self._verified.pop(digest, None)
            raise TokenExpired
        if not self._ring.holds(verified.kid) or self._revocations.is_revoked(
            account_id=principal.account_id, session_id=verified.session_id, version=verified.version
        ):
            raise TokenRevoked
        self._keep(digest, verified)
        return principal

    def _keep(self, digest: bytes, verified: _Verified) -> None:
        self._verified[digest] = verified
        self._verified.move_to_end(digest)
        if len(self._verified) > self._verified_max:
            self._verified.popitem(last=False)

    def _checked(self, token: str) -> _Verified:
        kid = self._kid(token)
        key = self._ring.verifying(kid)
        if key is None:
            raise BadToken
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
            claims = msgspec.json.decode(payload or b"", type=_Claims)
        except (JoseError, msgspec.MsgspecError, ValueError) as error:
            raise BadToken from error
        is_early = claims.nbf * _US > self._clock.now_us()
        if claims.iss != self._issuer or claims.aud != self._audience or is_early:
            raise BadToken
        principal = Principal(
            account_id=claims.sub,
            role=claims.role,
            scopes=_scopes(claims.scope),
            sid=claims.sid,
            expires_us=claims.exp * _US,
            memberships=claims.memberships,
        )
        return _Verified(principal, claims.sid, claims.sv, kid)

    def _kid(self, token: str) -> str:
        parts = token.split(".")
        if len(parts) != _PARTS:
            raise BadToken
        try:
            header = urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4))
            return msgspec.json.decode(header, type=_Header).kid
        except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
            raise BadToken from error


@lru_cache(maxsize=_SCOPES_KEPT_MAX)
def _scopes(claim: str) -> frozenset[str]:
    """The scopes of a claim of ours: few sets are shared by all principals, which would take a kilobyte each."""
    return frozenset(claim.split())
