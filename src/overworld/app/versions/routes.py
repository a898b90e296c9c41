"""Reloading over HTTP, for tools on the machine and for administrators."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from overworld.app.versions.errors import BadDefinition, NeedsRestart, StillHeld
from overworld.app.versions.messages import Reloaded
from overworld.app.versions.service import Versions
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, open_to_all
from overworld.platform.http.errors import Forbidden, Unauthenticated


def routes(versions: Versions) -> list[HTTPRouteHandler]:
    """The handlers."""
    refused = (Unauthenticated, Forbidden, BadDefinition, NeedsRestart, StillHeld)

    @post("/v1/game/reload", opt=open_to_all(refusals=refused), status_code=200)
    async def game_reload(*, caller: Caller) -> Reloaded:
        """Reads the game's definition again and puts it in force while players play, or refuses and changes nothing.

        Needs the scope `game.reload`, by token or developer key.
        """
        if Scope.GAME_RELOAD not in caller.scopes:
            raise Forbidden(scope=Scope.GAME_RELOAD) if caller.maybe is not None else Unauthenticated()
        return await versions.reload(caller.staff)

    return [game_reload]
