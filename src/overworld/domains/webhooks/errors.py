"""How webhooks refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadWebhook(Refusal):
    """A subscription cannot be like that."""

    code = "webhooks.bad_webhook"
    status = 400
    public = ("field", "topic", "allowed")


class NoSuchWebhook(Refusal):
    """There is no such webhook."""

    code = "webhooks.no_such_webhook"
    status = 404


class NoSuchDelivery(Refusal):
    """There is no such delivery of this webhook, or it is no longer kept."""

    code = "webhooks.no_such_delivery"
    status = 404


class TooManyWebhooks(Refusal):
    """There are as many webhooks as the server allows."""

    code = "webhooks.too_many"
    status = 409
    public = ("subscriptions_max",)


class NotSending(Refusal):
    """The webhook is paused or not active, so nothing is sent to it."""

    code = "webhooks.paused"
    status = 409
