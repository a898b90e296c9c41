"""Subscriptions, as staff make, change and look at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from overworld.domains.webhooks import rules, store
from overworld.domains.webhooks.delivery import store as queue
from overworld.domains.webhooks.errors import NoSuchDelivery, NoSuchWebhook, NotSending, TooManyWebhooks
from overworld.domains.webhooks.messages import (
    WebhookBody,
    WebhookChanges,
    WebhookMade,
    WebhookRotated,
    WebhookSeen,
    seen,
)
from overworld.domains.webhooks.roster import Roster
from overworld.domains.webhooks.types import (
    PING_TOPIC,
    SECRET_BYTES,
    Delivery,
    Queued,
    State,
    Subscription,
    WebhookSettings,
)
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, rfc3339
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Tx
from overworld.platform.postgres import Database


class Webhooks:
    """What staff do with webhooks; each change stands in the audit log."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        audit: AuditTrail,
        roster: Roster,
        public: Iterable[str],
        plain_allowed: bool,
        settings: WebhookSettings,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._audit = audit
        self._roster = roster
        self._public = frozenset(public)
        self._plain_allowed = plain_allowed
        self._settings = settings
        self._random = random

    async def every(self) -> list[WebhookSeen]:
        """All of them, the oldest first."""
        async with self._database.read() as tx:
            return [seen(one) for one in await store.every(tx)]

    async def one(self, id: UUID) -> WebhookSeen:
        """One of them. Raises: NoSuchWebhook."""
        async with self._database.read() as tx:
            found = await store.one(tx, id)
        if found is None:
            raise NoSuchWebhook
        return seen(found)

    async def make(self, body: WebhookBody, *, staff: Staff) -> WebhookMade:
        """A new one, with the secret that it signs with. Raises: BadWebhook, TooManyWebhooks."""
        at, secret = self._clock.now(), self._random(SECRET_BYTES)
        new = Subscription(
            id=self._ids(),
            url=rules.url(body.url, plain_allowed=self._plain_allowed),
            topics=rules.topics(body.topics, public=self._public),
            fence_ids=tuple(sorted(set(body.fence_ids))),
            description=body.description,
            active=body.active,
            made_at=at,
        )
        async with self._database.transaction() as tx:
            if len(await store.every(tx)) >= self._settings.subscriptions_max:
                raise TooManyWebhooks(subscriptions_max=self._settings.subscriptions_max)
            await store.insert(tx, new)
            await store.keep_secret(tx, new.id, secret, at=at, old_ends_at=at)
            await self._audit.record(
                tx, [staff.did("webhooks.make", new.id, after=_said(new), note=rules.host_of(new.url))]
            )
        await self._roster.look()
        return WebhookMade(webhook=seen(new), secret=rules.secret_text(secret))

    async def change(self, id: UUID, changes: WebhookChanges, *, staff: Staff) -> WebhookSeen:
        """What it is from now on. Made active, it sends again, what waited first.

        Raises: BadWebhook; NoSuchWebhook.
        """
        async with self._database.transaction() as tx:
            before = await self._locked(tx, id)
            after = self._changed(before, changes)
            if after != before:
                await store.change(tx, after)
                did = staff.did(
                    "webhooks.change", id, before=_said(before), after=_said(after), note=rules.host_of(after.url)
                )
                await self._audit.record(tx, [did])
            if after.sends and not before.sends:
                await queue.hurry(tx, id, self._clock.now())
        await self._roster.look()
        return seen(after)

    async def delete(self, id: UUID, *, staff: Staff) -> None:
        """Nothing more is sent to it, not even what waits. Raises: NoSuchWebhook."""
        async with self._database.transaction() as tx:
            before = await self._locked(tx, id)
            await store.delete(tx, id, self._clock.now())
            await self._audit.record(
                tx, [staff.did("webhooks.delete", id, before=_said(before), note=rules.host_of(before.url))]
            )
        await self._roster.look()

    async def rotate(self, id: UUID, *, overlap_s: int, staff: Staff) -> WebhookRotated:
        """A new secret; the old one signs beside it for a while. Raises: NoSuchWebhook."""
        at, secret = self._clock.now(), self._random(SECRET_BYTES)
        old_ends_at = at + timedelta(seconds=overlap_s)
        async with self._database.transaction() as tx:
            await self._locked(tx, id)
            await store.keep_secret(tx, id, secret, at=at, old_ends_at=old_ends_at)
            await self._audit.record(
                tx, [staff.did("webhooks.rotate", id, note=f"the old one ends after {overlap_s} s")]
            )
        await self._roster.look()
        return WebhookRotated(secret=rules.secret_text(secret), old_ends_at=rfc3339(old_ends_at))

    async def ping(self, id: UUID, *, staff: Staff) -> UUID:
        """Queues an event of no consequence; its delivery's id. Raises: NoSuchWebhook, NotSending."""
        at, ping_id = self._clock.now(), self._ids()
        async with self._database.transaction() as tx:
            if not (await self._locked(tx, id)).sends:
                raise NotSending
            await self._audit.record(tx, [staff.did("webhooks.ping", id)])
            await queue.queue(tx, [_ping(ping_id, id, at)], at)
        return ping_id

    async def deliveries(self, id: UUID, *, state: State | None, before: int, limit: int) -> Sequence[Delivery]:
        """Its deliveries, the newest first. Raises: NoSuchWebhook."""
        async with self._database.read() as tx:
            if await store.one(tx, id) is None:
                raise NoSuchWebhook
            return await queue.shown(tx, id, state=state, before=before, limit=limit)

    async def redeliver(self, id: UUID, delivery_id: UUID, *, staff: Staff) -> None:
        """Sends a delivery again, under its id, with all its tries before it. Raises: NoSuchWebhook, NoSuchDelivery."""
        async with self._database.transaction() as tx:
            await self._locked(tx, id)
            if not await queue.again(tx, id, delivery_id, self._clock.now()):
                raise NoSuchDelivery
            await self._audit.record(tx, [staff.did("webhooks.redeliver", id, note=str(delivery_id))])

    async def forget(self, *, rows_max: int) -> int:
        """Clears away deliveries that were finished long ago, and those of webhooks that are gone; how many."""
        finished_before = self._clock.now() - timedelta(days=self._settings.kept_days)
        async with self._database.transaction() as tx:
            return await queue.forget(tx, finished_before=finished_before, rows_max=rows_max)

    async def _locked(self, tx: Tx, id: UUID) -> Subscription:
        found = await store.locked(tx, id)
        if found is None:
            raise NoSuchWebhook
        return found

    def _changed(self, before: Subscription, changes: WebhookChanges) -> Subscription:
        said = {name: value for name, value in asdict(changes).items() if value is not UNSET}
        if "url" in said:
            said["url"] = rules.url(said["url"], plain_allowed=self._plain_allowed)
        if "topics" in said:
            said["topics"] = rules.topics(said["topics"], public=self._public)
        if "fence_ids" in said:
            said["fence_ids"] = tuple(sorted(set(said["fence_ids"])))
        if said.get("active"):
            said |= {"failing_since": None, "paused_at": None, "pause_reason": None}
        return replace(before, **said)


def _said(one: Subscription) -> dict[str, object]:
    """What staff chose of a subscription: of this the audit log keeps the digests."""
    return {name: getattr(one, name) for name in ("url", "topics", "fence_ids", "description", "active", "paused_at")}


def _ping(id: UUID, subscription_id: UUID, at: datetime) -> Queued:
    envelope = Envelope(id=id, topic=PING_TOPIC, at=at, key=str(id), data=msgspec.Raw(b"{}"))
    return Queued(
        id=id, subscription_id=subscription_id, topic=PING_TOPIC, key=envelope.key, body=rules.body_of(envelope)
    )
