"""Whom the embedded server runs as. PostgreSQL refuses to run as root, so under root it gets an ordinary user."""

from __future__ import annotations

import logging
import os
import pwd
import struct
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

from overworld.platform.postgres.errors import PostgresNotStarted

_CANDIDATES = ("overworld", "nobody")
_ACL = "system.posix_acl_access"
_ACL_VERSION = 2
_ANY_ID = 0xFFFFFFFF
_USER_OBJECT, _USER, _GROUP_OBJECT, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_SEARCH = 0o1

_log = logging.getLogger(__name__)


class SystemUser(Struct, frozen=True):
    """A user of the machine, as a child process needs to become it."""

    name: str
    uid: int
    gid: int


class Identity(Struct, frozen=True):
    """What `subprocess` wants to know of a user; all None keeps the identity of this process."""

    uid: int | None = None
    gid: int | None = None
    extra_groups: tuple[int, ...] | None = None


def as_user(user: SystemUser | None) -> Identity:
    """The identity a child process takes on: the user's, without any of our own groups."""
    return Identity() if user is None else Identity(uid=user.uid, gid=user.gid, extra_groups=())


def choose_user(folder: Path, *, wanted: str) -> SystemUser | None:
    """The user to become for a server on `folder`; None when this process is not root and stays who it is.

    Data that is there already stays with its owner; then comes the user asked for, `overworld`, `nobody`. No user
    is ever created. Raises: PostgresNotStarted when there is no such user.
    """
    if os.geteuid() != 0:
        return None
    if os.path.exists(folder) and (status := folder.stat()).st_uid != 0:  # noqa: PTH110 - Path's own raises
        return SystemUser(name=_name_of(status.st_uid), uid=status.st_uid, gid=status.st_gid)
    for name in [wanted] if wanted else _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return SystemUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresNotStarted(
        "PostgreSQL does not run as root, and there is no ordinary user to run it as: start Overworld as another "
        f"user, or name one in database.system_user (tried {wanted or ', '.join(_CANDIDATES)})"
    )


def give(folder: Path, user: SystemUser | None) -> None:
    """Makes a folder private to the user who runs the server."""
    folder.chmod(0o700)
    if user is not None:
        os.chown(folder, user.uid, user.gid)


def ensure_reach(user: SystemUser | None, *, binary: Path, folder: Path) -> None:
    """Makes sure the user can run the binary and enter the folder.

    A parent folder that is closed to the user (a clone under `/root`) gets an access list entry that lets this one
    user pass through, not read; each is logged. Raises: PostgresNotStarted, saying what to do, when that fails.
    """
    if user is None or _reaches(user, binary=binary, folder=folder):
        return
    for parent in sorted({*binary.parents, *folder.parents}):
        if not _passes(user, parent):
            _let_pass(user, parent)
    if not _reaches(user, binary=binary, folder=folder):
        raise PostgresNotStarted(
            f"PostgreSQL runs as user {user.name}, because it refuses root, and that user cannot reach {folder} or "
            f"{binary}: choose folders that others may pass through, or start Overworld as an ordinary user"
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _run_test(user: SystemUser, test: str, *paths: Path) -> bool:
    command = ["/bin/sh", "-c", test, "reach", *map(str, paths)]
    done = subprocess.run(  # noqa: S603 - our own program and paths
        command, user=user.uid, group=user.gid, extra_groups=[], check=False, cwd="/"
    )
    return done.returncode == 0


def _reaches(user: SystemUser, *, binary: Path, folder: Path) -> bool:
    return _run_test(user, 'test -x "$1" && test -w "$2" && test -x "$2"', binary, folder)


def _passes(user: SystemUser, folder: Path) -> bool:
    return _run_test(user, 'test -x "$1"', folder)


def _let_pass(user: SystemUser, folder: Path) -> None:
    """Adds `user:NAME:--x` to a folder's access list. Source: acl(5), and linux/posix_acl_xattr.h for the layout."""
    if sys.platform != "linux":
        return
    try:
        mode = folder.stat().st_mode
        entries = _entries_of(folder) or [
            (_USER_OBJECT, mode >> 6 & 7, _ANY_ID),
            (_GROUP_OBJECT, mode >> 3 & 7, _ANY_ID),
            (_OTHER, mode & 7, _ANY_ID),
        ]
        kept = [entry for entry in entries if entry[0] != _MASK and (entry[0], entry[2]) != (_USER, user.uid)]
        mask = next((entry[1] for entry in entries if entry[0] == _MASK), mode >> 3 & 7)
        entries = sorted([*kept, (_USER, _SEARCH, user.uid), (_MASK, mask | _SEARCH, _ANY_ID)])
        os.setxattr(folder, _ACL, struct.pack("<I", _ACL_VERSION) + b"".join(struct.pack("<HHI", *e) for e in entries))
    except OSError as error:
        _log.warning("could not let user %s pass through %s: %s", user.name, folder, error)
        return
    _log.warning("let user %s pass through %s, so that PostgreSQL reaches its files", user.name, folder)


def _entries_of(folder: Path) -> list[tuple[int, int, int]]:
    if sys.platform != "linux":
        return []
    try:
        packed = os.getxattr(folder, _ACL)
    except OSError:
        return []
    return [(tag, permissions, owner) for tag, permissions, owner in struct.iter_unpack("<HHI", packed[4:])]
