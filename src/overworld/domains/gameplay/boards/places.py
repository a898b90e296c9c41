"""Where the places of one board in one window are kept: in ranked sets, in the table of results, or in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.ports import Ranks
from overworld.domains.gameplay.boards.types import Key, Placed, Score
from overworld.platform.postgres import Database


class Places(Protocol):
    """The places of one board in one window."""

    async def count(self) -> int:
        """How many there are."""
        ...

    async def page(self, start: int, count: int) -> Sequence[Placed]:
        """The places from `start` (0 is the first) on, at most so many."""
        ...

    async def of(self, player_id: UUID) -> Placed | None:
        """A player's place."""
        ...


class LivePlaces:
    """A ranked set that is held."""

    def __init__(self, ranks: Ranks, key: Key) -> None:
        self._ranks = ranks
        self._key = key

    async def count(self) -> int:
        return await self._ranks.count(self._key)

    async def page(self, start: int, count: int) -> Sequence[Placed]:
        return await self._ranks.page(self._key, start, count)

    async def of(self, player_id: UUID) -> Placed | None:
        [rank], [score] = (
            await self._ranks.ranks(self._key, [player_id]),
            await self._ranks.scores(self._key, [player_id]),
        )
        return None if rank is None or score is None else Placed(rank, player_id, score)


class KeptPlaces:
    """The results of a window that is over."""

    def __init__(self, database: Database, key: Key) -> None:
        self._database = database
        self._key = key

    async def count(self) -> int:
        async with self._database.read() as tx:
            return await store.results_count(tx, self._key)

    async def page(self, start: int, count: int) -> Sequence[Placed]:
        async with self._database.read() as tx:
            return await store.results(tx, self._key, start=start, count=count)

    async def of(self, player_id: UUID) -> Placed | None:
        async with self._database.read() as tx:
            return await store.result_of(tx, self._key, player_id)


class ListedPlaces:
    """The places of some players among themselves, aligned with the scores they have elsewhere."""

    def __init__(self, player_ids: Sequence[UUID], scores: Sequence[Score | None]) -> None:
        have = [(score, player_id) for player_id, score in zip(player_ids, scores, strict=True) if score is not None]
        have.sort(key=lambda one: (-one[0].score, one[0].reached_us, one[1].bytes))
        self._places = [Placed(i + 1, player_id, score) for i, (score, player_id) in enumerate(have)]
        self._of = {place.player_id: place for place in self._places}

    async def count(self) -> int:
        return len(self._places)

    async def page(self, start: int, count: int) -> Sequence[Placed]:
        return self._places[start : start + count]

    async def of(self, player_id: UUID) -> Placed | None:
        return self._of.get(player_id)
