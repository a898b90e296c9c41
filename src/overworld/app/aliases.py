"""The names that a game gives the platform's nouns, as paths beside the platform's own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from overworld.app.game import RouteNames

_PREFIXES = ("/v1/game/", "/v1/")


def also_named(handlers: Sequence[ControllerRouterHandler], names: RouteNames) -> Sequence[ControllerRouterHandler]:
    """The same handlers, which from now on answer under the game's names too: `/v1/game/coins` as `collectibles`.

    A noun is what stands first behind `/v1/game/` or, where it is no part of the game, behind `/v1/`.
    """
    aliases = {noun: alias for noun, alias in msgspec.structs.asdict(names).items() if alias is not None}
    for handler in handlers:
        if isinstance(handler, HTTPRouteHandler):
            handler.paths |= {renamed for path in handler.paths if (renamed := _renamed(path, aliases)) is not None}
    return handlers


def _renamed(path: str, aliases: dict[str, str]) -> str | None:
    prefix = next((one for one in _PREFIXES if path.startswith(one)), None)
    if prefix is None:
        return None
    noun, slash, rest = path.removeprefix(prefix).partition("/")
    return f"{prefix}{aliases[noun]}{slash}{rest}" if noun in aliases else None
