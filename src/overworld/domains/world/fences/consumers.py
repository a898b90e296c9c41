"""What fences do with the log: every server hears of changes of fences, and of what others saw of its players."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.world.fences.book import Book
from overworld.domains.world.fences.messages import FencesChanged, ZoneCrossed, ZoneDwelt, ZoneEntered, ZoneLeft
from overworld.domains.world.fences.triggers import Triggers
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault

ZONE_TOPICS = frozenset({ZoneEntered.topic, ZoneLeft.topic, ZoneCrossed.topic, ZoneDwelt.topic})
TOPICS = ZONE_TOPICS | {FencesChanged.topic}

_AGAIN_S = 0.2
_log = logging.getLogger(__name__)


def fences_tail(*, book: Book, triggers: Triggers, follows: bool) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order.

    It does not give up: a change that is passed over would be judged wrongly for as long as the process runs. What was
    seen of players matters only where several servers share a database, `follows`.
    """

    async def on_events(events: Sequence[Envelope]) -> None:
        if follows:
            decoded = [event.decode() for event in events if event.topic in ZONE_TOPICS]
            triggers.hear(one for one in decoded if isinstance(one, ZoneEntered | ZoneLeft | ZoneCrossed | ZoneDwelt))
        while any(event.topic == FencesChanged.topic for event in events):
            try:
                await book.follow()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot read the fences: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    return on_events
