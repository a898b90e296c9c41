"""One Overworld per data folder: a lock file held for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from overworld.platform.postgres.errors import DataFolderInUse


class FolderLock:
    """An advisory lock on `<data>/overworld.lock` with the holder's process id in it.

    The kernel drops it when the process ends, however it ends, so a stale file never locks anybody out.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._fd: int | None = None

    def take(self) -> None:
        """Takes the lock at once. Raises: DataFolderInUse; OSError when the file cannot be made."""
        fd = os.open(self._data / "overworld.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise DataFolderInUse(
                f"the data folder {self._data} is in use by process {holder}; "
                "stop that server, or give this one a folder of its own with --data"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Gives the lock back; the file stays, because removing it would race with the next holder."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
