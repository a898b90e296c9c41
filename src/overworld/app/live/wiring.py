"""Puts the live map's data together."""

from __future__ import annotations

from collections.abc import Callable

from overworld import __version__
from overworld.app.game import Game
from overworld.app.live.access import Viewers
from overworld.app.live.following import Following
from overworld.app.live.messages import LiveAbout, LiveHome, LiveServer, LiveType
from overworld.app.live.recent import RecentCollections
from overworld.app.live.routes import LiveMap
from overworld.app.settings import Settings
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.world.service import World
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Limiter

_SECOND_US = 1_000_000


def build(
    *,
    settings: Settings,
    game: Callable[[], Game],
    world: World,
    gameplay: Gameplay,
    gateway: Gateway,
    following: Following,
    clock: Clock,
    ids: IdSource,
    limiter: Limiter,
) -> LiveMap:
    """The map of one server; `recent` has to be told of collections. In production it opens for `world.read` only."""
    demo = settings.demo
    home = LiveHome(lat=demo.lat, lng=demo.lng, radius_m=demo.radius_m) if demo.enabled else None
    return LiveMap(
        about=lambda: about(game(), settings=settings, home=home),
        epoch=ids().hex,
        viewers=Viewers(
            everybody=demo.enabled,
            machine=settings.mode == "development",
            limiter=limiter,
            limits_enabled=settings.limits.enabled,
        ),
        world=world,
        gameplay=gameplay,
        gateway=gateway,
        following=following,
        recent=RecentCollections(),
        clock=clock,
        window_us=game().collectibles.window_s * _SECOND_US,
        cell_level=game().collectibles.cell_level,
    )


def about(game: Game, *, settings: Settings, home: LiveHome | None = None) -> LiveAbout:
    """What the map shows of a game."""
    return LiveAbout(
        title=game.title,
        planet=game.planet,
        collectibles=game.routes.collectibles or "collectibles",
        room_level=settings.world.room_level,
        demo=home is not None,
        home=home,
        types=[LiveType(name, kind.value, kind.currency) for name, kind in game.collectibles.types.items()],
        server=LiveServer(__version__),
    )
