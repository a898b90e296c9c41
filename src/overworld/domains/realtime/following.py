"""Streams follow their players: those who come into other room cells are looked at, each one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any

from overworld.domains.realtime.around import Around
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.snapshots import Snapshots
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.subscriptions import watched_cells
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.refusals import Busy, Fault

_log = logging.getLogger(__name__)


class Following:
    """Moves the cells of streams along, takes away what is out of sight, and shows what could be collected in new ones.

    However fast a player goes to and fro, of its stream one question for collectibles is under way at most. The next
    one is for what came meanwhile and is still held.
    """

    def __init__(
        self,
        *,
        around: Around,
        keeper: SightKeeper,
        snapshots: Snapshots,
        start: Callable[[Coroutine[Any, Any, None]], object],
        at_once: int,
    ) -> None:
        self._around = around
        self._keeper = keeper
        self._snapshots = snapshots
        self._start = start
        self._at_once = at_once
        self._moved: dict[Stream, None] = {}
        self._moving = False
        self._new: dict[Stream, dict[int, None]] = {}
        self._asking: set[Stream] = set()

    def follow(self, streams: Sequence[Stream]) -> None:
        """Says that the players of these streams have moved, or see less than before. Cheap."""
        self._moved.update(dict.fromkeys(streams))
        if self._moved and not self._moving:
            self._moving = True
            self._start(self._move())

    async def _move(self) -> None:
        while self._moved:
            streams = list(islice(self._moved, self._at_once))
            for stream in streams:
                del self._moved[stream]
            try:
                new = await self._around.follow(streams)
                await self._keeper.look(streams)
            except Exception:
                end_if_cancelled()
                _log.exception("streams could not follow their players")
            else:
                self._show(new)
            if self._moved:
                await asyncio.sleep(0)
        self._moving = False

    def _show(self, new: dict[Stream, list[int]]) -> None:
        for stream, cells in new.items():
            if not cells:
                continue
            self._new.setdefault(stream, {}).update(dict.fromkeys(cells))
            if stream not in self._asking:
                self._asking.add(stream)
                self._start(self._ask(stream))

    async def _ask(self, stream: Stream) -> None:
        while new := self._new.pop(stream, None):
            held = [cell for _, cell in watched_cells(stream) if cell in new]
            try:
                if held:
                    await self._snapshots.collectibles(stream, held)
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot tell what could be collected around whom: %s", error)
            except Exception:
                end_if_cancelled()
                _log.exception("what could be collected around a player could not be shown")
        self._asking.discard(stream)
