"""Sync over HTTP: decode, call, encode."""

from __future__ import annotations

from litestar import post
from litestar.types import ControllerRouterHandler

from overworld.domains.gameplay.sync.messages import SyncActions, SyncBody, Synced
from overworld.domains.gameplay.sync.service import Sync
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, needs

_BODY_BYTES_MAX = 1 << 19


def routes(service: Sync) -> list[ControllerRouterHandler]:
    """The handler."""

    @post("/v1/game/sync", opt=needs(Scope.GAME_PLAY, body_bytes_max=_BODY_BYTES_MAX), status_code=200)
    async def game_sync(*, caller: Caller, data: SyncBody) -> Synced:
        """Does what was done without a network, up to 500 actions in their order, and answers for each.

        An action is rejected for what it is rejected for at any time, and when where and when it was done cannot be
        true. What was answered under a `request_id` is answered again.
        """
        return await service.sync(SyncActions(principal=caller.principal, body=data))

    return [game_sync]
