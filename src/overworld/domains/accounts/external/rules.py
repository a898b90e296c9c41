"""Pure decisions: what follows from a flow's secret, what an answer is, and which ways in are left."""

from __future__ import annotations

import base64
from hashlib import sha256

from overworld.domains.accounts.errors import LastWay
from overworld.domains.accounts.external.errors import BadAnswer, NotLinked
from overworld.domains.accounts.external.types import Answer, Asked, Held

_NONCE_BYTES = 16


def base64url(data: bytes) -> str:
    """Base64url without padding. Source: RFC 7515, appendix C."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def asked(secret: str, redirect_uri: str) -> Asked:
    """What a provider is asked with. Whoever sees one of the three learns neither of the others nor the secret."""
    return Asked(
        state=base64url(_derived("state", secret)),
        nonce=base64url(_derived("nonce", secret)),
        verifier=base64url(_derived("verifier", secret)),
        redirect_uri=redirect_uri,
    )


def wallet_nonce(random: bytes) -> str:
    """A nonce of letters and digits, as EIP-4361 has it, from 16 random bytes."""
    return random[:_NONCE_BYTES].hex()


def pkce_challenge(verifier: str) -> str:
    """The challenge of a verifier by the method S256. Source: RFC 7636, section 4.2."""
    return base64url(sha256(verifier.encode()).digest())


def check_whole(answer: Answer) -> None:
    """Raises: BadAnswer unless exactly one proof is there, a code with its state."""
    given = [each for each in (answer.code, answer.id_token, answer.openid) if each is not None]
    if len(given) != 1 or (answer.code is not None and answer.state is None):
        raise BadAnswer


def check_unlinked(before: Held, after: Held, way: str, *, elsewhere: int) -> None:
    """Passes when an account had a way in and has another one left; `elsewhere` counts those of other rooms.

    Raises: NotLinked, LastWay.
    """
    if way not in ways_of(before):
        raise NotLinked(way=way)
    if not ways_of(after) and not elsewhere:
        raise LastWay(way=way)


def ways_of(held: Held) -> list[str]:
    """The names of an account's ways in; all of its devices are one."""
    return [*own_ways_of(held), *(each.provider for each in held.linked)]


def own_ways_of(held: Held) -> list[str]:
    """Those of them that nobody else vouches for."""
    return ["password"] * held.has_password + ["device"] * (held.devices > 0)


def _derived(label: str, secret: str) -> bytes:
    return sha256(f"overworld {label}\0{secret}".encode()).digest()
