"""Webhooks on a fresh database and a clock that stands still, with a real client and real receivers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest

from overworld.domains.webhooks import SCHEMA, WebhookParts, WebhookSettings, build
from overworld.domains.webhooks.messages import WebhookBody
from overworld.domains.webhooks.ports import Poster as PosterPort
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import Event, enclose
from overworld.kernel.ids import IdSource
from overworld.platform.outbound import Poster
from overworld.platform.postgres import Database
from tests.audited import KeptTrail, staff
from tests.domains.accounts.conftest import KeptOutbox
from tests.domains.webhooks.receiver import Receiver, receiving

STAFF = staff(UUID(int=8))


class ShopOpened(Event, frozen=True, kw_only=True):
    """Something public that happens in these tests."""

    topic: ClassVar[str] = "events.webhook_shop.opened"

    shop: str
    fence_id: str | None = None
    n: int = 0

    @property
    def key(self) -> str:
        return self.shop


class ShopClosed(ShopOpened, frozen=True, kw_only=True):
    topic: ClassVar[str] = "events.webhook_shop.closed"


class ShopRobbed(ShopOpened, frozen=True, kw_only=True):
    topic: ClassVar[str] = "events.webhook_shop.robbed"


PUBLIC = (ShopOpened.topic, ShopClosed.topic)


class Post:
    """A server's webhooks; `again` is another server on the same database."""

    def __init__(self, database: Database, clock: FixedClock, ids: IdSource) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.outbox = KeptOutbox(ids)
        self.trail = KeptTrail()
        self.posters: list[Poster] = []
        self.parts = self.again()

    def again(self, *, poster: PosterPort | None = None, timeout_s: float = 5.0, **settings: Any) -> WebhookParts:
        if poster is None:
            poster = Poster(private_allowed=True, timeout_s=timeout_s, connections_max=64)
            self.posters.append(poster)
        return build(
            database=self.database,
            clock=self.clock,
            ids=self.ids,
            outbox=self.outbox,
            audit=self.trail,
            poster=poster,
            public=PUBLIC,
            plain_allowed=True,
            settings=WebhookSettings(timeout_s=timeout_s, **settings),
            draw=lambda: 0.5,
        )

    async def subscribe(self, url: str, *topics: str, **said: Any) -> tuple[UUID, str]:
        """A webhook's id and secret."""
        body = WebhookBody(url=url, topics=topics or ("events.webhook_shop.*",), **said)
        made = await self.parts.service.make(body, staff=STAFF)
        return made.webhook.id, made.secret

    async def happen(self, *events: Event, parts: WebhookParts | None = None) -> None:
        """Hands events to the fold, in one transaction."""
        envelopes = [enclose(event, id=self.ids(), at=self.clock.now()) for event in events]
        async with self.database.transaction() as tx:
            await (parts or self.parts).queueing.apply(tx, envelopes)

    async def send(self, parts: WebhookParts | None = None) -> None:
        """Sends until nothing is due."""
        chosen = parts or self.parts
        while True:
            await chosen.roster.look()
            if not await chosen.sender.turn():
                return
            await chosen.sender.settled()

    async def states(self, id: UUID) -> list[tuple[str, int]]:
        """State and attempts of a webhook's deliveries, the oldest first."""
        found = await self.parts.service.deliveries(id, state=None, before=2**62, limit=1000)
        return [(one.state.value, one.attempts) for one in reversed(found)]

    def later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
async def post(open_database, clock, ids) -> AsyncIterator[Post]:
    async with open_database(SCHEMA) as database:
        post = Post(database, clock, ids)
        yield post
        for poster in post.posters:
            await poster.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
