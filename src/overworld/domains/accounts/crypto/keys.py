"""The keys of access tokens, in memory: one signs, every published one verifies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from joserfc.jwk import OKPKey, RSAKey

from overworld.domains.accounts.messages import Jwks
from overworld.domains.accounts.types import KeyState, SigningKey
from overworld.kernel.refusals import Fault

ALGORITHM = "RS256"

_BITS = 2048
_ENCRYPTED = "BEGIN ENCRYPTED PRIVATE KEY"


class SigningKeyLocked(Fault):
    """The signing key in the database cannot be opened with `accounts.signing_key_secret`."""

    code = "accounts.signing_key_locked"
    retryable = False


class KeyRing:
    """The signing keys last read. `on_unknown` is called when a token names a key that is not here."""

    def __init__(self, *, secret: str, on_unknown: Callable[[], None]) -> None:
        self._secret = secret
        self._on_unknown = on_unknown
        self._signing: list[tuple[datetime, str, RSAKey]] = []
        self._public: dict[str, RSAKey] = {}
        self.jwks = Jwks(keys=())

    def replace(self, keys: Sequence[SigningKey], *, now: datetime) -> None:
        """Takes these keys in place of all others; those that have ended are left out.

        Raises: SigningKeyLocked; then the old ones stay.
        """
        usable = [key for key in keys if key.ends_at is None or now < key.ends_at]
        known = {kid: private for _, kid, private in self._signing}
        self._signing = sorted(
            (key.signs_from or key.made_at, key.kid, known.get(key.kid) or opened(key, secret=self._secret))
            for key in usable
            if key.private_pem is not None
        )
        self._public = {key.kid: RSAKey.import_key(key.public_jwk) for key in usable}
        self.jwks = Jwks(keys=tuple(key.public_jwk for key in usable))

    def signing(self, now: datetime) -> tuple[str, RSAKey]:
        """The kid and the private key that new tokens are signed with: the last one whose time has come.

        Raises: Fault before the first load.
        """
        if not self._signing:
            raise Fault("no signing key is loaded")
        begun = [(kid, key) for signs_from, kid, key in self._signing if signs_from <= now]
        return begun[-1] if begun else self._signing[0][1:]

    def verifying(self, kid: str) -> RSAKey | None:
        """The public key of this kid; None, and a wish to read the keys again, when it is not here."""
        key = self._public.get(kid)
        if key is None:
            self._on_unknown()
        return key

    def holds(self, kid: str) -> bool:
        """Whether tokens of this key are still good."""
        return kid in self._public


def new_signing_key(*, secret: str, now: datetime) -> SigningKey:
    """A new active RSA key, named by its RFC 7638 thumbprint; takes up to 0.3 s of one core.

    With a secret the private part is encrypted (PKCS 8, PBES2).
    """
    key = RSAKey.generate_key(_BITS)
    kid = key.thumbprint()
    return SigningKey(
        kid=kid,
        state=KeyState.ACTIVE,
        public_jwk={**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM},
        private_pem=key.as_pem(private=True, password=secret or None).decode(),
        made_at=now,
    )


def opened(key: SigningKey, *, secret: str) -> RSAKey:
    """The private key of a kept one. Raises: SigningKeyLocked when the secret does not open it."""
    pem = key.private_pem or ""
    try:
        return RSAKey.import_key(pem, password=secret if _ENCRYPTED in pem else None)
    except (TypeError, ValueError) as error:
        raise SigningKeyLocked(kid=key.kid) from error


def new_ed25519_public_key() -> bytes:
    """The public half, 32 bytes, of a new key pair; the private half is forgotten at once (ADR 31)."""
    return OKPKey.generate_key("Ed25519").public_key.public_bytes_raw()
