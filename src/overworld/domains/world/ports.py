"""What the world takes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from overworld.domains.world.messages import EntityNearby


class NearbySource(Protocol):
    """A domain whose entities show in `nearby` beside the players."""

    @property
    def type(self) -> str:
        """The type of its entities, as clients filter by it."""
        ...

    async def nearby(
        self, *, viewer_id: UUID, lat_deg: float, lng_deg: float, radius_m: float, after: tuple[float, str], limit: int
    ) -> Sequence[EntityNearby]:
        """The first `limit` entities around a place that come after (distance_m, id), in that order.

        The place is in the viewer's sight; the radius is at most 10 km.
        """
        ...
