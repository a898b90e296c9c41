"""Puts webhooks together for the app."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from secrets import SystemRandom

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.webhooks.delivery.queueing import Queueing
from overworld.domains.webhooks.delivery.sender import Sender
from overworld.domains.webhooks.ports import Poster
from overworld.domains.webhooks.roster import Roster
from overworld.domains.webhooks.routes import routes
from overworld.domains.webhooks.service import Webhooks
from overworld.domains.webhooks.types import WebhookSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="webhooks", folder=Path(__file__).parent / "schema")


class WebhookParts(Struct, frozen=True, kw_only=True):
    """What webhooks contribute to the app.

    `queueing` is for the one fold, whose topics follow `roster.on_topics`; `sender` has a loop to run.
    """

    service: Webhooks
    roster: Roster
    queueing: Queueing
    sender: Sender
    routes: list[HTTPRouteHandler]


def build(
    *,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    poster: Poster,
    public: Iterable[str],
    plain_allowed: bool = False,
    settings: WebhookSettings | None = None,
    random: Callable[[int], bytes] = os.urandom,
    draw: Callable[[], float] | None = None,
) -> WebhookParts:
    """Webhooks on a migrated database.

    `public` are the topics that may be subscribed to; `plain_allowed` lets URLs be plain HTTP and lead inside, which
    the `poster` has to allow too. `random` makes secrets and `draw`, in [0, 1), spreads tries; only tests replace them.
    """
    chosen, topics = settings or WebhookSettings(), frozenset(public)
    roster = Roster(database=database, clock=clock, public=topics)
    service = Webhooks(
        database=database,
        clock=clock,
        ids=ids,
        audit=audit,
        roster=roster,
        public=topics,
        plain_allowed=plain_allowed,
        settings=chosen,
        random=random,
    )
    sender = Sender(
        database=database,
        clock=clock,
        outbox=outbox,
        poster=poster,
        roster=roster,
        settings=chosen,
        draw=draw or SystemRandom().random,
    )
    return WebhookParts(
        service=service,
        roster=roster,
        queueing=Queueing(clock=clock, public=topics, waiting_max=chosen.waiting_max),
        sender=sender,
        routes=routes(service),
    )
