"""What experiments do with the log: every server hears that flags have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from overworld.domains.experiments.book import FlagBook
from overworld.domains.experiments.messages import FlagsChanged
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault

TOPICS = frozenset({FlagsChanged.topic})

_AGAIN_S = 0.2
_log = logging.getLogger(__name__)


def flags_tail(book: FlagBook) -> Callable[[Sequence[Envelope]], Awaitable[None]]:
    """A handler for the log's tail in each process; it takes any event, twice and in any order.

    It does not give up: by a change that is passed over, players would get other variants than elsewhere.
    """

    async def on_events(events: Sequence[Envelope]) -> None:
        while any(event.topic in TOPICS for event in events):
            try:
                await book.follow()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot read the flags: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    return on_events
