"""How many files the process may hold open: every connection is one."""

from __future__ import annotations

import resource
from contextlib import suppress

import structlog

_ENOUGH = 65_536


def allow_open_files(*, connections_max: int) -> None:
    """Raises the limit of open files as far as the system lets us, up to 65,536; says so when that is too few.

    Systems begin with 1,024. A server that has no more files left can take nobody in, and tries again and again.
    """
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(_ENOUGH, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        with suppress(OSError, ValueError):  # some systems refuse what they promised
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            allowed = wanted
    if allowed != resource.RLIM_INFINITY and allowed < connections_max:
        structlog.get_logger("overworld.server").warning(
            "too few open files are allowed (ulimit -n) for realtime.connections_max",
            allowed=allowed,
            connections_max=connections_max,
        )
