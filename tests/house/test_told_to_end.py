"""Loops that go on after an error end when they are told to, whatever their work raises in place of that."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from overworld.domains.experiments.consumers import flags_tail
from overworld.domains.experiments.messages import FlagsChanged
from overworld.domains.gameplay.consumers import placed_tail
from overworld.domains.gameplay.messages import CollectibleWithdrawn
from overworld.domains.realtime.following import Following
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.subscriptions import cell_channel
from overworld.domains.telemetry.erasing import Eraser
from overworld.domains.telemetry.upkeep import Upkeep
from overworld.domains.world.consumers import follow_choices
from overworld.domains.world.fences.consumers import fences_tail
from overworld.domains.world.fences.messages import FencesChanged
from overworld.domains.world.fences.triggers import Triggers
from overworld.domains.world.fences.writing import Writer
from overworld.domains.world.jobs import Job
from overworld.domains.world.messages import VisibilityChanged
from overworld.geo import cells
from overworld.kernel.refusals import Fault
from overworld.platform.eventlog.log import EventLog
from overworld.platform.postgres.listening import Listener

CELL = cells.cell_of(52.5, 13.4, 15)

Loop = Callable[["Work"], Awaitable[None]]


class Work:
    """Work that waits for ever, and answers a cancellation with an error of its own. A second time it just ends."""

    def __init__(self, error: Exception) -> None:
        self.begun = asyncio.Event()
        self.count = 0
        self._error = error

    async def __call__(self, *_args: Any) -> None:
        self.count += 1
        self.begun.set()
        if self.count > 1:
            raise asyncio.CancelledError
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise self._error from None


def _self(**parts: Any) -> Any:
    """What a loop needs of the object that it belongs to."""
    return cast(Any, SimpleNamespace(**parts))


async def _listen(work: Work) -> None:
    async def connect(**_session: str) -> Any:
        return _self(add_termination_listener=lambda _: None, add_listener=work, terminate=lambda: None)

    listener = Listener(connect)
    async with listener.listening("changes", lambda _: None):
        await cast(Any, listener._task)


async def _do_a_job(work: Work) -> None:
    await Job("test", 0.0, work).run()


async def _follow_fences(work: Work) -> None:
    on_events = fences_tail(book=_self(follow=work), triggers=_self(), follows=False)
    await on_events([_self(topic=FencesChanged.topic)])


async def _follow_choices(work: Work) -> None:
    event = VisibilityChanged(player_id=UUID(int=1), visible=False)
    told = [_self(topic=event.topic, decode=lambda: event)]
    await follow_choices(told, hiding=_self(follow=work), history=None, stream=None)


async def _follow_flags(work: Work) -> None:
    await flags_tail(_self(follow=work))([_self(topic=FlagsChanged.topic)])


async def _follow_what_is_placed(work: Work) -> None:
    event = CollectibleWithdrawn(collectible_id="c", cell="89c", withdrawn_by=UUID(int=1))
    await placed_tail(_self(follow=work))([_self(topic=event.topic, decode=lambda: event)])


async def _maintain_the_log(work: Work) -> None:
    await EventLog.keep_maintained(_self(_settings=_self(maintain_every_s=0), maintain=work))


async def _maintain_raw_events(work: Work) -> None:
    await Upkeep.run(_self(maintain=work))


async def _look_at_erasures(work: Work) -> None:
    await Eraser.run(_self(look=work))


async def _write_fence_events(work: Work) -> None:
    await Writer._drain(_self(_waiting=deque([1]), write=work))


async def _read_fences_of_players(work: Work) -> None:
    await Triggers._read_all(_self(_waiting=_self(count=1), _read=work, _let_go=lambda: None))


async def _keep_in_sight(work: Work) -> None:
    settings = _self(sight_every_s=0, slice_streams=1)
    await SightKeeper.run(_self(_settings=settings, _streams=["one"], look=work), lambda _streams: None)


async def _look_who_is_in_sight(work: Work) -> None:
    stream = _self(principal=_self(account_id=1), channels=[cell_channel(CELL)])
    await SightKeeper.look(_self(_sight=_self(places=work)), [stream])


async def _move_with_players(work: Work) -> None:
    around = _self(follow=work)
    await Following._move(_self(_moved={"one": None}, _at_once=1, _around=around, _moving=True))


async def _show_collectibles(work: Work) -> None:
    new = _self(pop=lambda _stream, _default: {CELL: None})  # whenever somebody looks
    stream = _self(channels=[cell_channel(CELL)])
    await Following._ask(_self(_new=new, _snapshots=_self(collectibles=work)), stream)


ANY = ConnectionResetError("the way out failed too")
KNOWN = Fault("the database is gone")
LOOPS: list[tuple[Loop, Exception]] = [
    (_listen, ANY),
    (_do_a_job, KNOWN),
    (_do_a_job, ANY),
    (_follow_fences, KNOWN),
    (_follow_choices, KNOWN),
    (_follow_flags, KNOWN),
    (_follow_what_is_placed, KNOWN),
    (_maintain_the_log, KNOWN),
    (_maintain_raw_events, KNOWN),
    (_look_at_erasures, KNOWN),
    (_write_fence_events, KNOWN),
    (_write_fence_events, ANY),
    (_read_fences_of_players, KNOWN),
    (_read_fences_of_players, ANY),
    (_keep_in_sight, ANY),
    (_look_who_is_in_sight, KNOWN),
    (_move_with_players, ANY),
    (_show_collectibles, KNOWN),
    (_show_collectibles, ANY),
]


@pytest.mark.parametrize(("loop", "error"), LOOPS, ids=[f"{loop.__name__[1:]}-{type(e).__name__}" for loop, e in LOOPS])
async def test_it_ends(loop: Loop, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    work = Work(error)
    task = asyncio.ensure_future(loop(work))
    async with asyncio.timeout(10):
        await work.begun.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert work.count == 1
    assert caplog.records == []
