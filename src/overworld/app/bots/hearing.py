"""What the server says to bots, counted: verdicts in columns, everything else message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from overworld.app.bots.wire import REASONS, Tally
from overworld.client.messages import Frame
from overworld.client.raw import SocketLine
from overworld.geo.columns import I64
from overworld.kernel.packed import HEADER, VERDICT, VERDICTS, VERSION

_ONE = HEADER.pack(VERDICTS, VERSION, 1)
_ONE_BYTES = HEADER.size + VERDICT.itemsize
_LOOK_S = 0.05
_EXPECTED = frozenset({"auth_result", "unsubscribed", "around.changed"})
_BARRIER = b'{"type":"unsubscribe","channels":["system"],"cid":"end"}'


class Hearing:
    """The ears of a process. `kind` is the kind of each bot; `tried` is told of each claim that came to an end."""

    def __init__(self, kind: I64) -> None:
        self.tally = Tally()
        self.tried: Callable[[int, str], None] = _nobody
        self._kind = kind
        self._bots: list[int] = []
        self._verdicts: list[bytes] = []
        self._claims: dict[str, tuple[int, str]] = {}
        self._asked = 0
        self._ended: set[int] = set()

    def asks(self, bot: int, collectible: str) -> str:
        """Notes that a bot claims something; gives the `cid` of the claim."""
        self._asked += 1
        cid = f"c{self._asked}"
        self._claims[cid] = bot, collectible
        return cid

    def packed(self, bot: int, frame: bytes) -> None:
        """A packed frame came. Bots send one fix a frame, so it holds one verdict."""
        if len(frame) == _ONE_BYTES and frame.startswith(_ONE):
            self._bots.append(bot)
            self._verdicts.append(frame[HEADER.size :])
        else:
            self.tally.said[f"a packed frame of {len(frame)} bytes"] += 1

    def count(self) -> None:
        """Counts the verdicts that came since the last time."""
        if not self._bots:
            return
        kinds = self._kind[np.array(self._bots)]
        verdicts = np.frombuffer(b"".join(self._verdicts), VERDICT)
        reasons = np.minimum(verdicts["reason"], REASONS - 1)
        np.add.at(self.tally.refused, (kinds, reasons), verdicts["accepted"] == 0)
        self._bots, self._verdicts = [], []

    def text(self, bot: int, payload: bytes) -> None:
        """A message came."""
        frame = msgspec.json.decode(payload, type=Frame)
        if frame.cid == "end":
            self._ended.add(bot)
        elif frame.cid in self._claims:
            self._claimed(frame)
        elif frame.error is not None:
            # Only a fix has no name of its own: the server had no room for it.
            self.tally.lost += 1
            self.tally.said[str(frame.error.get("code"))] += 1
        elif frame.type not in _EXPECTED:
            self.tally.said[frame.type] += 1

    async def wait_judged(self, lines: Mapping[int, SocketLine], *, within_s: float) -> None:
        """Waits until all that these lines have sent is judged: only then does the server answer what follows it."""
        awaited = set(lines)
        for line in list(lines.values()):
            line.send(_BARRIER)
        for _ in range(round(within_s / _LOOK_S)):
            if not (awaited & set(lines)) - self._ended:
                break
            await asyncio.sleep(_LOOK_S)
        self.tally.silent += len((awaited & set(lines)) - self._ended)
        self.count()

    def _claimed(self, frame: Frame) -> None:
        bot, collectible = self._claims.pop(str(frame.cid))
        if frame.error is None:
            self.tally.collected[self._kind[bot]] += 1
        else:
            self.tally.claims_refused[int(self._kind[bot]), str(frame.error.get("code"))] += 1
        self.tried(bot, collectible)


def _nobody(_bot: int, _collectible: str) -> None:
    """Who is told of claims until somebody wants to know."""
