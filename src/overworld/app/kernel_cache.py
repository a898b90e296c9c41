"""Where compiled kernels are kept. Numba reads that when it is imported, so it is decided before any domain is.

`script/setup` runs this file by itself, so it imports nothing of the package; it prints the checkout's folder.
"""

from __future__ import annotations

import os
import sys
from hashlib import blake2b
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_MARK = b"\n@kernel"


def kernel_cache(data: Path) -> Path:
    """The folder for the kernels as they are written now: in the checkout, or in `data` where there is none of ours.

    Numba notices a change of a kernel's own file, not of a kernel that it calls in another one, so each state of them
    all has its own folder.
    """
    return (checkout_cache() or data / "cache") / "numba" / _state()


def checkout_cache() -> Path | None:
    """The `.cache` of the checkout that this file lies in; None in an installed package or where we may not write."""
    checkout = _PACKAGE.parents[1]
    is_ours = (checkout / "pyproject.toml").is_file() and os.access(checkout, os.W_OK)
    return checkout / ".cache" if is_ours else None


def _state() -> str:
    digest = blake2b(digest_size=8)
    for file in sorted(_PACKAGE.rglob("*.py")):
        content = file.read_bytes()
        if _MARK in content:
            digest.update(content)
    return digest.hexdigest()


if __name__ == "__main__" and (cache := checkout_cache()):
    sys.stdout.write(f"{cache / 'numba' / _state()}\n")
