"""`location:around`: the cell channels around a player, which come and go as it moves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from overworld.domains.realtime.messages import AroundChanged, Event
from overworld.domains.realtime.ports import Place, Sight
from overworld.domains.realtime.snapshots import Snapshots
from overworld.domains.realtime.stream import NO_CHANNELS, Stream
from overworld.domains.realtime.subscriptions import AROUND, Subscriptions, cell_channel
from overworld.domains.realtime.types import RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel.refusals import Busy, Fault

_log = logging.getLogger(__name__)

_NOTHING: frozenset[str] = frozenset()


class Around:
    """Gives streams that asked for it the channels of the cells around their player."""

    def __init__(
        self, *, sight: Sight[Any], subscriptions: Subscriptions, snapshots: Snapshots, settings: RealtimeSettings
    ) -> None:
        self._sight = sight
        self._subscriptions = subscriptions
        self._snapshots = snapshots
        self._cells_max = settings.around_cells_max

    def begin(self, stream: Stream, place: Place, radius_m: float) -> list[int]:
        """From now on a stream holds what is within a radius of its player, who is here; gives all of that to be shown.

        The caller then lets it know by `tell`.
        """
        stream.around_m = radius_m
        self._subscriptions.add(stream, AROUND)
        self._centre(stream, place)
        return [cell for cell in stream.around_cells if cell_channel(cell) in stream.channels]

    def end(self, stream: Stream) -> None:
        """Takes away `location:around`, and the channels that are held only by it."""
        for channel in stream.around_channels:
            self._subscriptions.remove(stream, channel)
        self._subscriptions.remove(stream, AROUND)
        stream.around_m, stream.around_cells, stream.around_channels = None, [], NO_CHANNELS

    def tell(self, stream: Stream) -> None:
        """Tells which cells a stream holds because they are around its player."""
        held = AroundChanged([geo_cells.token(cell) for cell in stream.around_cells])
        stream.event(stream.subprotocol.tail(Event(type="around.changed", data=held)))

    async def follow(self, streams: Sequence[Stream]) -> dict[Stream, list[int]]:
        """Moves the channels of these streams to where their players are now, and shows who is in new cells.

        Gives those cells of each; what could be collected there is for the caller to show. Nothing while it cannot be
        known where they are.
        """
        moving = [(one, one.principal) for one in streams if one.around_m is not None and one.principal is not None]
        if not moving:
            return {}
        try:
            places = await self._sight.places([principal.account_id for _, principal in moving])
        except (Fault, Busy) as error:
            _log.warning("cannot tell what is around whom: %s", error)
            return {}
        return {
            stream: self._move(stream, place)
            for (stream, _), place in zip(moving, places, strict=True)
            if place is not None and stream.around_m is not None
        }

    def _move(self, stream: Stream, place: Place) -> list[int]:
        before = stream.around_cells
        if before and geo_cells.cell_of(place.lat_deg, place.lng_deg, geo_cells.level_of(before[0])) == before[0]:
            return []  # what is around depends on the room cell alone, which is the nearest
        new = self._centre(stream, place)
        if stream.around_cells is not before:
            self.tell(stream)
        if new:
            self._snapshots.players(stream, new)
        return new

    def _centre(self, stream: Stream, place: Place) -> list[int]:
        assert stream.around_m is not None  # noqa: S101 - callers look
        scopes = _NOTHING if stream.principal is None else stream.principal.scopes
        met = self._sight.around_cells(place.lat_deg, place.lng_deg, stream.around_m, self._cells_max)
        cells = [one for one in met if not self._sight.sight_refusal(place, *geo_cells.centre_deg(one), scopes)]
        if cells == stream.around_cells:
            return []
        channels = {cell_channel(cell): cell for cell in cells}
        for channel in stream.around_channels - channels.keys():
            self._subscriptions.remove(stream, channel)
        new = {channel: cell for channel, cell in channels.items() if channel not in stream.channels}
        for channel in new:
            self._subscriptions.add(stream, channel)
        stream.around_channels = frozenset((stream.around_channels & channels.keys()) | new.keys())
        stream.around_cells = cells
        self._subscriptions.changed(stream)
        stream.seen_from = None
        return list(new.values())
