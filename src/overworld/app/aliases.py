"""The names that a game gives the platform's nouns, as paths beside the platform's own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from overworld.app.game import RouteNames

_PREFIX = "/v1/game/"


def also_named(handlers: Sequence[ControllerRouterHandler], names: RouteNames) -> Sequence[ControllerRouterHandler]:
    """The same handlers, which from now on answer under the game's names too: `/v1/game/coins` as `collectibles`.

    A noun is what stands first behind `/v1/game/`. The name of memberships stands for one of them, so its own routes
    know better.
    """
    aliases = {noun: alias for noun, alias in msgspec.structs.asdict(names).items() if alias is not None}
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            handler.paths |= {renamed for path in handler.paths if (renamed := _renamed(path, aliases)) is not None}
    return handlers


def _renamed(path: str, aliases: dict[str, str]) -> str | None:
    if not path.startswith(_PREFIX):
        return None
    noun, slash, rest = path.removeprefix(_PREFIX).partition("/")
    return f"{_PREFIX}{aliases[noun]}{slash}{rest}" if noun in aliases else None
