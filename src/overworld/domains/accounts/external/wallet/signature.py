"""Whose signature a wallet's is.

The account of a signature is worked out here, with the curve's own arithmetic on public values; then OpenSSL verifies
the signature under the key that came out. A mistake here could refuse somebody, and never let anybody in.
Source: SEC 1 version 2.0, section 4.1.6; EIP-191, version 0x45; EIP-2; EIP-55.
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

_P = 2**256 - 2**32 - 977
_N = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_G = (
    0x79BE667E_F9DCBBAC_55A06295_CE870B07_029BFCDB_2DCE28D9_59F2815B_16F81798,
    0x483ADA77_26A3C465_5DA4FBFC_0E1108A8_FD17B448_A6855419_9C47D08F_FB10D4B8,
)
_PARITIES = {0: 0, 1: 1, 27: 0, 28: 1}
_SIGNATURE_BYTES = 65
_ADDRESS_BYTES = 20
_HEX_OF_LOWER_CASE_MAX = 7

_Point: TypeAlias = tuple[int, int]
_Jacobian: TypeAlias = tuple[int, int, int]


def signer(message: str, signature: bytes) -> str | None:
    """The address, with its checksum, whose key signed a message as wallets do; None for what is no such signature.

    About 4 ms of computing.
    """
    text = message.encode()
    digest = keccak256(b"\x19Ethereum Signed Message:\n%d%b" % (len(text), text))
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in _PARITIES:
        return None
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if not (0 < r < _N and 0 < s <= _N // 2):
        return None
    point = _key_of(digest, r, s, _PARITIES[signature[64]])
    if point is None or not _is_signed(point, digest, r, s):
        return None
    x, y = point
    return with_checksum(keccak256(x.to_bytes(32, "big") + y.to_bytes(32, "big"))[-_ADDRESS_BYTES:])


def with_checksum(address: bytes) -> str:
    """An address of 20 bytes as text, whose capitals are its checksum. Source: EIP-55."""
    plain = address.hex()
    digest = keccak256(plain.encode()).hex()
    letters = (
        letter.upper() if int(digit, 16) > _HEX_OF_LOWER_CASE_MAX else letter
        for letter, digit in zip(plain, digest, strict=False)
    )
    return "0x" + "".join(letters)


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash, 32 bytes: Keccak as it was before SHA-3 changed its padding."""
    from Crypto.Hash import keccak  # noqa: PLC0415  # brings a parser of C along, and few servers see a wallet

    return keccak.new(digest_bits=256, data=data).digest()


def _is_signed(point: _Point, digest: bytes, r: int, s: int) -> bool:
    """Whether OpenSSL agrees that this key made this signature."""
    try:
        key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256K1()).public_key()
        key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(SHA256())))
    except (ValueError, InvalidSignature):
        return False
    return True


def _key_of(digest: bytes, r: int, s: int, parity: int) -> _Point | None:
    """The key of a signature: (s R - e G) / r, where R is the point at r with this parity of y."""
    square = (pow(r, 3, _P) + 7) % _P
    y = pow(square, (_P + 1) // 4, _P)
    if y * y % _P != square:
        return None
    across = pow(r, -1, _N)
    of_r = _times(s * across % _N, (r, y if y % 2 == parity else _P - y))
    of_g = _times(-int.from_bytes(digest, "big") * across % _N, _G)
    return _affine(_sum(of_r, of_g))


def _times(factor: int, point: _Point) -> _Jacobian:
    total, summand = (0, 1, 0), (*point, 1)
    while factor:
        if factor & 1:
            total = _sum(total, summand)
        summand = _double(summand)
        factor >>= 1
    return total


def _double(point: _Jacobian) -> _Jacobian:
    """Twice a point of y^2 = x^3 + 7. Source: Explicit-Formulas Database, dbl-2009-l."""
    x, y, z = point
    a, b = x * x % _P, y * y % _P
    c = b * b % _P
    d = 2 * ((x + b) ** 2 - a - c) % _P
    e = 3 * a % _P
    x_out = (e * e - 2 * d) % _P
    return x_out, (e * (d - x_out) - 8 * c) % _P, 2 * y * z % _P


def _sum(one: _Jacobian, other: _Jacobian) -> _Jacobian:
    """The sum of two points; z = 0 is the point at infinity. Source: Explicit-Formulas Database, add-1998-cmo-2."""
    if not one[2] or not other[2]:
        return one if one[2] else other
    (x1, y1, z1), (x2, y2, z2) = one, other
    z1z1, z2z2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * z2z2 % _P, x2 * z1z1 % _P
    s1, s2 = y1 * z2 * z2z2 % _P, y2 * z1 * z1z1 % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if not h:
        return _double(one) if not r else (0, 1, 0)
    hh = h * h % _P
    hhh, v = h * hh % _P, u1 * hh % _P
    x = (r * r - hhh - 2 * v) % _P
    return x, (r * (v - x) - s1 * hhh) % _P, z1 * z2 * h % _P


def _affine(point: _Jacobian) -> _Point | None:
    x, y, z = point
    if not z:
        return None
    inverse = pow(z, -1, _P)
    return x * inverse**2 % _P, y * inverse**3 % _P
