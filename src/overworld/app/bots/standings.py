"""How bots stand with the server, as each is told itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic

import msgspec
from msgspec import Struct

from overworld.app.bots.pool import Pool
from overworld.app.bots.wire import GATES, UNKNOWN_GATE, Told
from overworld.client.raw_http import Cut

PATH = "/v1/users/me/standing"
_OK, _NOT_FOUND = 200, 404
_SUSPECTED = ("reduced", "review", "refused")


class _Reason(Struct, frozen=True):
    """What speaks against a player, as much of it as can be counted."""

    kind: str


class _Standing(Struct, frozen=True):
    """As much of the answer as is looked at; replies may grow."""

    gate: str
    reasons: list[_Reason] = []


class Standings:
    """Asks for the standing of bots; `tokens` are those they act with now. Without such a route all are unknown."""

    def __init__(self, pool: Pool, tokens: Mapping[int, str]) -> None:
        self._pool = pool
        self._tokens = tokens
        self._gate: dict[int, str] = {}
        self._reasons: dict[int, tuple[str, ...]] = {}
        self._noticed_s: dict[int, float] = {}
        self._is_told = True

    @property
    def told(self) -> Told:
        """What has been told so far."""
        return Told(gate=dict(self._gate), reasons=dict(self._reasons), noticed_s=dict(self._noticed_s))

    async def ask(self, bots: Sequence[int], *, began_s: float, at_once: int) -> int:
        """Asks for those bots, so many at once; gives how many answered. `began_s` is when the run began, monotonic."""
        left = iter(bots)
        before = len(self._gate)

        async def in_turn() -> None:
            for bot in left:
                if self._is_told:
                    await self._ask(bot, began_s=began_s)

        async with asyncio.TaskGroup() as asking:
            for _ in range(min(at_once, len(bots))):
                asking.create_task(in_turn())
        return len(self._gate) - before

    async def _ask(self, bot: int, *, began_s: float) -> None:
        try:
            status, body = await self._pool.ask("GET", PATH, token=self._tokens[bot])
        except (Cut, OSError):
            return
        if status == _NOT_FOUND:
            self._is_told = False
        if status != _OK:
            return
        try:
            standing = msgspec.json.decode(body, type=_Standing)
        except msgspec.DecodeError:
            return
        self._gate[bot] = standing.gate if standing.gate in GATES else UNKNOWN_GATE
        self._reasons[bot] = tuple(reason.kind for reason in standing.reasons)
        if self._gate[bot] in _SUSPECTED:
            self._noticed_s.setdefault(bot, monotonic() - began_s)
