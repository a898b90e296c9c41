"""CSRF tokens: what shows that a page could read the cookies of a session, made and checked without I/O."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from overworld.domains.accounts.crypto import store
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Fault

_PURPOSE = b"overworld accounts csrf"
_KEY_BYTES = 32
_SESSION_BYTES = 16
_TOKEN_LENGTH = 64


class CsrfKey:
    """The `CsrfTokens` of the product: a session's id and its HMAC-SHA256, in 64 characters of base64.

    The key is derived from what the database keeps and the operator's secret, so neither alone makes tokens.
    """

    def __init__(self, *, secret: str, random: Callable[[int], bytes]) -> None:
        self._secret = secret.encode()
        self._random = random
        self._key = b""

    async def load(self, tx: Tx) -> None:
        """Reads the key; the first server makes it. Two round trips at most."""
        kept = await store.csrf_secret(tx)
        if kept is None:
            kept = await store.add_csrf_secret(tx, self._random(_KEY_BYTES))
        kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
        self._key = kdf.derive(kept + self._secret)

    def token(self, session_id: UUID) -> str:
        """The token of a session: the same for as long as it lives. Raises: Fault before the first load."""
        return urlsafe_b64encode(session_id.bytes + self._mac(session_id.bytes)).decode()

    def session(self, token: str) -> UUID | None:
        """The session that a token was made for; None when it is not one of ours. Raises: as `token`."""
        if len(token) != _TOKEN_LENGTH:
            return None
        try:
            content = urlsafe_b64decode(token)
        except (binascii.Error, ValueError):
            return None
        session, mac = content[:_SESSION_BYTES], content[_SESSION_BYTES:]
        return UUID(bytes=session) if hmac.compare_digest(mac, self._mac(session)) else None

    def _mac(self, session: bytes) -> bytes:
        if not self._key:
            raise Fault("no CSRF key is loaded")
        return hmac.digest(self._key, session, sha256)
