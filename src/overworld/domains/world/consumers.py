"""What the world does with the log: every server hears who has become invisible, or visible again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.world.messages import VisibilityChanged
from overworld.domains.world.service import Hiding
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault

TOPICS = frozenset({VisibilityChanged.topic})

_AGAIN_S = 0.2
_log = logging.getLogger(__name__)


def visibility_tail(hiding: Hiding) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order.

    It does not give up: news that is passed over would leave a player in sight who does not want to be.
    """

    async def on_events(events: Sequence[Envelope]) -> None:
        changed = [event.decode() for event in events if event.topic in TOPICS]
        player_ids = list({event.player_id for event in changed if isinstance(event, VisibilityChanged)})
        while player_ids:
            try:
                await hiding.follow(player_ids)
            except (Fault, Busy) as error:
                _log.warning("cannot read who is invisible: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    return on_events
