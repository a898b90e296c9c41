"""What was just collected, by any server, for maps that show it vanish."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from overworld.app.live.messages import LiveCollected, LiveCollections
from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.kernel.events import Envelope

_KEPT_MAX = 2_000
_GIVEN_MAX = 500


class RecentCollections:
    """Numbers collections from 1 as the log tells of them, and remembers the newest 2,000."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[LiveCollected] = deque(maxlen=_KEPT_MAX)

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Takes collections in; other events are passed over."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, CollectibleCollected):
                self.count += 1
                self._kept.append(
                    LiveCollected(self.count, event.collectible_id, event.type, event.lat_deg, event.lng_deg)
                )

    def after(self, number: int | None) -> LiveCollections:
        """The newest collections after a number, at most 500; none for None."""
        wanted = 0 if number is None else min(self.count - number, _GIVEN_MAX, len(self._kept))
        items = list(islice(reversed(self._kept), max(0, wanted)))[::-1]
        return LiveCollections(self.count, items)
