"""The checks of what was installed: Python, the packages, the compiled kernels."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import overworld
from overworld.app.doctor.findings import Finding, ok, problem, warning
from overworld.app.doctor.folder import nearest
from overworld.app.kernel_cache import kernel_cache

PYTHON_MIN = (3, 11)
_CHECKOUT = Path(overworld.__file__).parents[2]
_LOCK = _CHECKOUT / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)([^\\\n]*)", re.MULTILINE)
_BEFORE = re.compile(r"python_full_version < '([\d.]+)'")
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SHOWN_MAX = 5


def python() -> Finding:
    """Whether this Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    found = f"Python {version} at {sys.executable}"
    if sys.version_info >= PYTHON_MIN:
        return ok("python", found)
    return problem("python", found, f"Overworld needs Python {'.'.join(map(str, PYTHON_MIN))} or newer: install one")


def packages() -> Finding:
    """Whether what is needed is installed, in the versions of the lock file where there is one."""
    locked = pins(_LOCK.read_text()) if _LOCK.is_file() else {}
    needed = sorted(locked.keys() | set(_required()))
    if missing := [name for name in needed if _version(name) is None]:
        return problem("packages", f"not installed: {_some(missing)}", f"install them: {_how_to_install()}")
    if not locked:
        return ok("packages", f"the {len(needed)} that are needed are installed")
    other = [
        f"{name} {version} (locked: {' or '.join(sorted(locked[name]))})"
        for name in locked
        if (version := _version(name)) is not None and version not in locked[name]
    ]
    if other:
        return warning("packages", f"not as locked: {_some(other)}", f"install what is locked: {_how_to_install()}")
    return ok("packages", f"the {len(locked)} of requirements.lock are as locked")


def kernels(data: Path, environment: Mapping[str, str]) -> Finding:
    """Whether the kernels are compiled."""
    folder = Path(environment.get("NUMBA_CACHE_DIR") or kernel_cache(data))
    above = nearest(folder)
    if above == folder and any(folder.rglob("*.nbi")):
        return ok("kernels", f"compiled, in {folder}")
    if not os.access(above, os.W_OK):
        advice = f"let this user write in {above}, or set NUMBA_CACHE_DIR to a folder of its own"
        return warning("kernels", f"not compiled, and {above} is not writable: every start compiles them", advice)
    return ok("kernels", "not compiled yet: the first start compiles them, for some fifteen seconds on two free cores")


def pins(lock: str) -> dict[str, set[str]]:
    """The versions that a lock file allows this Python, by name; several where they differ by platform."""
    found: dict[str, set[str]] = {}
    for name, version, marker in _PIN.findall(lock):
        before = _BEFORE.search(marker)
        if before is None or sys.version_info < tuple(map(int, before[1].split("."))):
            found.setdefault(name, set()).add(version)
    return found


def _required() -> Iterator[str]:
    for line in metadata.requires("overworld") or ():
        if "extra ==" not in line and (name := _NAME.match(line)):
            yield name[0]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _how_to_install() -> str:
    return f"{_CHECKOUT}/script/setup" if _LOCK.is_file() else "pip install --upgrade overworld"


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN_MAX
    return ", ".join(names[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
