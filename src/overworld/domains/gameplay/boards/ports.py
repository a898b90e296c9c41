"""What leaderboards need from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards.types import Key, Placed, Score
from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx


class Memberships(Protocol):
    """Who belongs to what."""

    async def players(self, membership: str) -> Sequence[UUID] | None:
        """Everybody who holds a membership now, in any order; None when the game has no such membership."""
        ...


class Ranks(Protocol):
    """Ranked sets: a cache of the table of scores, which may be lost at any time.

    The highest score comes first; of equal ones who reached it first, then the lower id. Scores only grow, so putting
    is idempotent and its order does not matter: of two scores of one player the higher one stays. That is a sorted set
    whose members carry the time and the id: `ZADD GT`, `ZREVRANGE`, `ZREVRANK`, `ZMSCORE`.
    """

    async def put(self, key: Key, player_ids: Sequence[UUID], scores: Sequence[Score]) -> None:
        """Gives players scores, aligned, (n,), in any order; the set is made if need be."""
        ...

    async def drop(self, key: Key, player_ids: Sequence[UUID] | None = None) -> None:
        """Takes players out of a set, or forgets the whole set."""
        ...

    async def count(self, key: Key) -> int:
        """How many players a set has."""
        ...

    async def page(self, key: Key, start: int, count: int) -> list[Placed]:
        """The places from `start` (0 is the first) on, at most so many."""
        ...

    async def ranks(self, key: Key, player_ids: Sequence[UUID]) -> list[int | None]:
        """The ranks of players, from 1, aligned with them; None for who is not there."""
        ...

    async def scores(self, key: Key, player_ids: Sequence[UUID]) -> list[Score | None]:
        """The scores of players, aligned with them; None for who is not there."""
        ...


class Progress(Protocol):
    """How far the fold of the log into scores has come."""

    async def has_passed(self, tx: Tx, before: datetime) -> bool:
        """Whether everything is counted that happened before a time and is committed."""
        ...


class Collection(Struct, frozen=True):
    """What the books say of a collection."""

    player_id: UUID
    currency: str
    amount_minor: int
    at: datetime


class Books(Protocol):
    """What scores are counted from again."""

    async def hold(self, tx: Tx) -> None:
        """Keeps the fold from going on until the transaction ends."""
        ...

    def collections(self, tx: Tx) -> AsyncIterator[Collection]:
        """Every collection that was ever paid."""
        ...

    def logged(self, tx: Tx) -> AsyncIterator[tuple[Envelope, bool]]:
        """Every collection that the log still has, and whether the fold has counted it."""
        ...
