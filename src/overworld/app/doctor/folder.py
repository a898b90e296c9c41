"""The checks of the data folder: the folder itself, the server that runs on it, the developer key."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
from msgspec import DecodeError

from overworld.app import addresses, developer_key
from overworld.app.addresses import Addresses
from overworld.app.developer_key import BadDeveloperKey
from overworld.app.doctor.findings import Finding, ok, problem, warning
from overworld.app.settings import Settings

_FREE_MIN_MIB = 200
_FREE_GOOD_MIB = 1_024
_CLOCK_STEP_S = 2.0  # process times are only as exact as the boot time


def folder(data: Path) -> Finding:
    """Whether the folder is there or can be made, and we may write in it."""
    name, place = "data folder", data.absolute()
    above = nearest(place)
    if not above.is_dir():
        return problem(name, f"{above} is a file", "name a folder with --data")
    if not os.access(above, os.W_OK | os.X_OK):
        owner, user = _owner(above), _user(os.geteuid())
        others = f"start the server as {owner}, " if owner != user else ""
        advice = f"{others}let {user} write there, or name another folder with --data"
        return problem(name, f"{above} belongs to {owner} and is not writable for {user}", advice)
    if above != place:
        return ok(name, f"{place} is not there yet and can be made")
    if os.geteuid() not in {0, place.stat().st_uid}:
        owner = _owner(place)
        return warning(name, f"{place} belongs to {owner}", f"start the server as {owner}, who owns what lies there")
    return ok(name, f"{place} is writable")


def nearest(place: Path) -> Path:
    """The place itself, or the closest one above it that is there and can be looked at."""
    return next(one for one in (place, *place.parents) if os.path.exists(one))  # noqa: PTH110 - Path's own raises


def disk(data: Path) -> Finding:
    """Whether there is room."""
    place = data.absolute()
    above = nearest(place)
    free_mib = shutil.disk_usage(above).free >> 20
    found, advice = f"{free_mib} MiB free in {above}", "make room, or name a folder on another disk with --data"
    if free_mib < _FREE_MIN_MIB:
        return problem("disk", found, advice)
    return ok("disk", found) if free_mib >= _FREE_GOOD_MIB else warning("disk", found, advice)


def running(data: Path) -> tuple[Finding, Addresses | None]:
    """Whether a server says it runs here and does; its addresses when it does."""
    file = data / addresses.FILE_NAME
    try:
        found = addresses.read(data)
    except (FileNotFoundError, NotADirectoryError):
        return ok("server", "none is running on this data folder"), None
    except OSError as error:
        return problem("server", f"{file} cannot be read: {error.strerror}", "remove it, or make it readable"), None
    except DecodeError as damaged:
        return warning("server", f"{file} is damaged: {damaged}", "remove it when no server is running"), None
    if _serves(found.pid, file):
        return ok("server", f"process {found.pid} serves at {found.http}"), found
    advice = "nothing to do: the next start writes it anew"
    return warning("server", f"{file} is left over from process {found.pid}, which was killed", advice), None


def _serves(pid: int, file: Path) -> bool:
    """Whether the process that wrote the file still is the one with this number."""
    try:
        return bool(psutil.Process(pid).create_time() <= file.stat().st_mtime + _CLOCK_STEP_S)
    except (psutil.Error, OSError):
        return False


def key(settings: Settings) -> Iterator[Finding]:
    """Whether the developer key is one, and nobody else can read it."""
    file = settings.data / developer_key.FILE_NAME
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        developer_key.read(settings.data)
    except (FileNotFoundError, NotADirectoryError):
        yield ok("developer key", "none yet; the first start makes one")
        return
    except OSError as error:
        advice = "start as the user who owns it, or remove it: the next start makes a new one"
        yield problem("developer key", f"{file} cannot be read: {error.strerror}", advice)
        return
    except BadDeveloperKey:
        yield problem("developer key", f"{file} holds no key", "remove it: the next start makes a new one")
        return
    if mode & 0o077:
        yield problem("developer key", f"{file} has mode {mode:04o}: others may read it", f"chmod 600 {file}")
    elif settings.mode == "production":
        yield ok("developer key", f"{file} is there; a production server does not honour it")
    else:
        yield ok("developer key", f"{file} is readable by its owner only")


def _owner(path: Path) -> str:
    return _user(path.stat().st_uid)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
