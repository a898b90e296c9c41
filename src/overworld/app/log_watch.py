"""Looks every few seconds at the queues that lie in the database: the event log, webhooks and mails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import NoReturn

from msgspec import Struct

from overworld.app import queues
from overworld.domains.accounts.mail import store as mail_store
from overworld.domains.webhooks.delivery import store as webhook_store
from overworld.kernel.clock import Clock
from overworld.platform.eventlog import Consumer, EventLog
from overworld.platform.eventlog.types import Lag
from overworld.platform.eventlog.watch import Watched, watched
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database

EVERY_S = 5.0
_COUNT_MAX = 10_001


class Stored(Struct):
    """A queue in the database, as `queues.watch` shows it. `waiting` is counted up to 10,001."""

    waiting_max: int
    read_oldest_s: Callable[[], float]
    read_refused: Callable[[], int]
    waiting: int = 0

    @property
    def oldest_s(self) -> float:
        """For how long the first that is due has been."""
        return self.read_oldest_s()

    @property
    def refused(self) -> int:
        """How many this process refused or dropped."""
        return self.read_refused()


class LogWatch:
    """What every server shows of the queues that they share; `run` it in a loop."""

    def __init__(self, *, database: Database, clock: Clock, log: EventLog, webhooks: Stored, mails: Stored) -> None:
        self._database = database
        self._clock = clock
        self._log = log
        self._webhooks = webhooks
        self._mails = mails
        self._seen = Watched(lags=[], behind={}, held_batches=0, held_s=0.0, transaction_s=0.0)

    async def run(self) -> NoReturn:
        """Looks for ever. Raises: Fault when the database does not answer."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Looks once."""
        async with self._database.read() as tx:
            self._seen = await watched(tx, at=self._clock.now())
            self._webhooks.waiting = await webhook_store.waiting_in_all(tx, count_max=_COUNT_MAX)
            self._mails.waiting = await mail_store.count(tx, count_max=_COUNT_MAX)

    def register(self, metrics: Metrics) -> None:
        """Registers what was seen last."""
        queues.watch(metrics, "webhooks", self._webhooks)
        queues.watch(metrics, "mails", self._mails)
        lag = "How far a consumer is behind, in "
        self._of_lags(metrics, "overworld_consumer_lag_batches", lag + "batches, up to 10,000.", "batches_behind")
        self._of_lags(metrics, "overworld_consumer_lag_seconds", lag + "seconds.", "behind_s")
        self._of_lags(metrics, "overworld_consumer_dead_letters", "Events it gave up, to be looked at.", "dead_letters")
        metrics.gauges(
            "overworld_consumer_lag_events", lag + "events; an estimate beyond 256 batches.", self._behind, label=_LABEL
        )
        self._of_consumers(metrics, "overworld_consumer_handled", "Events handled by this process.", "handled")
        self._of_consumers(metrics, "overworld_consumer_retries", "Tries of this process that failed.", "retried")
        self._of_consumers(metrics, "overworld_consumer_buried", "Events that this process gave up.", "buried")
        metrics.gauges(
            "overworld_consumer_active", "1 where this process is the one that reads.", self._active, label=_LABEL
        )
        metrics.count(
            "overworld_tail_failures", "Events that a reader of this process failed and passed over.", self._failed
        )
        metrics.gauge(
            "overworld_events_held_batches",
            "Committed batches that wait for an older transaction to end.",
            lambda: self._seen.held_batches,
        )
        metrics.gauge("overworld_events_held_seconds", "Age of the oldest of them.", lambda: self._seen.held_s)
        metrics.gauge(
            "overworld_database_transaction_oldest_seconds",
            "Age of the oldest open transaction that writes, in the whole PostgreSQL.",
            lambda: self._seen.transaction_s,
        )

    def _of_lags(self, metrics: Metrics, name: str, meaning: str, figure: str) -> None:
        read: Callable[[Lag], float] = attrgetter(figure)
        metrics.gauges(name, meaning, lambda: {lag.consumer: read(lag) for lag in self._seen.lags}, label=_LABEL)

    def _of_consumers(self, metrics: Metrics, name: str, meaning: str, figure: str) -> None:
        read: Callable[[Consumer], float] = attrgetter(figure)
        metrics.counts(name, meaning, lambda: {one.name: read(one) for one in self._log.consumers}, label=_LABEL)

    def _behind(self) -> Mapping[str, float]:
        return self._seen.behind

    def _active(self) -> Mapping[str, float]:
        return {one.name: one.active for one in self._log.consumers}

    def _failed(self) -> float:
        return sum(tail.failed for tail in self._log.tails)


_LABEL = "consumer"
