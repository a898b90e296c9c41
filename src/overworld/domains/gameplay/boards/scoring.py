"""How the log becomes scores: the handler of the fold, which counts every collection once, when its reward is given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TypeGuard
from uuid import UUID

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.messages import LeaderboardScored
from overworld.domains.gameplay.boards.rules import Calendar, Tally
from overworld.domains.gameplay.boards.types import WORLD, Key, Score
from overworld.domains.gameplay.held.messages import RewardReleased
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.geo import cells
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope, Event
from overworld.kernel.ports import Outbox, Tx

NAME = "leaderboards"
TOPICS = (CollectibleCollected.topic, RewardReleased.topic)

_AT_ONCE = 128
"""So many events are added up, or told, before others get their turn."""

_log = logging.getLogger(__name__)


class Scoring:
    """Adds what players collected to their scores, in the transaction that moves the cursor of the log.

    Additions only, and the latest time of each: so neither order nor portions matter. Every change is told, with the
    whole new score. `added` counts changes of scores, `late` those that came for a window whose scores are gone.
    """

    def __init__(self, *, clock: Clock, outbox: Outbox, calendar: Calendar, region_level: int) -> None:
        self._clock = clock
        self._outbox = outbox
        self._calendar = calendar
        self._region_level = region_level
        self.added = 0
        self.late = 0

    async def apply(self, tx: Tx, envelopes: Sequence[Envelope]) -> None:
        """Counts events; three round trips however many."""
        tally = Tally(self._calendar, region_level=self._region_level)
        for i, envelope in enumerate(envelopes):
            event = envelope.decode()
            if is_given(event):
                tally.add(event, envelope.at)
            if i % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        gains = tally.gains()
        closed = await store.open_windows(tx, self._calendar.ending(tally.windows))
        if closed:
            counted = [gain for gain in gains if (gain.key.board, gain.key.starts_at) not in closed]
            self.late += len(gains) - len(counted)
            _log.warning("%d scores came too late for their windows", len(gains) - len(counted))
            gains = counted
        changed = await store.add(tx, gains)
        self.added += len(changed)
        await self._outbox.append(tx, told(changed), at=self._clock.now())


def is_given(event: Event) -> TypeGuard[CollectibleCollected | RewardReleased]:
    """Whether something was given that counts: what is held counts when it is released."""
    return isinstance(event, RewardReleased) or (isinstance(event, CollectibleCollected) and not event.held)


def told(changed: Iterable[tuple[Key, UUID, Score]]) -> list[LeaderboardScored]:
    """The events that tell of new scores: one for each set."""
    rows_of: dict[Key, list[tuple[UUID, Score]]] = {}
    for key, player_id, score in changed:
        rows_of.setdefault(key, []).append((player_id, score))
    return [
        LeaderboardScored(
            board=key.board,
            starts_at=key.starts_at,
            region="" if key.region == WORLD else cells.token(key.region),
            player_ids=[player_id for player_id, _ in rows],
            scores=[score.score for _, score in rows],
            reached_us=[score.reached_us for _, score in rows],
        )
        for key, rows in rows_of.items()
    ]
