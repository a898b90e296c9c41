"""What it takes to sign in from elsewhere, and to add a way into an account and take it out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import randbits
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from overworld.domains.accounts.external.wallet.signature import keccak256, signer, with_checksum

BACK = "https://play.example/back"
ENVIRONMENT = {
    "OVERWORLD_SIGN_IN__PROVIDERS": json.dumps({"steam": {}}),
    "OVERWORLD_SIGN_IN__REDIRECT_URIS": BACK,
    "OVERWORLD_SIGN_IN__WALLET_DOMAINS": "play.example",
}
"""A server that sends people to Steam and takes wallets."""
TRUTHS = {"provider": "steam", "way": "steam"}
_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

Post = Callable[[str, dict[str, Any]], dict[str, Any]]


def body(path: str, post: Post) -> dict[str, Any]:
    """What a POST to a path may truthfully hold; nothing for paths of others."""
    match path:
        case "/v1/auth/social/{provider}/begin" | "/v1/auth/link/{way}/begin":
            return {"redirect_uri": BACK}
        case "/v1/auth/social/{provider}":
            return {"flow": "x" * 43, "openid": {"openid.mode": "cancel"}}
        case "/v1/auth/wallet":
            return _signed(post("/v1/auth/wallet/begin", {})["nonce"])
        case "/v1/auth/link/{way}":
            return {"device_id": uuid4().hex}
    return {}


def truths(method: str, path: str, post: Post) -> dict[str, str]:
    """The way in that a path is asked about; there is a second one before one is let go of."""
    if path != "/v1/auth/link/{way}":
        return TRUTHS
    if method == "DELETE":
        post("/v1/auth/link/wallet", _signed(post("/v1/auth/link/wallet/begin", {})["nonce"]))
    return {"way": "device"}


def _signed(nonce: str) -> dict[str, str]:
    """What a new wallet signs on our page."""
    key = ec.derive_private_key(randbits(255) + 1, ec.SECP256K1())
    point = key.public_key().public_numbers()
    address = with_checksum(keccak256(point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big"))[-20:])
    text = (
        f"play.example wants you to sign in with your Ethereum account:\n{address}\n\n\nURI: https://play.example/\n"
        f"Version: 1\nChain ID: 1\nNonce: {nonce}\nIssued At: {datetime.now(UTC).isoformat(timespec='seconds')}"
    )
    digest = keccak256(f"\x19Ethereum Signed Message:\n{len(text)}{text}".encode())
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
    half = r.to_bytes(32, "big") + min(s, _ORDER - s).to_bytes(32, "big")
    [whole] = [each for v in (27, 28) if signer(text, each := half + bytes([v])) == address]
    return {"message": text, "signature": f"0x{whole.hex()}"}
