"""The ranked sets that this process holds: read from the table when somebody asks, kept by what the log tells."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.messages import LeaderboardRebuilt, LeaderboardScored
from overworld.domains.gameplay.boards.ports import Ranks
from overworld.domains.gameplay.boards.types import WORLD, Key, Score
from overworld.geo import cells
from overworld.kernel.events import Envelope
from overworld.platform.postgres import Database

_AT_ONCE = 256
"""So many scores go into a set before others get their turn."""

TOPICS = (LeaderboardScored.topic, LeaderboardRebuilt.topic)


class Standings:
    """Keeps `ranks` in step with the table. Feed `on_events` from the log's tail before asking for a set.

    A set is there from the moment somebody asks: it takes what the log tells from then on, and what the table says.
    Both may tell of one score, and the higher one stays, so nothing is missed and nothing counted twice. At most
    `sets_max` sets are held; the region that nobody has asked for longest goes first, those of the world stay.
    """

    def __init__(self, *, database: Database, ranks: Ranks, sets_max: int) -> None:
        self.ranks = ranks
        self._database = database
        self._sets_max = sets_max
        self._held: OrderedDict[Key, _Held] = OrderedDict()

    @property
    def sets(self) -> int:
        """How many ranked sets this process holds."""
        return len(self._held)

    async def hold(self, key: Key) -> Ranks:
        """The ranks, with this set in it. Raises: Fault, Busy when it cannot be read."""
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = _Held()
            held.reading = asyncio.create_task(self._read(key, held), name=f"leaderboard {key.board}")
            await self._make_room()
        else:
            self._held.move_to_end(key)
        if held.reading is not None:
            await asyncio.shield(held.reading)
        return self.ranks

    async def on_events(self, envelopes: Sequence[Envelope]) -> list[tuple[Key, list[UUID]]]:
        """Takes new scores into the sets that are held, and gives the players who have them. Takes any event, twice."""
        changed = []
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, LeaderboardRebuilt):
                await self.forget_all()
            elif isinstance(event, LeaderboardScored):
                key = key_of(event.board, event.starts_at, event.region)
                if key in self._held:
                    await self._take(key, event)
                    changed.append((key, event.player_ids))
        return changed

    async def forget_all(self) -> None:
        """Lets go of every set; who asks next has it read again."""
        for key, held in list(self._held.items()):
            if held.reading is not None:
                held.again = True
            else:
                del self._held[key]
                await self.ranks.drop(key)

    async def let_go(self, is_over: Callable[[Key], bool]) -> None:
        """Lets go of the sets that nobody will ask for."""
        for key in [key for key, held in self._held.items() if held.reading is None and is_over(key)]:
            await self._drop(key)

    async def _take(self, key: Key, event: LeaderboardScored) -> None:
        scores = [Score(*pair) for pair in zip(event.scores, event.reached_us, strict=True)]
        gone = [player_id for player_id, score in zip(event.player_ids, scores, strict=True) if score.score == 0]
        for start in range(0, len(scores), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            await self.ranks.put(key, event.player_ids[part], scores[part])
            await asyncio.sleep(0)
        if gone:
            self._held[key].gone.update(gone)
            await self.ranks.drop(key, gone)

    async def _read(self, key: Key, held: _Held) -> None:
        try:
            while held.again:
                held.again = False
                async with self._database.transaction() as tx:
                    async for player_ids, scores in store.ranked(tx, key):
                        await self.ranks.put(key, player_ids, scores)
                        await asyncio.sleep(0)
                await self.ranks.drop(key, list(held.gone))
                if held.again:
                    await self.ranks.drop(key)
            held.reading = None
            held.gone.clear()
        except BaseException:
            self._held.pop(key, None)
            await self.ranks.drop(key)
            raise

    async def _make_room(self) -> None:
        for key in list(self._held):
            if len(self._held) <= self._sets_max:
                return
            if self._held[key].reading is None and key.region != WORLD:
                await self._drop(key)

    async def _drop(self, key: Key) -> None:
        del self._held[key]
        await self.ranks.drop(key)


class _Held:
    """A set that is held: the task that reads it, and who was taken off meanwhile; `again` when it has to be read."""

    def __init__(self) -> None:
        self.reading: asyncio.Task[None] | None = None
        self.gone: set[UUID] = set()
        self.again = True


def key_of(board: str, starts_at: datetime, region: str) -> Key:
    """The set that an event names."""
    return Key(board, starts_at, cells.from_token(region) if region else WORLD)
