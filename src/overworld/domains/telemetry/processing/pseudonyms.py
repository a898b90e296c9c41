"""Players under other names: the same player has the same one everywhere, and without the secret it leads to nobody."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

ID_BYTES = 16
_UUID_LENGTH = 36
_KEPT_MAX = 200_000


class Pseudonyms:
    """Makes pseudonyms with the secret of one installation, and keeps those of players who are about."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: dict[str, bytes] = {}

    def of(self, player: str) -> bytes:
        """The pseudonym of what a client calls a player. An account's id gives the same one as `of_id`."""
        found = self._known.get(player)
        if found is None:
            if len(self._known) >= _KEPT_MAX:
                self._known.clear()
            found = self._known[player] = self._made(player)
        return found

    def of_id(self, player: UUID) -> bytes:
        """The pseudonym of a player. Source: keyed BLAKE2b with 128 bits, RFC 7693."""
        return self._hashed(player.bytes)

    def halves(self, players: Iterable[bytes]) -> bytes:
        """The first 8 bytes of the pseudonyms of many players, one after another, in about a microsecond each."""
        return b"".join(self._hashed(player)[: ID_BYTES // 2] for player in players)

    def session(self, player: bytes, begun_us: int) -> str:
        """The name of a session that the client did not name."""
        return blake2b(player + begun_us.to_bytes(8, "big", signed=True), digest_size=8, key=self._secret).hexdigest()

    def _made(self, player: str) -> bytes:
        return self._hashed(uuid_bytes(player) or player.encode("utf-8", "surrogatepass"))

    def _hashed(self, name: bytes) -> bytes:
        return blake2b(name, digest_size=ID_BYTES, key=self._secret).digest()


def uuid_bytes(text: str) -> bytes | None:
    """The 16 bytes of a UUID written in its usual form; None for any other text."""
    if len(text) == _UUID_LENGTH and len(digits := text.replace("-", "")) == 2 * ID_BYTES:
        try:
            return bytes.fromhex(digits)
        except ValueError:
            return None
    return None
