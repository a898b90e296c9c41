"""What gameplay does with the log: every server hears what was placed, and what was withdrawn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.gameplay.messages import CollectiblePlaced, CollectibleWithdrawn
from overworld.domains.gameplay.placing import Placing
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault

TOPICS = frozenset({CollectiblePlaced.topic, CollectibleWithdrawn.topic})

_AGAIN_S = 0.2
_log = logging.getLogger(__name__)


def placed_tail(placing: Placing) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order.

    It does not give up: news that is passed over would hide a collectible here for as long as the process runs.
    """

    async def on_events(events: Sequence[Envelope]) -> None:
        changed = [event.decode() for event in events if event.topic in TOPICS]
        ids = {one.collectible_id for one in changed if isinstance(one, CollectiblePlaced | CollectibleWithdrawn)}
        while ids:
            try:
                await placing.follow(ids)
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot read what was placed: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    return on_events
