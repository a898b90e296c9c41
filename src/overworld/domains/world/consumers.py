"""What the world does with the log: every server follows the choices that players made on any of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from overworld.domains.world.history.messages import HistoryErased
from overworld.domains.world.history.service import History
from overworld.domains.world.messages import VisibilityChanged
from overworld.domains.world.service import Hiding
from overworld.domains.world.shares.messages import HomeChanged, ShareChanged
from overworld.domains.world.shares.stream import ShareStream
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault

TOPICS = frozenset({HistoryErased.topic, HomeChanged.topic, ShareChanged.topic, VisibilityChanged.topic})

_AGAIN_S = 0.2
_log = logging.getLogger(__name__)


async def follow_choices(
    events: Sequence[Envelope], *, hiding: Hiding, history: History | None, stream: ShareStream | None
) -> None:
    """Follows news from the log's tail in each process; it takes any event, twice and in any order.

    It does not give up: news that is passed over would leave a player in sight who does not want to be.
    """
    hidden, erased, viewers, owners = set[UUID](), set[UUID](), set[UUID](), set[UUID]()
    for event in (each.decode() for each in events if each.topic in TOPICS):
        match event:
            case VisibilityChanged():
                hidden.add(event.player_id)
            case HistoryErased():
                erased.add(event.player_id)
            case ShareChanged():
                viewers.add(event.viewer_id)
            case HomeChanged():
                owners.add(event.player_id)
    if hidden:
        await _until_done(partial(hiding.follow, list(hidden)))
    if stream is not None and (viewers or owners):
        await _until_done(partial(stream.follow, viewer_ids=viewers, owner_ids=owners))
    if history is not None and erased:
        await _until_done(partial(history.follow, erased))


async def _until_done(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await step()
        except (Fault, Busy) as error:
            end_if_cancelled()
            _log.warning("cannot follow what players chose: %s", error)
            await asyncio.sleep(_AGAIN_S)
        else:
            return
