"""Where compiled kernels are kept. Numba reads that when it is imported, so it is decided before any domain is.

`script/setup` runs this file by itself, so it imports nothing of the package; it prints the checkout's folder.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_MARK = b"\n@kernel"
_IMPORT = re.compile(r"^from (overworld(?:\.\w+)*) import (\([^)]*\)|.*)", re.MULTILINE)
_NAME = re.compile(r"\w+")


def kernel_cache(data: Path) -> Path:
    """The folder for the kernels as they are written now: in the checkout, or in `data` where there is none of ours.

    Numba notices a change of a kernel's own file, not of a kernel that it calls or a constant that it uses in another
    one. So each state of them all, with what they import of ours, has its own folder.
    """
    return (checkout_cache() or data / "cache") / "numba" / _state()


def keep_kernels(data: Path) -> None:
    """Has this process keep its kernels there, unless `NUMBA_CACHE_DIR` names a folder already."""
    if "NUMBA_CACHE_DIR" not in os.environ:
        os.environ["NUMBA_CACHE_DIR"] = str(kernel_cache(data))


def checkout_cache() -> Path | None:
    """The `.cache` of the checkout that this file lies in; None in an installed package or where we may not write."""
    checkout = _PACKAGE.parents[1]
    is_ours = (checkout / "pyproject.toml").is_file() and os.access(checkout, os.W_OK)
    return checkout / ".cache" if is_ours else None


def _state() -> str:
    digest = blake2b(digest_size=8)
    waiting = [file for file in _PACKAGE.rglob("*.py") if _MARK in file.read_bytes()]
    known = set(waiting)
    while waiting:
        imported = set(_imported(waiting.pop().read_text()))
        waiting += imported - known
        known |= imported
    for file in sorted(known):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _imported(source: str) -> Iterator[Path]:
    """The files of our modules that a module imports, or imports names of."""
    for module, names in _IMPORT.findall(source):
        path = _PACKAGE.joinpath(*module.split(".")[1:])
        modules = [path, path / "__init__", *(path / name for name in _NAME.findall(names))]
        yield from (file for one in modules if (file := one.with_suffix(".py")).is_file())


if __name__ == "__main__" and (cache := checkout_cache()):
    sys.stdout.write(f"{cache / 'numba' / _state()}\n")
