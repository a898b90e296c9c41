"""One-time codes from a secret and the time, and recovery codes. Pure."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from urllib.parse import quote

from overworld.kernel.clock import to_us

SECRET_BYTES = 20
RECOVERY_BYTES = 10
RECOVERY_COUNT = 10

_STEP_US = 30_000_000
_DIGITS = 6
_STEPS_AROUND = 1
_GROUP = 4


def step_at(at: datetime) -> int:
    """The time step that an instant is in: 30 s each, from 1970. Source: RFC 6238, section 4.2."""
    return to_us(at) // _STEP_US


def code_at(secret: bytes, step: int) -> str:
    """The code of 6 digits that a secret has in a step. Source: RFC 4226, section 5.3, with SHA-1, which apps know."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 0xF
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def matching_step(secret: bytes, code: str, *, now: datetime, after: int) -> int | None:
    """The step whose code this is: the present one or a neighbour, for clocks differ; None when it is none of them.

    Steps up to `after` are over: their codes, and those before, were taken. Source: RFC 6238, section 5.2.
    """
    present = step_at(now)
    given = code.encode()
    found = None
    for step in range(present - _STEPS_AROUND, present + _STEPS_AROUND + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), given) and step > after:
            found = step
    return found


def is_recovery(code: str) -> bool:
    """Whether what somebody gave is meant as a recovery code rather than as one of an app."""
    return len(code) > _DIGITS


def recovery_code(random: bytes) -> str:
    """A recovery code from 10 random bytes: 16 characters in groups of 4."""
    text = base64.b32encode(random[:RECOVERY_BYTES]).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def plain(code: str) -> str:
    """A code as it is compared: without blanks and hyphens, in small letters."""
    return "".join(code.split()).replace("-", "").lower()


def secret_text(secret: bytes) -> str:
    """A secret as people type it into an app. Source: RFC 4648, section 6."""
    return base64.b32encode(secret).decode()


def key_uri(secret: bytes, *, issuer: str, username: str) -> str:
    """The address that an app reads from a picture of it.

    Source: Key Uri Format of Google Authenticator, which every app reads.
    """
    label = f"{quote(issuer, safe='')}:{quote(username, safe='')}"
    return (
        f"otpauth://totp/{label}?secret={secret_text(secret)}&issuer={quote(issuer, safe='')}"
        f"&algorithm=SHA1&digits={_DIGITS}&period={_STEP_US // 1_000_000}"
    )
