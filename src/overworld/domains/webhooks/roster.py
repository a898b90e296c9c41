"""Who is subscribed, as this process knows it: looked up every second, and at once after a change made here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from overworld.domains.webhooks import rules, store
from overworld.domains.webhooks.types import Keyring, Subscription
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database


class Roster:
    """The subscriptions and their secrets. Whoever decides by them for good reads them in its own transaction."""

    def __init__(self, *, database: Database, clock: Clock, public: frozenset[str]) -> None:
        self._database = database
        self._clock = clock
        self._public = public
        self.subscriptions: Mapping[UUID, Subscription] = {}
        self.keyrings: Mapping[UUID, Keyring] = {}
        self.topics: frozenset[str] = frozenset()
        self.on_topics: Callable[[frozenset[str]], None] = lambda _topics: None
        """Called with all topics that anybody is subscribed to, at each look."""

    async def look(self) -> None:
        """Looks everything up. Two round trips. Raises: Fault."""
        async with self._database.read() as tx:
            found = await store.every(tx)
            self.keyrings = await store.keyrings(tx, self._clock.now())
        self.subscriptions = {one.id: one for one in found}
        wanted = {topic for one in found if one.active for topic in one.topics}
        self.topics = rules.expanded(wanted, public=self._public)
        self.on_topics(self.topics)
