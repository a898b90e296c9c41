"""A run on file: every fix in its order and time, so that it can be sent again byte for byte.

The file is a compressed `.npz` of numpy, without pickles, and holds these arrays:

| array | |
|---|---|
| `version` | 1 |
| `start_us` | when the run began, microseconds since 1970 UTC |
| `end_us` | when it ended |
| `kind_names` | the kinds of bots, text |
| `kind_is_cheat` | whether each of them is one, bool |
| `kind` | the kind of each bot, a number of `kind_names`, uint8 |
| `sent` | `bot` uint32, `due_us` int64, `fix`: the 24 bytes of a record of a packed frame of kind 1 (protocol.md) |
| `wished` | `bot` int64, `due_us` int64: when a bot wanted to collect something |

`sent` and `wished` are in order of `due_us`. A reader refuses a version that it does not know.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.app.bots.emitting import WISH
from overworld.geo.columns import I64
from overworld.kernel.packed import POSITION

VERSION = 1
SENT = np.dtype([("bot", "<u4"), ("due_us", "<i8"), ("fix", POSITION)])
_NAMES = ("version", "start_us", "end_us", "kind_names", "kind_is_cheat", "kind", "sent", "wished")


class BadRecording(Exception):
    """A file is no recording that could be read; the message says why."""


class Recording(Struct, frozen=True, kw_only=True, eq=False):
    """A run: who took part, and what was sent and wished when."""

    start_us: int
    end_us: int
    kind_names: Sequence[str]
    kind_is_cheat: NDArray[np.bool_]
    kind: I64
    sent: Any
    wished: Any

    @property
    def is_cheat(self) -> NDArray[np.bool_]:
        """Whether each bot is a cheat, (n,)."""
        found: NDArray[np.bool_] = self.kind_is_cheat[self.kind]
        return found

    def write(self, file: Path) -> None:
        """Puts it into a file, whole or not at all. Raises: OSError."""
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            with draft.open("wb") as out:
                np.savez_compressed(
                    out,
                    version=np.int64(VERSION),
                    start_us=np.int64(self.start_us),
                    end_us=np.int64(self.end_us),
                    kind_names=np.array(self.kind_names),
                    kind_is_cheat=self.kind_is_cheat,
                    kind=self.kind.astype(np.uint8),
                    sent=self.sent,
                    wished=self.wished,
                )
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


def read(file: Path) -> Recording:
    """The recording in a file. Raises: BadRecording."""
    try:
        with np.load(file, allow_pickle=False) as held:
            found = {name: held[name] for name in _NAMES if name in held}
    except OSError as error:
        raise BadRecording(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadRecording(f"{file} is no recording of bots: {error}") from error
    version = int(found["version"]) if "version" in found and found["version"].ndim == 0 else None
    if version != VERSION:
        raise BadRecording(f"{file} is a recording of version {version}, and {VERSION} is the one that can be read")
    if fault := _fault(found):
        raise BadRecording(f"{file} is damaged: {fault}")
    return Recording(
        start_us=int(found["start_us"]),
        end_us=int(found["end_us"]),
        kind_names=tuple(map(str, found["kind_names"])),
        kind_is_cheat=found["kind_is_cheat"].astype(bool),
        kind=found["kind"].astype(np.int64),
        sent=found["sent"],
        wished=found["wished"],
    )


def _fault(found: dict[str, Any]) -> str | None:
    """What is wrong with the arrays of a file, if anything."""
    if missing := [name for name in _NAMES if name not in found]:
        return f"it lacks {', '.join(missing)}"
    if (found["sent"].dtype, found["wished"].dtype) != (SENT, WISH):
        return "its columns are others"
    kinds, bots = len(found["kind_names"]), len(found["kind"])
    if len(found["kind_is_cheat"]) != kinds or (bots and int(found["kind"].max()) >= kinds):
        return "a bot is of no kind"
    for name in ("sent", "wished"):
        rows = found[name]
        if len(rows) and (int(rows["bot"].max()) >= bots or (np.diff(rows["due_us"]) < 0).any()):
            return f"{name} names bots that there are not, or is out of order"
    return None
