"""Queues events for those who subscribed to them, in the transaction that moves the reader's cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from overworld.domains.webhooks import rules
from overworld.domains.webhooks import store as subscriptions
from overworld.domains.webhooks.delivery import store
from overworld.domains.webhooks.types import Queued
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import derived_id
from overworld.kernel.ports import Tx

NAME = "webhooks"


class Queueing:
    """The handler of a fold: each event is queued once for each subscription, whatever crashes.

    A subscription that is paused is queued for like the others, so that nothing is lost when it comes back, up to
    `waiting_max`; what comes then is counted as dropped.
    """

    def __init__(self, *, clock: Clock, public: frozenset[str], waiting_max: int) -> None:
        self._clock = clock
        self._public = public
        self.waiting_max = waiting_max
        self.queued = 0
        self.dropped = 0

    async def apply(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        """Queues what somebody wants of these events. Six round trips at most, one when nobody does."""
        active = [one for one in await subscriptions.every(tx) if one.active]
        wanted = [
            _queued(envelope, one.id)
            for envelope in envelopes
            for one in active
            if envelope.topic in self._public and envelope.at >= one.made_at and rules.wants(one, envelope)
        ]
        if not wanted:
            return
        kept = await self._within_bounds(tx, wanted)
        if kept:
            await store.queue(tx, kept, self._clock.now())
            self.queued += len(kept)

    async def _within_bounds(self, tx: Tx, wanted: Sequence[Queued]) -> list[Queued]:
        ids = sorted({one.subscription_id for one in wanted})
        waiting = Counter(await store.waiting(tx, ids, count_max=self.waiting_max))
        kept, dropped = [], Counter[UUID]()
        for one in wanted:
            if waiting[one.subscription_id] < self.waiting_max:
                waiting[one.subscription_id] += 1
                kept.append(one)
            else:
                dropped[one.subscription_id] += 1
        await subscriptions.count_dropped(tx, dropped)
        self.dropped += dropped.total()
        return kept


def _queued(envelope: Envelope, subscription_id: UUID) -> Queued:
    return Queued(
        id=derived_id(envelope.id, "webhook", str(subscription_id)),
        subscription_id=subscription_id,
        topic=envelope.topic,
        key=envelope.key,
        body=rules.body_of(envelope),
        trace=envelope.trace,
    )
