"""What webhooks may tell, where they may go, and their loops."""

from __future__ import annotations

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.domains.webhooks import rules
from overworld.domains.webhooks.delivery.queueing import NAME
from overworld.domains.webhooks.wiring import WebhookParts
from overworld.kernel.events import Event
from overworld.platform.eventlog import EventLog
from overworld.platform.outbound import Poster

PUBLIC = (
    "events.audit.sealed",
    "events.badge.earned",
    "events.collectible.*",
    "events.game.reloaded",
    "events.leaderboard.archived",
    "events.level.reached",
    "events.membership.granted",
    "events.quest.completed",
    "events.quest.failed",
    "events.tokens.sent",
    "events.trust.*",
    "events.user.registered",
    "events.webhook.paused",
    "events.zone.*",
)
"""What webhooks may tell: what happened in a game. Never how people moved or signed in."""


def public_topics() -> frozenset[str]:
    """The topics of this build that are public."""
    return rules.expanded(PUBLIC, public=Event.registry)


def webhooks_go_inside(settings: Settings) -> bool:
    """Whether webhooks may go to private addresses, and by plain HTTP."""
    return settings.webhooks.private_addresses or settings.mode == "development"


def poster_of(settings: Settings) -> Poster:
    """What webhooks are sent with."""
    return Poster(
        private_allowed=webhooks_go_inside(settings),
        timeout_s=settings.webhooks.timeout_s,
        connections_max=settings.webhooks.at_once,
    )


async def run(loops: Loops, *, webhooks: WebhookParts, log: EventLog) -> None:
    """Starts the fold that queues events, whose topics are those that somebody is subscribed to, and the sender.

    The subscriptions are looked up first: a fold that knew of none would pass over what waits for it.
    """
    fold = log.fold(NAME, topics=(), apply=webhooks.queueing.apply)

    def read(topics: frozenset[str]) -> None:
        fold.topics = topics

    webhooks.roster.on_topics = read
    await webhooks.roster.look()
    loops.run("webhooks-queueing", fold.run)
    loops.run("webhooks-sender", webhooks.sender.run)
