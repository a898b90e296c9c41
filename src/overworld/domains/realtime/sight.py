"""Cell channels follow their listener: what has gone out of sight is taken away, and the client is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from overworld.domains.realtime.around import Around
from overworld.domains.realtime.messages import Event, Unsubscribed
from overworld.domains.realtime.ports import Place, Sight
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import AROUND, Subscriptions, watched_cells
from overworld.domains.realtime.types import RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel.refusals import Busy, Fault

_log = logging.getLogger(__name__)

_NOWHERE = 0


class SightKeeper:
    """Looks again when a fix lands in another room cell, and at everybody from time to time.

    The second finds those whose fixes come packed, over HTTP or on another server, and those whose last fix is too
    old. Streams without a line are looked at like the others.
    """

    def __init__(
        self,
        *,
        sight: Sight[Any],
        streams: Streams,
        around: Around,
        subscriptions: Subscriptions,
        settings: RealtimeSettings,
        room_level: int,
    ) -> None:
        self._sight = sight
        self._streams = streams
        self._around = around
        self._subscriptions = subscriptions
        self._settings = settings
        self._room_level = room_level

    async def run(self) -> None:
        """Looks at everybody, some at a time, every `sight_every_s`; until cancelled."""
        while True:
            await asyncio.sleep(self._settings.sight_every_s)
            everybody = tuple(self._streams)
            for first in range(0, len(everybody), self._settings.slice_sends):
                await self.look(everybody[first : first + self._settings.slice_sends])
                await asyncio.sleep(0)

    async def look(self, streams: Sequence[Stream]) -> None:
        """Takes away what these streams may no longer see. Nothing while it cannot be known where they are."""
        watching = [(one, one.principal) for one in streams if one.principal is not None and _watches(one)]
        if not watching:
            return
        try:
            places = await self._sight.places([principal.account_id for _, principal in watching])
        except (Fault, Busy) as error:
            _log.warning("cannot tell who is still in sight of what: %s", error)
            return
        for (stream, principal), place in zip(watching, places, strict=True):
            self._keep(stream, place, principal.scopes)

    def _keep(self, stream: Stream, place: Place | None, scopes: frozenset[str]) -> None:
        cell = _NOWHERE if place is None else geo_cells.cell_of(place.lat_deg, place.lng_deg, self._room_level)
        if cell == stream.seen_from:
            return
        stream.seen_from = cell
        lost: dict[str, list[str]] = {}
        for channel, watched in watched_cells(stream):
            refusal = self._sight.sight_refusal(place, *geo_cells.centre_deg(watched), scopes)
            if refusal is not None:
                lost.setdefault(refusal.code, []).append(channel)
        if lost and place is None and stream.around_m is not None:
            self._around.end(stream)
            lost = {code: [AROUND, *(set(channels) & stream.channels.keys())] for code, channels in lost.items()}
        for code, channels in lost.items():
            for channel in channels:
                stream.around_channels.discard(channel)
                self._subscriptions.remove(stream, channel)
            event = Event(type="unsubscribed", data=Unsubscribed(channels, code))
            stream.event(stream.subprotocol.tail(event))


def _watches(stream: Stream) -> bool:
    return any(True for _ in watched_cells(stream))
