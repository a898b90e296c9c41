"""Webhooks: servers of others are told of events, signed, and again until they have taken them.

Owns the schema `webhooks`: `subscription` (where to, which topics), `secret` (what is signed with), `delivery` (each
event for each subscription, and what came of it) and `line` (what waits its turn). It never decides what may be told:
the topics that are public are handed in.

Invariants: an event of a chosen topic is queued once for each subscription, in the transaction that moves the reader's
cursor; a delivery has one id for all its tries; deliveries of one key to one subscription go one after another, in the
order of the log; one leaves `waiting` by success, or when its tries are over; no subscription waits for another.

Events out: `events.webhook.paused`. In: the public topics that somebody subscribed to.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.webhooks.types import WebhookSettings
    from overworld.domains.webhooks.wiring import SCHEMA, WebhookParts, build
else:
    __getattr__ = door(__name__, types=["WebhookSettings"], wiring=["SCHEMA", "WebhookParts", "build"])

__all__ = ["SCHEMA", "WebhookParts", "WebhookSettings", "build"]
