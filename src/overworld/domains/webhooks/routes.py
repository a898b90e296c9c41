"""Webhooks over HTTP, for administrators."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from overworld.domains.webhooks.errors import BadWebhook, NoSuchDelivery, NoSuchWebhook, NotSending, TooManyWebhooks
from overworld.domains.webhooks.messages import (
    DeliveryQueued,
    DeliverySeen,
    RotateBody,
    WebhookBody,
    WebhookChanges,
    WebhookMade,
    WebhookRotated,
    WebhookSeen,
    delivery_seen,
)
from overworld.domains.webhooks.service import Webhooks
from overworld.domains.webhooks.types import State
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

_NUMBER_MAX = 2**63 - 1

IdPath = Annotated[UUID, Parameter(description="The webhook's id.")]
DeliveryPath = Annotated[UUID, Parameter(description="The delivery's id.")]
StateQuery = Annotated[State | None, QueryParameter(name="state", description="Only deliveries in this state.")]


def routes(service: Webhooks) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/admin/webhooks`."""
    return [*_subscriptions(service), *_secrets_and_pings(service), *_deliveries(service)]


def _subscriptions(service: Webhooks) -> list[HTTPRouteHandler]:
    @get("/v1/admin/webhooks", opt=needs(Scope.WEBHOOK_MANAGE))
    async def webhooks() -> Page[WebhookSeen]:
        """All webhooks, the oldest first; always one page."""
        return Page(await service.every())

    @post("/v1/admin/webhooks", opt=needs(Scope.WEBHOOK_MANAGE, refusals=(BadWebhook, TooManyWebhooks)))
    async def webhook_make(*, caller: Caller, data: WebhookBody) -> WebhookMade:
        """Subscribes a URL to events, and answers with the secret that deliveries are signed with, this once.

        A topic may end in `.*` and stand for every public one that begins so. Events count from the making on.
        """
        return await service.make(data, staff=caller.staff)

    @get("/v1/admin/webhooks/{webhook_id:uuid}", opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook,)))
    async def webhook(*, webhook_id: IdPath) -> WebhookSeen:
        """One webhook, and how it does."""
        return await service.one(webhook_id)

    @patch(
        "/v1/admin/webhooks/{webhook_id:uuid}", opt=needs(Scope.WEBHOOK_MANAGE, refusals=(BadWebhook, NoSuchWebhook))
    )
    async def webhook_change(*, caller: Caller, webhook_id: IdPath, data: WebhookChanges) -> WebhookSeen:
        """Changes what is named and leaves the rest. `active: true` also lets a paused one send again."""
        return await service.change(webhook_id, data, staff=caller.staff)

    @delete("/v1/admin/webhooks/{webhook_id:uuid}", opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook,)))
    async def webhook_delete(*, caller: Caller, webhook_id: IdPath) -> None:
        """Ends a subscription; what waits is not sent any more."""
        await service.delete(webhook_id, staff=caller.staff)

    return [webhooks, webhook_make, webhook, webhook_change, webhook_delete]


def _secrets_and_pings(service: Webhooks) -> list[HTTPRouteHandler]:
    @post(
        "/v1/admin/webhooks/{webhook_id:uuid}/rotate",
        opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook,)),
        status_code=200,
    )
    async def webhook_rotate(*, caller: Caller, webhook_id: IdPath, data: RotateBody | None = None) -> WebhookRotated:
        """Makes a new secret, shown this once; the old one signs beside it for a day, or as long as is asked."""
        chosen = data or RotateBody()
        return await service.rotate(webhook_id, overlap_s=chosen.overlap_s, staff=caller.staff)

    @post(
        "/v1/admin/webhooks/{webhook_id:uuid}/ping",
        opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook, NotSending)),
        status_code=202,
    )
    async def webhook_ping(*, caller: Caller, webhook_id: IdPath) -> DeliveryQueued:
        """Sends a `webhook.ping`, signed and tried like any other event."""
        return DeliveryQueued(id=await service.ping(webhook_id, staff=caller.staff))

    return [webhook_rotate, webhook_ping]


def _deliveries(service: Webhooks) -> list[HTTPRouteHandler]:
    @get(
        "/v1/admin/webhooks/{webhook_id:uuid}/deliveries",
        opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook, BadCursor)),
    )
    async def webhook_deliveries(
        *, webhook_id: IdPath, wanted: StateQuery = None, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[DeliverySeen]:
        """Deliveries, the newest first: what was tried, what came of it, and when it is tried again."""
        before = _NUMBER_MAX if cursor is None else _number_in(cursor)
        found = await service.deliveries(webhook_id, state=wanted, before=before, limit=limit + 1)
        more = encode_cursor(found[limit - 1].number) if len(found) > limit else None
        return Page([delivery_seen(one) for one in found[:limit]], more)

    @post(
        "/v1/admin/webhooks/{webhook_id:uuid}/deliveries/{delivery_id:uuid}/redeliver",
        opt=needs(Scope.WEBHOOK_MANAGE, refusals=(NoSuchWebhook, NoSuchDelivery)),
        status_code=202,
    )
    async def webhook_redeliver(*, caller: Caller, webhook_id: IdPath, delivery_id: DeliveryPath) -> DeliveryQueued:
        """Sends a delivery again under the id it had, so that a receiver who took it can tell."""
        await service.redeliver(webhook_id, delivery_id, staff=caller.staff)
        return DeliveryQueued(id=delivery_id)

    return [webhook_deliveries, webhook_redeliver]


def _number_in(cursor: str) -> int:
    """The number of the last one shown. Raises: BadCursor."""
    number: int
    [number] = decode_cursor(cursor, (int,))
    if not 0 <= number <= _NUMBER_MAX:
        raise BadCursor
    return number
