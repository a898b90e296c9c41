"""Secrets never reach a log: they are hidden by the name of their field and by how they look."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

HIDDEN = "***"
DEPTH_MAX = 8

_NAMES = re.compile(
    r"pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|credential|private_?key|api_?key|developer_?key"
    r"|overworld-key|\bdsn\b|mnemonic",
    re.IGNORECASE,
)
_LOOKS = re.compile(
    r"(?P<kept>\bbearer\s+)[\w.~+/=-]{4,}"
    r"|\beyJ[\w-]{4,1024}\.[\w-]+(\.[\w-]*)?"
    r"|\bow(dev|key|ingest|rt)_[\w-]{8,}"
    r"|(?P<before>://[^\s:/@\"']*:)[^\s/@\"']+(?=@)"
    r"|(?P<name>\b(password|passwd|secret|token|access_token|refresh_token|api_key)\"?'?\s*[=:]\s*\"?'?)[^\s\"',&}\\]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN = frozenset({int, float, bool, type(None)})

# Every match of _LOOKS holds one of these; looking for them first is several times quicker.
_SIGNS = (
    "bearer",
    "eyj",
    "owdev_",
    "owkey_",
    "owingest_",
    "owrt_",
    "://",
    "passw",
    "secret",
    "token",
    "api_key",
    "private key",
)


def redacted(text: str) -> str:
    """The text with everything hidden in it that looks like a secret: tokens, keys, passwords in URLs."""
    lowered = text.lower()
    for sign in _SIGNS:
        if sign in lowered:
            break
    else:
        return text
    return _LOOKS.sub(lambda found: (found["kept"] or found["before"] or found["name"] or "") + HIDDEN, text)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides the values of secret names and secret-looking text, at any depth up to 8."""
    for name, value in event.items():
        event[name] = HIDDEN if _is_secret(name) and value is not None else _cleaned(value, depth=0)
    return event


def _cleaned(value: Any, *, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return redacted(value)
    if kind in _PLAIN:
        return value
    if depth >= DEPTH_MAX:
        return HIDDEN
    if isinstance(value, Mapping):
        return {
            str(name): HIDDEN if _is_secret(str(name)) and inner is not None else _cleaned(inner, depth=depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cleaned(inner, depth=depth + 1) for inner in value]
    return redacted(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))


@lru_cache(maxsize=1_024)
def _is_secret(name: str) -> bool:
    return _NAMES.search(name) is not None
