"""Cell channels follow their listener: what has gone out of sight is taken away, and the client is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from overworld.domains.realtime import channels
from overworld.domains.realtime.around import Around
from overworld.domains.realtime.errors import ScopeMissing
from overworld.domains.realtime.messages import Event, Unsubscribed
from overworld.domains.realtime.ports import Place, Sight
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import AROUND, CELL_PREFIX, Subscriptions, watched_cells
from overworld.domains.realtime.types import RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.refusals import Busy, Fault, Refusal

_log = logging.getLogger(__name__)

_NOWHERE = 0


class SightKeeper:
    """Looks again when a fix lands in another room cell, and at everybody from time to time.

    The second finds those whose fixes go to another server, and those whose last fix is too old. Streams without a line
    are looked at like the others.
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

    async def run(self, follow: Callable[[Sequence[Stream]], None]) -> None:
        """Looks at everybody, some at a time, every `sight_every_s`; until cancelled.

        `follow` moves streams along that hold what is around their player.
        """
        while True:
            await asyncio.sleep(self._settings.sight_every_s)
            everybody = tuple(self._streams)
            some = self._settings.slice_streams
            for first in range(0, len(everybody), some):
                try:
                    await self.look(everybody[first : first + some], follow)
                except Exception:  # or nobody would be looked at any more
                    end_if_cancelled()
                    _log.exception("who is still in sight of what could not be looked at")
                await asyncio.sleep(0)

    async def look(self, streams: Sequence[Stream], follow: Callable[[Sequence[Stream]], None] | None = None) -> None:
        """Takes away what these streams may no longer see. Nothing while it cannot be known where they are.

        With `follow` those whose cells are to move along with their player are left to that, which looks itself.
        """
        watching = [(one, one.principal) for one in streams if one.principal is not None and _watches(one)]
        if not watching:
            return
        try:
            places = await self._sight.places([principal.account_id for _, principal in watching])
        except (Fault, Busy) as error:
            end_if_cancelled()
            _log.warning("cannot tell who is still in sight of what: %s", error)
            return
        moved: list[Stream] = []
        for (stream, principal), place in zip(watching, places, strict=True):
            cell = _NOWHERE if place is None else geo_cells.cell_of(place.lat_deg, place.lng_deg, self._room_level)
            if cell == stream.seen_from:
                continue
            if follow is not None and place is not None and stream.around_m is not None:
                moved.append(stream)
            else:
                stream.seen_from = cell
                self._keep(stream, place, principal.scopes)
        if follow is not None and moved:
            follow(moved)

    def _keep(self, stream: Stream, place: Place | None, scopes: frozenset[str]) -> None:
        lost: dict[str, list[str]] = {}
        for channel, watched in watched_cells(stream):
            refusal = self._sight.sight_refusal(place, *geo_cells.centre_deg(watched), scopes)
            if refusal is not None:
                lost.setdefault(refusal.code, []).append(channel)
        if lost and place is None and stream.around_m is not None:
            self._around.end(stream)
            lost = {code: [AROUND, *(set(names) & stream.channels.keys())] for code, names in lost.items()}
        self._take_away(stream, lost)

    def narrow(self, stream: Stream) -> None:
        """Takes away what a stream may not hold with the scopes it has now; the next `look` is at all its cells."""
        principal = stream.principal
        if principal is None:
            return
        stream.seen_from = None
        lost: dict[str, list[str]] = {}
        for channel in tuple(stream.channels):
            try:
                _require_reader(principal, channel)
            except Refusal as refusal:
                lost.setdefault(refusal.code, []).append(channel)
        if AROUND in stream.channels and not principal.may(Scope.LOCATION_READ):
            around = stream.around_channels
            lost = {code: [one for one in names if one not in around] for code, names in lost.items()}
            self._around.end(stream)
        self._take_away(stream, lost)

    def _take_away(self, stream: Stream, lost: Mapping[str, Sequence[str]]) -> None:
        for code, names in lost.items():
            for channel in names:
                stream.no_longer_around(channel)
                self._subscriptions.remove(stream, channel)
            event = Event(type="unsubscribed", data=Unsubscribed(list(names), code))
            stream.event(stream.subprotocol.tail(event))


def _require_reader(principal: Principal, channel: str) -> None:
    if channel != AROUND and not channel.startswith(CELL_PREFIX):
        channels.require_listener(principal, channel)
    elif not principal.may(Scope.LOCATION_READ):
        raise ScopeMissing(scope=Scope.LOCATION_READ)


def _watches(stream: Stream) -> bool:
    return any(True for _ in watched_cells(stream))
