"""Servers that a killed Overworld left behind: found by the folder they work in, and stopped."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

import psutil

_KILLED_S = 5.0
_LOOK_S = 0.02

_log = logging.getLogger(__name__)


def stop_orphans(folder: Path, *, grace_s: float = 20.0) -> None:
    """Ends every PostgreSQL process of a database folder and forgets its process file; cheap when there is none.

    The postmaster gets `grace_s` for a fast shutdown, then all are killed: what was committed is in the write-ahead
    log. Call it only while holding the folder's lock. The process id in the file is not trusted: after a reboot it
    may be anybody's, so a process counts only when its working directory is the folder.
    """
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists():
        return
    left = _processes_in(folder)
    if left:
        _log.warning("stopping %d PostgreSQL processes that an earlier run left in %s", len(left), folder)
    postmaster = next((p for p in left if str(p.pid) == pid_file.read_text().partition("\n")[0].strip()), None)
    if postmaster is not None and grace_s > 0:
        _send(postmaster, signal.SIGINT)
        left = _left_after(folder, grace_s)
    for process in left:
        _send(process, signal.SIGKILL)
    _left_after(folder, _KILLED_S)
    pid_file.unlink(missing_ok=True)


def _left_after(folder: Path, timeout_s: float) -> list[psutil.Process]:
    """Who still works there when all are gone or the time is up. A zombie nobody reaps counts as gone."""
    deadline_s = time.monotonic() + timeout_s
    while (left := _processes_in(folder)) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)
    return left


def _processes_in(folder: Path) -> list[psutil.Process]:
    place = str(folder.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == place:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        _log.debug("process %d ended by itself", process.pid)
