"""Where a player stands after a walk: asked when the server has judged all of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from msgspec import Struct

from overworld.client import Api
from overworld.kernel.standing import Gate

_TOLD_AFTER = timedelta(seconds=1)
"""By then a server has written how somebody moved; by default it does so twice a second."""

_PATIENCE_S = 20.0
_PAUSE_S = 0.25


class Standing(Struct, frozen=True):
    """What matters here of `GET /v1/users/me/standing`."""

    gate: Gate
    at: datetime
    judged_until: datetime | None


async def standing_after(api: Api) -> Gate:
    """The gate when everything is judged that the player has done so far, or after 20 s what it is by then.

    Raises: Refused; Unreachable.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _PATIENCE_S
    seen = await _ask(api)
    settled = seen.at + _TOLD_AFTER
    while (seen.judged_until is None or seen.judged_until < settled) and loop.time() < until_s:
        await asyncio.sleep(_PAUSE_S)
        seen = await _ask(api)
    return seen.gate


async def _ask(api: Api) -> Standing:
    return await api.call("GET", "/v1/users/me/standing", reply=Standing)
