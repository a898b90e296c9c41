"""What somebody who begins to watch a cell is shown first."""

from __future__ import annotations

from collections.abc import Sequence

from overworld.domains.realtime.messages import Event, Nearby
from overworld.domains.realtime.ports import CellViews
from overworld.domains.realtime.publishing import Publisher
from overworld.domains.realtime.stream import Stream
from overworld.geo import cells as geo_cells


class Snapshots:
    """Sends one stream what is in cells now."""

    def __init__(self, *, publisher: Publisher, views: CellViews, collectible_noun: str) -> None:
        self._publisher = publisher
        self._views = views
        self._collectibles_type = f"{collectible_noun}.nearby"

    def players(self, stream: Stream, cells: Sequence[int]) -> None:
        """Sends who is there."""
        self._publisher.players_snapshot(stream, cells)

    async def collectibles(self, stream: Stream, cells: Sequence[int]) -> None:
        """Sends what the stream's player could collect there. Raises: what the view raises."""
        if stream.principal is None:
            return
        items = await self._views.collectibles(cells, player_id=stream.principal.account_id)
        nearby = Nearby(cells=[geo_cells.token(cell) for cell in cells], items=list(items))
        stream.event(stream.subprotocol.tail(Event(type=self._collectibles_type, data=nearby)))
