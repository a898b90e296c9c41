"""Webhooks as the app runs them: from the transaction that published an event, through the log, to a receiver."""

from __future__ import annotations

from os import urandom
from uuid import UUID

import pytest

from overworld.app import webhooks
from overworld.app.loops import Loops
from overworld.app.schemas import SCHEMAS
from overworld.app.settings import Settings
from overworld.domains.accounts.audit.messages import AuditSealed
from overworld.domains.accounts.audit.trail import Trail
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.webhooks import WebhookSettings, build
from overworld.domains.webhooks.messages import WebhookBody
from overworld.domains.world.messages import LocationUpdated
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Event
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import EventLog, PostgresOutbox
from tests.audited import staff
from tests.domains.webhooks.receiver import is_signed, receiving

ANN = UUID(int=1)


def test_every_topic_that_is_public_says_nothing_of_how_people_moved_or_signed_in():
    public = webhooks.public_topics()
    assert {"events.level.reached", "events.collectible.collected", AuditSealed.topic} <= public
    for private in (LocationUpdated.topic, "events.movement.rejected", "events.auth.login", "events.session.revoked"):
        assert private in Event.registry
        assert private not in public


@pytest.mark.parametrize(
    ("mode", "private_addresses", "goes_inside"),
    [("development", False, True), ("production", False, False), ("production", True, True)],
)
def test_webhooks_go_inside_in_development_or_where_it_is_allowed(mode, private_addresses, goes_inside):
    settings = Settings(mode=mode, webhooks=WebhookSettings(private_addresses=private_addresses))
    assert webhooks.webhooks_go_inside(settings) is goes_inside


@pytest.mark.slow
async def test_none_is_lost_when_the_server_is_started_again_meanwhile(open_database):
    """Counts what was published against what arrived, over three lives of a server; two of them end at any time."""
    clock = SystemClock()
    ids = IdSource(clock.now_us, urandom)
    outbox, count = PostgresOutbox(ids=ids), 0

    async def publish(database):
        for n in range(10):
            async with database.transaction() as tx:
                event = LevelReached(player_id=UUID(int=n % 5), level=n + 2, level_before=n + 1, experience=n)
                await outbox.append(tx, [event], at=clock.now())

    async with open_database(*SCHEMAS) as database, receiving() as receiver:
        secret = ""
        for arrived in (13, 27, 60):
            poster, loops, log = webhooks.poster_of(Settings()), Loops(), EventLog(database, clock=clock)
            parts = build(
                database=database,
                clock=clock,
                ids=ids,
                outbox=outbox,
                audit=Trail(clock=clock, ids=ids),
                poster=poster,
                public=webhooks.public_topics(),
                plain_allowed=True,
            )
            if not secret:
                body = WebhookBody(url=receiver.url, topics=("events.level.*",))
                secret = (await parts.service.make(body, staff=staff(ANN))).secret
            await publish(database)
            await log.start()
            await webhooks.run(loops, webhooks=parts, log=log)
            await publish(database)
            count += 20
            while len(set(receiver.ids)) < arrived:
                await receiver.came(len(receiver.requests) + 1)
            await loops.stop()
            await log.close()
            await poster.close()
    assert all(is_signed(request, secret) for request in receiver.requests)
    assert len({request.said["id"] for request in receiver.requests}) == count == 60
