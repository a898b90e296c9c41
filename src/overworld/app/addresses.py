"""Where a running server listens, kept in its data folder so that tools on the machine find it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

FILE_NAME = "server.json"


class Addresses(Struct, frozen=True, forbid_unknown_fields=True):
    """The addresses of one server process; present while it serves, removed when it stops cleanly."""

    pid: int
    http: str
    realtime: str
    operations: str

    def write(self, data: Path) -> None:
        """Puts the addresses into the data folder, whole or not at all. Raises: OSError."""
        draft = data / f"{FILE_NAME}.{self.pid}"
        draft.write_bytes(msgspec.json.encode(self))
        try:
            draft.replace(data / FILE_NAME)
        except OSError:
            draft.unlink()
            raise


def read(data: Path) -> Addresses:
    """The addresses of the server that uses this data folder.

    Raises: OSError when no server has written any; msgspec.ValidationError when the file is damaged.
    """
    return msgspec.json.decode((data / FILE_NAME).read_bytes(), type=Addresses)


def forget(data: Path) -> None:
    """Takes the addresses away, for a server that stops."""
    (data / FILE_NAME).unlink(missing_ok=True)
