"""One look at the log for a whole process, instead of one for each of its readers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import asyncpg

from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.eventlog import letters, store
from overworld.platform.eventlog.recent import Recent
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.types import START, Position
from overworld.platform.postgres import Database

_QUICK_S = 0.002
_RETRY_S = 1.0
_ASK_EVERY_S = 30.0

_log = logging.getLogger(__name__)


class Pulse:
    """Knows the last readable batch, and wakes readers when there is a newer one.

    An idle log costs one small query each poll, however many readers wait. What is new is read once for all of them
    (`recent`). After something new it rests, so that under load they take more at once; while a batch waits for an
    older transaction to end, it looks again after 2 ms, 4 ms and so on up to the poll.

    It also tells consumers when dead letters are to be handled again; as a notice may be lost, every 30 s in any case.
    """

    def __init__(self, database: Database, *, settings: EventLogSettings) -> None:
        self._database = database
        self._poll_s = settings.poll_ms / 1000
        self._rest_s = settings.rest_ms / 1000
        self._batches_max = settings.batches_max
        self.recent = Recent()
        self._head = START
        self._moved = asyncio.Event()
        self._noticed = asyncio.Event()
        self._hearers: list[Callable[[], None]] = []
        self.looks = 0

    async def run(self) -> None:
        """Looks at the log until cancelled."""
        ask_at_s = asyncio.get_running_loop().time() + _ASK_EVERY_S
        async with self._database.listen(store.CHANNEL, self._notice):
            pause_s = self._poll_s
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._noticed.wait()
                if self._noticed.is_set():
                    self._noticed.clear()
                    pause_s = _QUICK_S
                if asyncio.get_running_loop().time() >= ask_at_s:
                    ask_at_s += _ASK_EVERY_S
                    self._ask()
                before = self._head
                pending = await self._look()
                if self._head > before:
                    await asyncio.sleep(self._rest_s)
                pause_s = min(2 * pause_s, self._poll_s) if pending else self._poll_s

    async def beyond(self, position: Position) -> Position:
        """The last readable batch, once it lies after `position`; at once when it does already."""
        while self._head <= position:
            await self._moved.wait()
        return self._head

    def tell_of_replays(self, hearer: Callable[[], None]) -> None:
        """Calls `hearer`, for good, whenever dead letters may wait to be handled again."""
        self._hearers.append(hearer)

    def _notice(self, payload: str) -> None:
        self._noticed.set()
        if payload == letters.REPLAY:
            self._ask()

    def _ask(self) -> None:
        for hearer in self._hearers:
            hearer()

    async def _look(self) -> bool:
        """Reads the head and wakes who waited for it; gives whether to look again soon."""
        self.looks += 1
        try:
            async with self._database.read() as tx:
                head = await store.head(tx)
                if head.position > self._head:
                    await self._read_for_all(tx)
        except (Fault, Busy, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("cannot look at the event log: %s", error)
            await asyncio.sleep(_RETRY_S)
            return False
        if head.position > self._head:
            self._head = max(head.position, self.recent.until)  # more may have come between the two
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
        return head.pending

    async def _read_for_all(self, tx: Tx) -> None:
        """Reads what is new, as much of it as one read takes: the rest is read by each."""
        topics, known = self.recent.wanted(), self._head
        if self.recent.until != known:
            self.recent.begin_anew(known)
        if known > START and (topics is None or topics):
            self.recent.extend(await store.written(tx, after=known, topics=topics, batches_max=self._batches_max))
