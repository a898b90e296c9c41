"""Pure decisions: which settings can be kept, what a search looks between, what a picture is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.accounts import rules
from overworld.domains.accounts.profiles.errors import BadProfileSettings
from overworld.domains.accounts.profiles.types import (
    SEARCH_LENGTH_MAX,
    SEARCH_LENGTH_MIN,
    SETTINGS_BYTES_MAX,
    SETTINGS_DEPTH_MAX,
    SETTINGS_NAME_LENGTH_MAX,
    SETTINGS_VALUES_MAX,
)

_INTEGER_MAX = 2**53 - 1
_FRACTION_MIN = 1e-12
_NAME_BYTES = 16
_FILE = re.compile(r"(?P<name>[0-9a-f]{32})-(?P<side>[0-9]{1,4})\.webp", re.ASCII)
_LAST = chr(0x10FFFF)


def checked_settings(settings: Mapping[str, Any]) -> None:
    """Passes settings that a database row and a reply have room for, and that come back as they were sent.

    Numbers are those that every JSON reader takes alike, and none of few bytes that is kept in many, as 1e308 is.
    Source: RFC 7493 (I-JSON), section 2.2. Raises: BadProfileSettings.
    """
    level: list[Any] = [settings]
    values_count = depth = 0
    while level:
        values_count += len(level)
        if depth > SETTINGS_DEPTH_MAX or values_count > SETTINGS_VALUES_MAX + 1:
            raise _refused("too deep" if depth > SETTINGS_DEPTH_MAX else "too many values")
        if not all(map(_is_kept, level)):
            raise _refused("a name that is too long, or a number out of range")
        level = [inner for outer in level for inner in _inside(outer)]
        depth += 1
    if len(msgspec.json.encode(settings)) > SETTINGS_BYTES_MAX:
        raise _refused("too large")


def _refused(reason: str) -> BadProfileSettings:
    return BadProfileSettings(
        reason=reason, bytes_max=SETTINGS_BYTES_MAX, depth_max=SETTINGS_DEPTH_MAX, values_max=SETTINGS_VALUES_MAX
    )


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _is_kept(value: Any) -> bool:
    if isinstance(value, dict):
        return all(len(name) <= SETTINGS_NAME_LENGTH_MAX for name in value)
    if isinstance(value, float):
        return value == 0 or _FRACTION_MIN <= abs(value) <= _INTEGER_MAX
    return not isinstance(value, int) or abs(value) <= _INTEGER_MAX


def searched(text: str) -> tuple[str, str] | None:
    """The folded names that begin with a text lie from the first to before the second, in the order of code points.

    None for what no name begins with, or too many do. The second ends in the last code point, which no name has.
    """
    prefix = rules.folded(text)
    if not SEARCH_LENGTH_MIN <= len(prefix) <= SEARCH_LENGTH_MAX:
        return None
    return prefix, prefix + _LAST


def avatar_name(account_id: UUID, squares: Mapping[int, bytes]) -> bytes:
    """What a picture is called, 16 bytes: the same content of the same account is called the same, and no other.

    The account goes in so that no two share a picture, which one of them could then delete.
    Source: SHA-256, FIPS 180-4.
    """
    digest = sha256(account_id.bytes)
    for side, content in sorted(squares.items()):
        digest.update(side.to_bytes(4, "big") + len(content).to_bytes(4, "big") + content)
    return digest.digest()[:_NAME_BYTES]


def avatar_file(name: bytes, side: int) -> str:
    """The file of a picture at a side."""
    return f"{name.hex()}-{side}.webp"


def avatar_of(file: str) -> tuple[bytes, int] | None:
    """Which picture and side a file is of; None for what is no such file."""
    matched = _FILE.fullmatch(file)
    return (bytes.fromhex(matched["name"]), int(matched["side"])) if matched else None
