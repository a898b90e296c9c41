"""The event log in PostgreSQL: facts written with the change that made them true, read in order by whoever reacts.

It owns the schema `eventlog`: `outbox` (one row per batch, partitioned by day), `cursor`, `dead_letter`, `handled`.
It never drops an event that a durable consumer has not passed, never skips one that commits late, and delivers at
least once; handlers are idempotent, by themselves or by `first_time`. A `fold` applies each exactly once.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.platform.eventlog.consumer import Consumer
    from overworld.platform.eventlog.fold import Fold
    from overworld.platform.eventlog.log import EventLog
    from overworld.platform.eventlog.outbox import PostgresOutbox
    from overworld.platform.eventlog.ports import Log
    from overworld.platform.eventlog.settings import EventLogSettings
    from overworld.platform.eventlog.store import SCHEMA, first_time
    from overworld.platform.eventlog.tail import Tail
    from overworld.platform.eventlog.types import Apply, DeadLetter, Handle, Lag
else:
    __getattr__ = door(
        __name__,
        consumer=["Consumer"],
        fold=["Fold"],
        log=["EventLog"],
        outbox=["PostgresOutbox"],
        ports=["Log"],
        settings=["EventLogSettings"],
        store=["SCHEMA", "first_time"],
        tail=["Tail"],
        types=["Apply", "DeadLetter", "Handle", "Lag"],
    )

__all__ = [
    "SCHEMA",
    "Apply",
    "Consumer",
    "DeadLetter",
    "EventLog",
    "EventLogSettings",
    "Fold",
    "Handle",
    "Lag",
    "Log",
    "PostgresOutbox",
    "Tail",
    "first_time",
]
