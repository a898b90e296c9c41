"""A run of bots from its first sign-in to its report: the processes, the view of them, files, and the exit code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from multiprocessing import get_context
from pathlib import Path
from time import time_ns
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import numpy as np
from msgspec import Struct

from overworld.app.bots import told
from overworld.app.bots.crowd import crowd
from overworld.app.bots.figures import About, Report, Second, report
from overworld.app.bots.kinds import KINDS
from overworld.app.bots.page import page
from overworld.app.bots.recording import BadRecording, Recording, read
from overworld.app.bots.view import View
from overworld.app.bots.wire import At, Begin, End, Failed, Plan, Ready, Result, Running, Tally, Told
from overworld.app.bots.worker import work
from overworld.app.demo.city import City
from overworld.app.signals import stop_on_signal

DONE, WRONG = 0, 1
_BEGINS_IN_US = 300_000
_END_S = 10.0
_ANSWER_S = 10.0
_COURSE_EVERY_S = 1.0


class Options(Struct, frozen=True, kw_only=True):
    """What is asked for. With `replay` the file says how many bots there are and for how long they run."""

    server: str
    city_name: str
    city: City
    players: int
    cheaters: float
    seed: int
    seconds: float
    processes: int
    record: Path | None = None
    replay: Path | None = None
    json: Path | None = None
    html: Path | None = None


class GaveUp(Exception):
    """A process could not go on; the message says why, for a person."""


def bots(options: Options) -> int:
    """Runs, prints the report and writes the files; gives the exit code, 1 when the run is not as it should be.

    Raises: SystemExit when files cannot be read or written, before anything is run.
    """
    replayed = _read(options.replay)
    for file in (options.record, options.json, options.html):
        _require_place(file)
    try:
        asyncio.run(_require_server(options.server))
        found, recorded = asyncio.run(_Run(options, replayed).done())
    except GaveUp as gave_up:
        sys.stderr.write(f"overworld: {gave_up}\n")
        return WRONG
    sys.stdout.writelines(f"{line}\n" for line in told.lines(found))
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    if options.html is not None:
        options.html.write_text(page(found), encoding="utf-8")
    if options.record is not None:
        recorded.write(options.record)
    return WRONG if found.faults else DONE


def _read(file: Path | None) -> Recording | None:
    if file is None:
        return None
    try:
        recording = read(file)
    except BadRecording as bad:
        raise SystemExit(f"overworld: {bad}") from bad
    known = tuple(kind.name for kind in KINDS)[: len(recording.kind_names)]
    if known != tuple(recording.kind_names):
        raise SystemExit(f"overworld: {file} has bots of other kinds: {', '.join(recording.kind_names)}")
    return recording


def _require_place(file: Path | None) -> None:
    if file is not None and not file.parent.is_dir():
        raise SystemExit(f"overworld: there is no folder {file.parent} for {file.name}")


async def _require_server(url: str) -> None:
    """Raises: GaveUp when nobody answers there."""
    try:
        async with httpx.AsyncClient(timeout=_ANSWER_S) as client:
            await client.get(f"{url}/v1/start")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise GaveUp(f"{url} does not answer as a server: {error or type(error).__name__}") from error


class _Run:
    def __init__(self, options: Options, replayed: Recording | None) -> None:
        self._options = options
        self._replayed = replayed
        if replayed is None:
            who = crowd(seed=options.seed, players=options.players, cheaters=options.cheaters, city=options.city)
            self._kind, self._is_cheat = who.kind, who.is_cheat
            self._seconds = options.seconds
        else:
            self._kind, self._is_cheat = replayed.kind, replayed.is_cheat
            self._seconds = (replayed.end_us - replayed.start_us) / 1e6
        self._processes = max(1, min(options.processes, len(self._kind)))
        self._view = View(self._kind, seconds=self._seconds, processes=self._processes)
        self._running: list[Running] = []
        self._course: list[Second] = []
        self._results: list[Result] = []
        self._ready = 0
        self._start_us = 0
        self._before = (0.0, 0.0, 0.0)

    async def done(self) -> tuple[Report, Recording]:
        """Raises: GaveUp."""
        workers = [_Worker(plan) for plan in self._plans()]
        self._running = [Running(0.0, Tally()) for _ in workers]
        stop = stop_on_signal()
        stopping = asyncio.create_task(self._stop(stop, workers))
        try:
            with self._view:
                hearing = [asyncio.create_task(self._hear(i, worker, workers)) for i, worker in enumerate(workers)]
                try:
                    await asyncio.gather(*hearing)
                finally:
                    for task in hearing:
                        task.cancel()
        finally:
            stopping.cancel()
            await asyncio.gather(*(worker.end() for worker in workers))
        return self._report(), self._recording()

    def _plans(self) -> list[Plan]:
        options = self._options
        run, of = uuid4().hex, self._processes
        return [
            Plan(
                server=options.server, run=run, city=options.city, players=len(self._kind), cheaters=options.cheaters,
                seed=options.seed, seconds=self._seconds, share=share, of=of, records=options.record is not None,
                replay=options.replay,
            )
            for share in range(of)
        ]  # fmt: skip

    async def _hear(self, i: int, worker: _Worker, workers: Sequence[_Worker]) -> None:
        while True:
            match await worker.heard():
                case At() as at:
                    self._view.at(i, at)
                case Ready():
                    self._ready += 1
                    if self._ready == len(workers):
                        self._start_us = time_ns() // 1_000 + _BEGINS_IN_US
                        for each in workers:
                            each.tell(Begin(self._start_us))
                case Running() as running:
                    self._running[i] = running
                    self._follow()
                case Result() as result:
                    self._results.append(result)
                    return
                case Failed(why=why):
                    raise GaveUp(why)

    def _follow(self) -> None:
        tally = reduce(Tally.plus, (one.tally for one in self._running))
        at_s = min(max(one.seconds for one in self._running), self._seconds)
        self._view.runs(at_s, tally)
        sent, refused = float(tally.sent.sum()), float(tally.refused.sum())
        before_s, before_sent, before_refused = self._before
        if (span_s := at_s - before_s) >= _COURSE_EVERY_S:
            self._before = at_s, sent, refused
            self._course.append(
                Second(
                    at_s=round(at_s, 1),
                    sent_per_s=round((sent - before_sent) / span_s, 1),
                    refused_per_s=round((refused - before_refused) / span_s, 1),
                )
            )

    async def _stop(self, stop: asyncio.Event, workers: Sequence[_Worker]) -> None:
        await stop.wait()
        if self._ready < len(workers):
            raise KeyboardInterrupt
        for worker in workers:
            worker.tell(End())

    @property
    def _lasted_s(self) -> float:
        """How long the run took: as long as it was to, unless it was told to end."""
        return min(self._seconds, max(one.seconds for one in self._running))

    def _report(self) -> Report:
        options = self._options
        about = About(
            server=options.server,
            city="a recording" if self._replayed is not None else options.city_name,
            seed=None if self._replayed is not None else options.seed,
            replayed=str(options.replay) if self._replayed is not None else None,
            began_at=datetime.fromtimestamp(self._start_us / 1e6, UTC),
            seconds=self._lasted_s,
        )
        return report(
            about,
            kind=self._kind,
            is_cheat=self._is_cheat,
            tally=reduce(Tally.plus, (result.tally for result in self._results)),
            told=_together([result.told for result in self._results]),
            course=self._course,
        )

    def _recording(self) -> Recording:
        sent = np.concatenate([result.sent for result in self._results])
        wished = np.concatenate([result.wished for result in self._results])
        return Recording(
            start_us=self._start_us,
            end_us=self._start_us + round(self._lasted_s * 1e6),
            kind_names=tuple(kind.name for kind in KINDS),
            kind_is_cheat=np.array([kind.is_cheat for kind in KINDS]),
            kind=self._kind,
            sent=sent[np.lexsort((sent["bot"], sent["due_us"]))],
            wished=wished[np.lexsort((wished["bot"], wished["due_us"]))],
        )


class _Worker:
    """The other end of a process of bots."""

    def __init__(self, plan: Plan) -> None:
        context = get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(plan, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, what: Any) -> None:
        with suppress(BrokenPipeError, OSError):
            self._line.send(what)

    async def heard(self) -> Any:
        """The next that it says. Raises: GaveUp when it ends without a word."""
        try:
            return await asyncio.to_thread(self._line.recv)
        except (EOFError, OSError) as error:
            raise GaveUp("a process of bots ended; what it printed says why") from error

    async def end(self) -> None:
        self._line.close()
        await asyncio.to_thread(self._process.join, _END_S)
        self._process.kill()


def _together(all_told: Sequence[Told]) -> Told:
    return Told(
        gate={bot: gate for one in all_told for bot, gate in one.gate.items()},
        reasons={bot: reasons for one in all_told for bot, reasons in one.reasons.items()},
        noticed_s={bot: at_s for one in all_told for bot, at_s in one.noticed_s.items()},
    )
