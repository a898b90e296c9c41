"""Chance that can be replayed: keyed streams for what pays, so that an auditor with the key gets the same draw."""

from __future__ import annotations

import hmac
from hashlib import sha256


def keyed_digest(key: bytes, *parts: bytes) -> bytes:
    """32 bytes that only a holder of the key can foresee. Parts are length-prefixed, so no two lists collide.

    Source: HMAC-SHA-256, RFC 2104 and FIPS 180-4.
    """
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, message, sha256)


class KeyedStream:
    """An endless stream of draws from a key and a label; equal inputs give equal draws on every machine."""

    def __init__(self, key: bytes, *parts: bytes) -> None:
        self._seed = keyed_digest(key, *parts)
        self._buffer = b""
        self._block = 0

    def take(self, n: int) -> bytes:
        """The next n bytes."""
        while len(self._buffer) < n:
            self._buffer += hmac.digest(self._seed, self._block.to_bytes(8, "big"), sha256)
            self._block += 1
        taken, self._buffer = self._buffer[:n], self._buffer[n:]
        return taken

    def uniform(self) -> float:
        """A number in [0, 1) with 53 random bits."""
        return (int.from_bytes(self.take(8), "big") >> 11) * 2.0**-53

    def below(self, bound: int) -> int:
        """A whole number in [0, bound), without bias: draws in the short last interval are thrown away.

        Raises: ValueError unless 1 <= bound <= 2**32.
        """
        if not 1 <= bound <= 2**32:
            raise ValueError(f"bound out of range: {bound}")
        limit = 2**64 - 2**64 % bound
        while True:
            draw = int.from_bytes(self.take(8), "big")
            if draw < limit:
                return draw % bound
