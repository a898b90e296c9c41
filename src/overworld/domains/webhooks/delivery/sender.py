"""Sends what is due, to each subscription by itself, and keeps what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from overworld.domains.webhooks import rules
from overworld.domains.webhooks import store as subscriptions
from overworld.domains.webhooks.delivery import store
from overworld.domains.webhooks.messages import WebhookPaused
from overworld.domains.webhooks.ports import Posted, Poster
from overworld.domains.webhooks.roster import Roster
from overworld.domains.webhooks.types import Due, Keyring, State, WebhookSettings
from overworld.kernel import tracing
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.postgres import Database

_LOOK_EVERY_S = 1.0
_LEASE_BEYOND_S = 30.0
_DRAIN_S = 2.0
_RECOVERED_AFTER = timedelta(seconds=60)
_USER_AGENT = "Overworld-Webhooks/1"

_log = logging.getLogger(__name__)


class Sender:
    """Takes what is due from the queue and posts it. Any number of servers may run one.

    A subscription has `at_once` deliveries under way from each server, one while it fails, and none while it is paused:
    so it has only itself to wait for. A crash between a receiver's answer and the commit that keeps it sends again,
    under the same id, when the lease is over.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        poster: Poster,
        roster: Roster,
        settings: WebhookSettings,
        draw: Callable[[], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._poster = poster
        self._roster = roster
        self._settings = settings
        self._draw = draw
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], Due] = {}
        self.delivered = 0
        self.failed = 0
        self.given_up = 0
        self.paused = 0
        self.behind_s = 0.0

    @property
    def under_way(self) -> int:
        """Deliveries that this server is sending."""
        return len(self._under_way)

    async def run(self) -> NoReturn:
        """Sends for ever; a loop. Raises: Fault when the database does not answer."""
        looked_s = -_LOOK_EVERY_S
        try:
            async with self._database.listen(store.CHANNEL, lambda _notice: self._wake.set()):
                while True:
                    self._wake.clear()
                    if self._clock.monotonic_s() - looked_s >= _LOOK_EVERY_S:
                        await self._look()
                        looked_s = self._clock.monotonic_s()
                    if not await _whole(self.turn()):
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_LOOK_EVERY_S):
                                await self._wake.wait()
        finally:
            await self._drain()

    async def turn(self) -> int:
        """Begins to send what is due and fits; how many. One round trip, none when there is no room."""
        known, keyrings, rooms = self._roster.subscriptions, self._roster.keyrings, self._rooms()
        if not rooms:
            return 0
        now = self._clock.now()
        leased_until = now + timedelta(seconds=self._settings.timeout_s + _LEASE_BEYOND_S)
        async with self._database.read() as tx:
            taken = await store.take(tx, rooms, at=now, leased_until=leased_until)
        for due in taken:
            to = due.subscription_id
            task = asyncio.create_task(self._send(due, url=known[to].url, keyring=keyrings[to]), name="webhook")
            self._under_way[task] = due
            task.add_done_callback(self._done)
        return len(taken)

    async def settled(self) -> None:
        """Waits until nothing is under way."""
        while self._under_way:
            await asyncio.wait(list(self._under_way))

    async def _look(self) -> None:
        await self._roster.look()
        sends = [one.id for one in self._roster.subscriptions.values() if one.sends]
        async with self._database.read() as tx:
            oldest_at = await store.oldest_due(tx, sends) if sends else None
        behind = (self._clock.now() - oldest_at).total_seconds() if oldest_at else 0.0
        self.behind_s = max(0.0, behind)

    def _rooms(self) -> dict[UUID, int]:
        busy = Counter(due.subscription_id for due in self._under_way.values())
        rooms = {
            one.id: (1 if one.failing_since else self._settings.at_once) - busy[one.id]
            for one in self._roster.subscriptions.values()
            if one.sends and one.id in self._roster.keyrings
        }
        return {each: room for each, room in rooms.items() if room > 0}

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a webhook delivery is sent again, for it failed here", exc_info=error)

    async def _send(self, due: Due, *, url: str, keyring: Keyring) -> None:
        message_id, timestamp_s = str(due.id), int(self._clock.now().timestamp())
        signed = rules.signatures(keyring.secrets, id=message_id, timestamp_s=timestamp_s, body=due.body)
        headers = {
            "content-type": "application/json",
            "user-agent": _USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signed,
        }
        with tracing.at(tracing.parsed(due.trace)):
            posted = await self._post(due, url, headers)
            try:
                await self._keep(due, posted)
            except (Fault, Busy) as error:
                _log.warning("what came of webhook delivery %s is not kept; it is sent again: %s", due.id, error)

    async def _post(self, due: Due, url: str, headers: dict[str, str]) -> Posted:
        """Posts within the trace of the event, which the receiver is told."""
        attributes: dict[str, tracing.Value] = {
            "server.address": rules.host_of(url),
            "topic": due.topic,
            "attempt": due.attempts + 1,
        }
        with tracing.span("webhook", kind=tracing.Kind.CLIENT, attributes=attributes) as span:
            if (place := tracing.here()) is not None:
                headers["traceparent"] = place.traceparent()
            posted = await self._poster.post(url, headers=headers, body=due.body)
            if span is not None:
                span.attributes["http.response.status_code"] = posted.status or 0
                span.error = "" if rules.is_success(posted.status) else posted.error or f"status {posted.status}"
            return posted

    async def _keep(self, due: Due, posted: Posted) -> None:
        at = self._clock.now()
        if not rules.is_success(posted.status):
            async with self._database.transaction() as tx:
                await self._keep_failure(tx, due, posted, at)
            return
        async with self._database.transaction() as tx:
            since = await subscriptions.well(tx, due.subscription_id)
            await store.settle(tx, due, state=State.DELIVERED, status=posted.status, error=None, at=at, next_at=at)
        self.delivered += 1
        if since is not None and at - since >= _RECOVERED_AFTER:
            async with self._database.transaction() as tx:
                await store.hurry(tx, due.subscription_id, at)

    async def _keep_failure(self, tx: Tx, due: Due, posted: Posted, at: datetime) -> None:
        since = await subscriptions.failing(tx, due.subscription_id, at)
        pause_s = rules.pause_s(due.attempts + 1, draw=self._draw(), asked_s=posted.retry_after_s)
        state = State.GIVEN_UP if pause_s is None else State.WAITING
        await store.settle(
            tx,
            due,
            state=state,
            status=posted.status,
            error=posted.error or None,
            at=at,
            next_at=at + timedelta(seconds=pause_s or 0.0),
        )
        self.failed += 1
        self.given_up += state is State.GIVEN_UP
        reason = self._why_pause(posted, since=since, at=at)
        if reason and await subscriptions.pause(tx, due.subscription_id, at=at, reason=reason):
            self.paused += 1
            _log.warning("webhook %s is paused: %s", due.subscription_id, reason)
            event = WebhookPaused(webhook_id=due.subscription_id, reason=reason, failing_since=since)
            await self._outbox.append(tx, [event], at=at)

    def _why_pause(self, posted: Posted, *, since: datetime, at: datetime) -> str:
        if rules.is_gone(posted.status):
            return "the receiver answered 410 Gone"
        if at - since >= timedelta(hours=self._settings.pause_after_h):
            return f"nothing was delivered for {self._settings.pause_after_h:g} h"
        return ""

    async def _drain(self) -> None:
        """Lets what is under way come to its end for a moment; what is cut off then may be sent again at once."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=_DRAIN_S)
        late = dict(self._under_way)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            async with self._database.read() as tx:
                await store.release(tx, list(late.values()))


async def _whole(turn: Coroutine[Any, Any, int]) -> int:
    """A turn that is not cut off: what it took would be nobody's until its lease is over."""
    task = asyncio.ensure_future(turn)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
