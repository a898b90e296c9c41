"""Something that is worked out again and again while anybody listens, once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import structlog
from msgspec import Struct, field

from overworld.kernel.refusals import Refusal
from overworld.platform.http.errors import Internal

T = TypeVar("T")


class Frame(Struct, Generic[T]):
    """What was worked out at one time, or the refusal in its place. `rendered` is kept by who shows it, by document."""

    value: T | None
    refusal: Refusal | None
    rendered: dict[Any, bytes] = field(default_factory=dict)


class Box(Generic[T]):
    """Where a listener finds the newest frame. Who is slow finds the newest one, and not those between."""

    def __init__(self) -> None:
        self.stirred = asyncio.Event()
        self._frame: Frame[T] | None = None

    def put(self, frame: Frame[T]) -> None:
        """The newest frame, in the place of one that was not taken."""
        self._frame = frame
        self.stirred.set()

    def take(self) -> Frame[T] | None:
        """The newest frame that was not taken; None when it was."""
        frame, self._frame = self._frame, None
        return frame


class Ticker(Generic[T]):
    """Works something out every `every_s` while there are listeners; `worked_out` counts it."""

    def __init__(self, work: Callable[[], Awaitable[T]], *, every_s: float) -> None:
        self._work = work
        self._every_s = every_s
        self._boxes: set[Box[T]] = set()
        self._newest: tuple[float, Frame[T]] | None = None
        self._task: asyncio.Task[None] | None = None
        self.worked_out = 0

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._boxes)

    def join(self, box: Box[T]) -> None:
        """From now on the box gets each frame; the newest one at once, when it is fresh."""
        self._boxes.add(box)
        if self._newest is not None and asyncio.get_running_loop().time() - self._newest[0] < self._every_s:
            box.put(self._newest[1])
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="graphql ticker")

    def leave(self, box: Box[T]) -> None:
        """The box gets no more; without listeners nothing is worked out."""
        self._boxes.discard(box)
        if not self._boxes and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._boxes:
            begun_s = loop.time()
            if self._newest is None or begun_s - self._newest[0] >= self._every_s:
                frame = await self._frame()
                self._newest = begun_s, frame
                for box in self._boxes:
                    box.put(frame)
            await asyncio.sleep(max(0.0, self._newest[0] + self._every_s - loop.time()))

    async def _frame(self) -> Frame[T]:
        self.worked_out += 1
        try:
            return Frame(await self._work(), None)
        except Refusal as refusal:
            return Frame(None, refusal)
        except Exception:
            # Listeners stay: the next one may be right.
            structlog.get_logger("overworld.graphql").exception("bug")
            return Frame(None, Internal())
