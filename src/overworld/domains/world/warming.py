"""The kernels, compiled before anybody waits for them: at the very first start in as many processes as there are cores.

Numba compiles in one thread at a time, and what takes long is Python. So groups of kernels are compiled in helpers of
our own, which fill the folder of compiled kernels; afterwards everything is loaded from there. A helper that fails
costs time, nothing else: what is not in the folder is compiled here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from overworld.domains.world.engine import engine
from overworld.domains.world.fences import tracking
from overworld.domains.world.types import WorldSettings

# What takes longest comes first: that is compiled here.
GROUPS: dict[str, Callable[[WorldSettings], None]] = {
    "live": engine.warm_live,
    "around": engine.warm_around,
    "fences": lambda _settings: tracking.warm(),
}
_DONE = "complete"


def warm(settings: WorldSettings) -> None:
    """Compiles, or loads from the folder `NUMBA_CACHE_DIR`, every kernel with the types it meets when it is live."""
    mine, *others = shares(os.cpu_count() or 1)
    folder = os.environ.get("NUMBA_CACHE_DIR", "")
    is_first = _is_first(folder)
    with _helpers(others if is_first else []):
        _warm(mine, settings)
    for share in others:
        _warm(share, settings)
    if is_first:
        with suppress(OSError):
            (Path(folder) / _DONE).touch()


def shares(cores: int) -> list[list[str]]:
    """The names of the groups that each process compiles, this one first."""
    names = list(GROUPS)
    count = max(1, min(cores, len(names)))
    return [*([name] for name in names[: count - 1]), names[count - 1 :]]


def _is_first(folder: str) -> bool:
    """Whether kernels have to be compiled and can be kept."""
    if not folder or (Path(folder) / _DONE).exists():
        return False
    with suppress(OSError):
        Path(folder).mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


@contextmanager
def _helpers(shares_: Sequence[Sequence[str]]) -> Iterator[None]:
    """Compiles the others' shares in processes of their own meanwhile; at the end they are done."""
    command = [sys.executable, "-m", __name__]
    # A session of its own: Ctrl-C reaches the server alone.
    helpers = [subprocess.Popen([*command, *share], start_new_session=True) for share in shares_]  # noqa: S603 - ours
    try:
        yield
        for helper in helpers:
            helper.wait()
    finally:
        for helper in helpers:
            helper.kill()
            helper.wait()


def _warm(names: Sequence[str], settings: WorldSettings) -> None:
    for name in names:
        GROUPS[name](settings)


if __name__ == "__main__":
    _warm(sys.argv[1:], WorldSettings())
