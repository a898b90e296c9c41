"""Who acts by a command on the machine, as the audit log names them."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Awaitable, Callable
from os import urandom

from overworld.domains.accounts.audit.trail import Trail
from overworld.kernel.audit import AuditEntry, Staff
from overworld.kernel.clock import SystemClock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx


def staff() -> Staff:
    """The user of this process, who has no account in the game: `user@host`."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"{uid}"
    return Staff(account_id=None, address=f"{name}@{socket.gethostname()}")


def recording(*entries: AuditEntry) -> Callable[[Tx], Awaitable[None]]:
    """Writes entries in the transaction of what they tell of; the server that runs seals them, or the next one."""
    clock = SystemClock()
    trail = Trail(clock=clock, ids=IdSource(clock.now_us, urandom))
    return lambda tx: trail.record(tx, entries)
