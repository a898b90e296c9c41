"""How secrets of second factors are kept: sealed under the operator's secret, each for its own account."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from overworld.domains.accounts.second_factor.errors import SecondFactorLocked

_PURPOSE = b"overworld accounts second factor"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_PLAIN, _SEALED = b"\x00", b"\x01"


class Seal:
    """Seals with AES-256-GCM under a key derived from the operator's secret; without one nothing is sealed."""

    def __init__(self, secret: str, *, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._cipher = AESGCM(_key(secret)) if secret else None

    def sealed(self, content: bytes, account_id: UUID) -> bytes:
        """The content as it is kept."""
        if self._cipher is None:
            return _PLAIN + content
        nonce = self._random(_NONCE_BYTES)
        return _SEALED + nonce + self._cipher.encrypt(nonce, content, account_id.bytes)

    def opened(self, kept: bytes, account_id: UUID) -> bytes:
        """The content of what was kept for this account.

        Raises: SecondFactorLocked when the operator's secret is another one, or it was kept for another account.
        """
        form, rest = kept[:1], kept[1:]
        if form == _PLAIN:
            return rest
        if self._cipher is None or form != _SEALED:
            raise SecondFactorLocked
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], account_id.bytes)
        except InvalidTag as error:
            raise SecondFactorLocked from error


def _key(secret: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
