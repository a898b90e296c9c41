"""The way in: bodies are judged item by item, joined with their neighbours and made durable by one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NoReturn
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.telemetry import store
from overworld.domains.telemetry.errors import TelemetryBusy
from overworld.domains.telemetry.reading import Body, Fault, Incoming, read
from overworld.domains.telemetry.sampling import Sampling
from overworld.domains.telemetry.store import NewRow
from overworld.domains.telemetry.types import Parcel, TelemetrySettings
from overworld.domains.telemetry.unpacking import is_packed, unpacked
from overworld.kernel.batch import GroupCommit
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Limit, Limiter
from overworld.kernel.refusals import Busy
from overworld.platform.postgres import Database

RAW = "player.events.raw"

_REQUESTS_MAX = 20_000
_REQUESTS_AT_ONCE = 2_048
_ROW_BYTES_MAX = 1 << 20
_WORTH_PACKING_BYTES = 512
_OFF_LOOP_BYTES = 65_536
_PACKED_LEVEL = 1
_WAIT_S = 1
_BACKLOG_WAIT_S = 10
_BACKLOG_EVERY_S = 2.0

_encode = msgspec.msgpack.Encoder().encode


class Waiting(Struct, frozen=True, gc=False):
    """A request on its way into the log, and how many events it has."""

    parcel: Parcel
    events: int


class Intake:
    """Takes in what clients send. An event is acknowledged when the log in PostgreSQL has it on disk.

    Bodies are kept as they came; each request is one parcel, and one commit takes all that came while the last one was
    under way. What is in memory is bounded, and so is what the processor has not come to: beyond either bound, requests
    are told to come again, before anything is lost.
    """

    def __init__(self, *, database: Database, clock: Clock, limiter: Limiter, settings: TelemetrySettings) -> None:
        self._database = database
        self._clock = clock
        self._limiter = limiter
        self._settings = settings
        self.lane: GroupCommit[Waiting, None] = GroupCommit(
            name="telemetry", run=self._commit, queue_max=_REQUESTS_MAX, batch_max=_REQUESTS_AT_ONCE
        )
        self.sampling = Sampling.of(settings.sampling)
        self.waiting_bytes = 0
        self.backlog_bytes = 0
        self.accepted = 0
        self.sampled = 0
        self.refused = 0
        self.put_off = 0

    async def judged(self, kind: int, body: bytes) -> Body:
        """The events of a body, each one good or a fault.

        Raises: BadEvents; TooLargeUnpacked; TooManyEvents.
        """
        if len(body) > _OFF_LOOP_BYTES:
            return await asyncio.to_thread(self._read, kind, body)
        return self._read(kind, body)

    async def keep(self, kind: int, body: bytes, judged: Body, *, player: UUID | None, agent: str) -> Sequence[bool]:
        """Puts a judged body into the log, and comes back when it is on disk. Nothing is put there for nothing.

        Gives which events are sampled away, aligned with them; empty when none is.
        Raises: TelemetryBusy; Fault when the database does not answer.
        """
        self.require_room(len(body))
        if player is not None:
            await self._require_within_limit(player, len(judged.events))
        dropped = self._dropped(judged.events, player) if self.sampling else ()
        sampled = sum(dropped)
        self.sampled += sampled
        if sampled and sampled == len(judged.events):
            return dropped
        parcel = Parcel(int(kind), self._clock.now_us(), player, agent, body)
        self.waiting_bytes += len(body)
        try:
            await self.lane.submit(Waiting(parcel, len(judged.events)))
        except Busy as busy:
            self.put_off += 1
            raise TelemetryBusy(retry_after_s=_WAIT_S) from busy
        finally:
            self.waiting_bytes -= len(body)
        bad = sum(type(event) is Fault for event in judged.events)
        self.refused += bad
        self.accepted += len(judged.events) - bad - sampled
        return dropped

    async def run(self) -> NoReturn:
        """Keeps an eye on what the processor has not come to; a loop."""
        while True:
            async with self._database.read() as tx:
                self.backlog_bytes = await store.waiting_bytes(tx, RAW)
            await asyncio.sleep(_BACKLOG_EVERY_S)

    async def close(self) -> None:
        """Makes durable what was taken in, and takes no more."""
        await self.lane.close()

    def _read(self, kind: int, body: bytes) -> Body:
        plain = unpacked(body, bytes_max=self._settings.unpacked_bytes_max)
        return read(kind, plain, events_max=self._settings.events_max)

    def _dropped(self, events: Sequence[Incoming | Fault], player: UUID | None) -> list[bool]:
        return [not isinstance(event, Fault) and not self.sampling.weight_of(event, player) for event in events]

    def require_room(self, size: int = 0) -> None:
        """Lets a body of this size in, if there is room. Raises: TelemetryBusy."""
        wait_s = 0
        if self.backlog_bytes > self._settings.backlog_bytes_max:
            wait_s = _BACKLOG_WAIT_S
        elif self.waiting_bytes + size > self._settings.waiting_bytes_max:
            wait_s = _WAIT_S
        if wait_s:
            self.put_off += 1
            raise TelemetryBusy(retry_after_s=wait_s)

    async def _require_within_limit(self, player: UUID, events: int) -> None:
        per_min = self._settings.player_events_per_min
        limit = Limit(per_s=per_min / 60, burst=max(per_min, self._settings.events_max))
        taken = await self._limiter.take(f"telemetry:{player}", limit, cost=events)
        if not taken.allowed:
            self.put_off += 1
            raise TelemetryBusy(retry_after_s=max(1, round(taken.retry_after_s)))

    async def _commit(self, waiting: Sequence[Waiting]) -> Sequence[None]:
        rows = rows_of(waiting)
        async with self._database.read() as tx:
            await store.append(tx, rows, at=self._clock.now())
        return [None] * len(waiting)


def rows_of(waiting: Sequence[Waiting]) -> list[NewRow]:
    """Rows of about a megabyte at most; small requests are compressed together, which they could not be alone."""
    rows: list[NewRow] = []
    part: list[Waiting] = []
    size = 0
    for one in waiting:
        if part and size + len(one.parcel.body) > _ROW_BYTES_MAX:
            rows.append(_row(part))
            part, size = [], 0
        part.append(one)
        size += len(one.parcel.body)
    return [*rows, _row(part)]


def _row(part: Sequence[Waiting]) -> NewRow:
    encoded = _encode([one.parcel for one in part])
    plain = sum(len(one.parcel.body) for one in part if not is_packed(one.parcel.body))
    if packs := plain > _WORTH_PACKING_BYTES:
        import zstandard  # noqa: PLC0415 - servers start without it

        encoded = zstandard.ZstdCompressor(level=_PACKED_LEVEL).compress(encoded)
    return NewRow(sum(one.events for one in part), packs, encoded)
