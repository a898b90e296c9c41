"""What every room of accounts is built on."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from overworld.domains.accounts.types import AccountsSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limiter, Outbox
from overworld.platform.postgres import Database


class Ground(Struct, frozen=True, kw_only=True):
    """A migrated database, time, ids, the outbox, limits, what was set, and unforeseeable bytes."""

    database: Database
    clock: Clock
    ids: IdSource
    outbox: Outbox
    limiter: Limiter
    limits_enabled: bool
    settings: AccountsSettings
    random: Callable[[int], bytes]
