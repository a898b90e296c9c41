"""What is watched of the log all the time: who is behind, and what a long transaction holds back."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import BATCHES_COUNTED_MAX, Lag

_OPENED_MAX = 256


class Watched(Struct, frozen=True, kw_only=True):
    """The log at one moment.

    `behind` is unread events of any topic by consumer, counted in the first 256 batches and estimated from them beyond.
    `held_batches` are committed and may not be read yet, because a transaction that began before them is still open;
    `held_s` is the age of the oldest of them, `transaction_s` that of the oldest transaction that writes, as far as
    this user may see those of others.
    """

    lags: list[Lag]
    behind: dict[str, float]
    held_batches: int
    held_s: float
    transaction_s: float


_BEHIND = """
SELECT cursor.consumer, count(opened.events) AS batches,
       coalesce(sum(json_array_length(convert_from(opened.events, 'UTF8')::json)), 0) AS events
FROM eventlog.cursor
LEFT JOIN LATERAL (
    SELECT events FROM eventlog.outbox
    WHERE (outbox.stamp, outbox.id) > (cursor.stamp, cursor.id)
    ORDER BY outbox.stamp, outbox.id
    LIMIT $1
) AS opened ON true
GROUP BY cursor.consumer"""

_HELD = """
SELECT count(*) AS batches, min(at) AS oldest_at FROM (
    SELECT at FROM eventlog.outbox
    WHERE stamp >= pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY stamp, id
    LIMIT $1
) AS held"""

_TRANSACTION = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - began_at)), 0) FROM (
    SELECT xact_start AS began_at FROM pg_stat_activity WHERE backend_xid IS NOT NULL
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts
) AS writing"""


async def watched(tx: Tx, *, at: datetime) -> Watched:
    """The log now, in four round trips; each touches a bounded number of rows and locks nothing."""
    lags = await store.lag(tx, at=at)
    opened = {row["consumer"]: row for row in await tx.fetch(_BEHIND, _OPENED_MAX)}
    held = await tx.fetchrow(_HELD, BATCHES_COUNTED_MAX)
    transaction_s = await tx.fetchval(_TRANSACTION)
    behind = {}
    for lag in lags:
        row = opened.get(lag.consumer)
        if row is not None:
            per_batch = row["events"] / max(1, row["batches"])
            behind[lag.consumer] = float(row["events"] + per_batch * max(0, lag.batches_behind - row["batches"]))
    return Watched(
        lags=lags,
        behind=behind,
        held_batches=held["batches"],
        held_s=max(0.0, (at - held["oldest_at"]).total_seconds()) if held["oldest_at"] else 0.0,
        transaction_s=float(transaction_s),
    )
