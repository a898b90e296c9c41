"""Where fixes come in, and where their verdicts go out: to whoever waits for one, or as packed frames to reporters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import msgspec
from msgspec import Raw

from overworld.domains.world.engine import inbox
from overworld.domains.world.engine.engine import Engine, Pass, flags_of
from overworld.domains.world.engine.players import NO_SLOT
from overworld.domains.world.engine.verdicts import GONE
from overworld.domains.world.errors import BadPosition
from overworld.domains.world.fences.triggers import Triggers
from overworld.domains.world.messages import FixReport, Verdict
from overworld.domains.world.rules import LAT_MAX_DEG, LNG_MAX_DEG
from overworld.domains.world.types import Reason
from overworld.geo import cells as geo_cells
from overworld.kernel import packed
from overworld.kernel.clock import FIRST_US, LAST_US, Clock, to_us
from overworld.kernel.refusals import Busy
from overworld.kernel.tick import Tick

FRAME_POSITIONS_MAX = 1_024
"""No packed frame holds more fixes."""

_REPORT = msgspec.json.Decoder(FixReport)
_REFUSED: dict[Reason, Verdict] = {
    reason: Verdict(accepted=False, reason=reason.wire) for reason in Reason if reason is not Reason.NONE
}
# The first four bytes that a frame must have, by its length, and its count: one look checks them all.
_HEADS: dict[int, tuple[bytes, int]] = {
    packed.HEADER.size + count * packed.POSITION.itemsize: (
        packed.HEADER.pack(packed.POSITIONS, packed.VERSION, count),
        count,
    )
    for count in range(1, FRAME_POSITIONS_MAX + 1)
}
_NO_HEAD = (b"\0", 0)


class Reporter:
    """Reports packed fixes of one player. Close it: while it is open the player is not forgotten."""

    __slots__ = ("_head", "_intake", "_tick", "number", "slot", "tell")

    def __init__(
        self, intake: Intake, *, number: int, slot: int, generation: int, own_timeline: bool,
        tell: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        self.number = number
        self.slot = slot
        self.tell = tell
        self._intake = intake
        self._tick = intake.tick
        self._head = inbox.head(slot=slot, generation=generation, reporter=number, own_timeline=own_timeline)

    def put(self, frame: bytes, now_s: float) -> None:
        """Queues a frame of kind 1, whole or not at all; `tell` gets refusals and acks later, in the order of frames.

        `now_s` is the monotonic clock: a pass that is overdue runs before this returns.
        Raises: BadPosition when it is no such frame; Busy when no more fixes are taken.
        """
        head, count = _HEADS.get(len(frame), _NO_HEAD)
        if not frame.startswith(head):
            raise BadPosition(errors=[{"path": "frame", "reason": "Expected a packed frame of positions, version 1"}])
        tick = self._tick
        tick.put(self._head + frame, count)
        if now_s >= tick.latest_s:
            tick.keep_up()

    def settled(self) -> asyncio.Future[None] | None:
        """Resolves when what was put so far is judged; None when it is."""
        return self._intake.settled()

    def close(self) -> None:
        """Ends it; nothing is told any more."""
        self.tell = _nobody_hears
        self._intake.close(self)


class Intake:
    """The fixes under way between the doors and the verdict pass."""

    def __init__(self, *, engine: Engine, clock: Clock, triggers: Triggers) -> None:
        self.tick: Tick
        self._triggers = triggers
        self._engine = engine
        self._clock = clock
        self._waiting: list[asyncio.Future[Verdict]] = []
        self._taken: list[asyncio.Future[Verdict]] = []
        self._settled: asyncio.Future[None] | None = None
        self._reporters: list[Reporter | None] = [None]
        self._free: list[int] = []
        self._closed: list[int] = []

    def submit(self, player_id: UUID, report: FixReport, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """As `World.submit`."""
        time_us = to_us(report.timestamp)
        if not (abs(report.lat) <= LAT_MAX_DEG and abs(report.lng) <= LNG_MAX_DEG and FIRST_US <= time_us <= LAST_US):
            raise BadPosition(errors=_out_of_bounds(report, time_us))
        slot, generation = self._admit(player_id)
        entry = inbox.single(
            slot=slot,
            generation=generation,
            time_us=time_us,
            lat_deg=report.lat,
            lng_deg=report.lng,
            accuracy_m=report.accuracy_m,
            altitude_m=report.altitude_m,
            speed_m_s=report.speed_m_s,
            heading_deg=report.heading_deg,
            flags=flags_of(own_timeline=own_timeline, mock=report.mock),
        )
        self.tick.put(entry)
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(verdict)
        return verdict

    def report(self, player_id: UUID, data: Raw | bytes, *, own_timeline: bool = False) -> asyncio.Future[Verdict]:
        """As `World.report`."""
        try:
            report = _REPORT.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise BadPosition(errors=[{"path": "data", "reason": str(error)[:200]}]) from error
        return self.submit(player_id, report, own_timeline=own_timeline)

    def open(self, player_id: UUID, *, own_timeline: bool, tell: Callable[[bytes], None]) -> Reporter:
        """As `World.open`."""
        slot, generation = self._admit(player_id)
        if not self._free:
            self._free.append(len(self._reporters))
            self._reporters.append(None)
        reporter = Reporter(
            self, number=self._free.pop(), slot=slot, generation=generation, own_timeline=own_timeline, tell=tell
        )
        self._reporters[reporter.number] = reporter
        self._engine.players.reporters[slot] += 1
        return reporter

    def close(self, reporter: Reporter) -> None:
        """Forgets a reporter; its number is given to another one when the frames that wait are judged."""
        if self._reporters[reporter.number] is reporter:
            self._reporters[reporter.number] = None
            self._engine.players.reporters[reporter.slot] -= 1
            self._closed.append(reporter.number)

    def settled(self) -> asyncio.Future[None] | None:
        """Resolves when the coming pass has told its verdicts; None when nothing waits."""
        if not self.tick.waiting:
            return None
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
        return self._settled

    def take(self) -> None:
        """A pass begins: those who wait now are told by it."""
        self._taken, self._waiting = self._waiting, []

    def tell(self, batch: Pass) -> None:
        """A pass has judged: tells everybody."""
        if self._taken:
            self._answer(batch)
        for number, frame in self._engine.verdict_frames(batch):
            reporter = self._reporters[number]
            if reporter is not None:
                reporter.tell(frame)
        self._done()

    def fail(self, error: Exception) -> None:
        """A pass has failed: those who wait are told, and the others' fixes are lost."""
        for verdict in self._taken:
            if not verdict.done():
                verdict.set_exception(error)
        self._done()

    def _answer(self, batch: Pass) -> None:
        rows = (batch.fix["reporter"] == inbox.NOBODY).nonzero()[0]
        triggers = self._triggers
        reasons, cells = batch.judged["reason"][rows].tolist(), batch.judged["cell"][rows].tolist()
        for verdict, reason, cell, row in zip(self._taken, reasons, cells, rows.tolist(), strict=True):
            if verdict.done():
                continue
            if reason == 0:
                token = geo_cells.token(cell)
                if not triggers.hold(row, verdict, token):
                    verdict.set_result(Verdict(accepted=True, cell=token, triggers=triggers.of(row)))
            elif reason == GONE:
                verdict.set_exception(Busy("the player was forgotten meanwhile; send the fix again"))
            else:
                verdict.set_result(_REFUSED[Reason(reason)])

    def _done(self) -> None:
        self._taken = []
        self._free += self._closed
        self._closed = []
        settled, self._settled = self._settled, None
        if settled is not None and not settled.done():
            settled.set_result(None)

    def _admit(self, player_id: UUID) -> tuple[int, int]:
        players = self._engine.players
        slot = players.admit(player_id, now_us=self._clock.now_us())
        if slot == NO_SLOT:
            raise Busy("world takes no more players for the moment")
        return slot, int(players.generation[slot])


def _out_of_bounds(report: FixReport, time_us: int) -> list[dict[str, str]]:
    """What is wrong with the place, and with a time that its offset moves out of the years there are."""
    bounds = (("lat", report.lat, LAT_MAX_DEG), ("lng", report.lng, LNG_MAX_DEG))
    errors = [
        {"path": name, "reason": f"Expected a number of degrees between -{bound:g} and {bound:g}"}
        for name, value, bound in bounds
        if not abs(value) <= bound
    ]
    if not FIRST_US <= time_us <= LAST_US:
        errors.append({"path": "timestamp", "reason": "Expected a time in the years 1 to 9999 UTC"})
    return errors


def _nobody_hears(_frame: bytes) -> None:
    """What a closed reporter tells its verdicts to."""
