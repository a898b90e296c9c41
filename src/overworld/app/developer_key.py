"""The developer key: a secret in the data folder that lets tools on this machine do what players may not."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal

FILE_NAME = "developer.key"
_PREFIX = "owdev_"
_LENGTH_MIN = 32
_SCOPES = frozenset(
    {
        Scope.ANALYTICS_READ,
        Scope.AUDIT_READ,
        Scope.EVENTS_READ,
        Scope.EVENTS_REPLAY,
        Scope.FENCES_READ,
        Scope.FENCES_WRITE,
        Scope.FLAGS_EVALUATE,
        Scope.FLAGS_READ,
        Scope.FLAGS_WRITE,
        Scope.GAME_PLACE,
        Scope.GAME_RELOAD,
        Scope.KEYS_MANAGE,
        Scope.TRUST_DECIDE,
        Scope.TRUST_READ,
        Scope.LOCATION_AUDIT,
        Scope.USERS_MANAGE,
        Scope.USERS_READ,
        Scope.USERS_SUSPEND,
        Scope.WEBHOOK_MANAGE,
        Scope.WORLD_READ,
        Scope.WORLD_REPLAY,
    }
)


class BadDeveloperKey(Refusal):
    """The file of the developer key holds no key.

    An empty one would be guessed by whoever sends an empty header.
    """

    code = "platform.developer_key"
    status = 503


class DeveloperKey:
    """Adds scopes to whoever presents the key: those of staff, and `world.replay`."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __repr__(self) -> str:
        return "DeveloperKey(***)"

    @classmethod
    def ensure(cls, data: Path) -> DeveloperKey:
        """The key of this data folder; made on first use, readable by its owner only (mode 0600).

        Raises: OSError when the folder cannot be written or the file cannot be read; BadDeveloperKey.
        """
        if not (data / FILE_NAME).exists():
            _make(data)
        return cls(read(data))

    def scopes(self, key: str) -> frozenset[str]:
        """The scopes a presented key adds; none when it is not the key. Compared in constant time."""
        return _SCOPES if hmac.compare_digest(key.encode(), self._key) else frozenset()


class NoKeys:
    """Honours no key: what a production server uses."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


def read(data: Path) -> str:
    """The developer key of a data folder. Raises: OSError when there is none or it may not be read; BadDeveloperKey."""
    path = data / FILE_NAME
    key = path.read_bytes().decode("ascii", "replace").strip()
    if not (key.startswith(_PREFIX) and len(key) >= _LENGTH_MIN and key.isascii()):
        raise BadDeveloperKey(f"{path} holds no developer key; remove it, and the next start makes a new one")
    return key


def _make(data: Path) -> None:
    """Writes a key beside its place and moves it there, so that a full disk or a crash leaves no half of one."""
    draft = data / f"{FILE_NAME}.{os.getpid()}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(_PREFIX + secrets.token_urlsafe(32) + "\n")
    draft.replace(data / FILE_NAME)
