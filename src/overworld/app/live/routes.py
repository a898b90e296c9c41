"""The live map's data over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.response import Response
from msgspec import Struct, field
from msgspec.structs import replace

from overworld.app.live.access import Viewers
from overworld.app.live.following import Following
from overworld.app.live.messages import (
    LiveAbout,
    LiveCollectibles,
    LiveLying,
    LivePlayer,
    LiveTotals,
    LiveWorld,
    players_of,
)
from overworld.app.live.recent import RecentCollections
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.gameplay.types import Spawn
from overworld.domains.realtime.gateway import Gateway
from overworld.domains.world.service import World
from overworld.domains.world.types import Reason
from overworld.geo import cells
from overworld.geo.box import Box
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal
from overworld.platform.http import UNCHANGED, Caller, etag_reply, needs, open_to_all
from overworld.platform.http.errors import BadRequest, Forbidden, Unauthenticated
from overworld.platform.http.problems import fault

PREFIX = "/v1/live/"
CELLS_MAX = 3_000
_PLAYERS_DEFAULT = 5_000
_COLLECTIBLES_LOOKS = 5  # 3,000 cells take a tenth of a second to work out
_PLAYER_LOOKS = 5  # some 15 statements
_MS_US = 1_000
_PLACE_DIGITS = 7

WestQuery = Annotated[float, Parameter(ge=-180, le=180, description="Western edge in degrees.")]
SouthQuery = Annotated[float, Parameter(ge=-90, le=90, description="Southern edge in degrees.")]
EastQuery = Annotated[
    float, Parameter(ge=-180, le=180, description="Eastern edge in degrees; less than `west` across the date line.")
]
NorthQuery = Annotated[float, Parameter(ge=-90, le=90, description="Northern edge in degrees.")]
PlayersMaxQuery = Annotated[int, Parameter(ge=0, le=20_000, description="Most players to be given.")]
PlayerPath = Annotated[int, Parameter(ge=0, le=2**53, description="The id of a player in `/v1/live/world`.")]
AfterQuery = Annotated[
    int | None, Parameter(ge=0, le=2**53, description="Tell what was collected after this number; nothing if left out.")
]


class ViewTooWide(Refusal):
    """The view holds more cells than are looked through at once; come nearer."""

    code = "live.view_too_wide"
    status = 400
    public = ("cells_max",)


class NoPlayer(Refusal):
    """Nobody in view is called so; players who left and came back are called otherwise."""

    code = "live.no_player"
    status = 404


class LiveMap(Struct, frozen=True, kw_only=True):
    """The doors that the map looks through."""

    about: Callable[[], LiveAbout]
    epoch: str
    viewers: Viewers
    world: World
    gameplay: Gameplay
    gateway: Gateway
    following: Following
    recent: RecentCollections
    clock: Clock
    window_us: int
    cell_level: int
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def look(self, box: Box, *, players_max: int, collected_after: int | None) -> LiveWorld:
        """Who is in view now."""
        found = self.world.located(box, limit=players_max)
        return LiveWorld(
            epoch=self.epoch,
            at_ms=self.clock.now_us() // _MS_US,
            totals=self.totals(),
            in_view=found.count,
            players=players_of(found),
            collected=self.recent.after(collected_after),
        )

    def totals(self) -> LiveTotals:
        """The figures of the whole server."""
        judged = self.world.judged
        return LiveTotals(
            players=self.world.engine.present_count,
            sockets=self.gateway.connections,
            fixes_accepted=int(judged[Reason.NONE]),
            fixes_refused=int(sum(judged[reason] for reason in Reason if reason is not Reason.NONE)),
            collected=self.recent.count,
        )

    async def collectibles(self, box: Box) -> LiveCollectibles:
        """What can be collected in view. One statement. Raises: ViewTooWide.

        One view at a time: of many that are asked for at once, each would take its slice of every turn of the loop.
        """
        now_us = self.clock.now_us()
        try:
            wanted = cells.cover_cap(*box.disc(), self.cell_level, CELLS_MAX)
        except ValueError as error:
            raise ViewTooWide(cells_max=CELLS_MAX) from error
        async with self.turn:
            items = _columns(await self.gameplay.lying_in(wanted, at=from_us(now_us)), box)
        expires_at_ms = (now_us // self.window_us + 1) * self.window_us // _MS_US
        return LiveCollectibles(at_ms=now_us // _MS_US, expires_at_ms=expires_at_ms, items=items)


def routes(live: LiveMap) -> list[HTTPRouteHandler]:
    """The handlers."""
    refused = (Unauthenticated, Forbidden)

    @get(f"{PREFIX}about", opt=open_to_all(refusals=refused))
    async def live_about(*, caller: Caller, request: Request[Any, Any, Any]) -> LiveAbout:
        """What the live map shows.

        Needs the scope `world.read`, by token or developer key; but not in a demo, nor in development on the machine
        itself.
        """
        await live.viewers.admit(caller, request.headers)
        charts = Scope.ANALYTICS_READ in caller.scopes or live.viewers.is_open_to(caller, request.headers)
        return replace(live.about(), follows=live.viewers.trusts(caller, request.headers), charts=charts)

    @get(f"{PREFIX}world", opt=open_to_all(refusals=refused))
    async def live_world(
        *,
        caller: Caller,
        request: Request[Any, Any, Any],
        west: WestQuery,
        south: SouthQuery,
        east: EastQuery,
        north: NorthQuery,
        players_max: PlayersMaxQuery = _PLAYERS_DEFAULT,
        collected_after: AfterQuery = None,
    ) -> LiveWorld:
        """The exact places of the players in view, figures, and what was just collected.

        Answers the same callers as `/v1/live/about`.
        """
        await live.viewers.admit(caller, request.headers)
        return live.look(_box(west, south, east, north), players_max=players_max, collected_after=collected_after)

    @get(f"{PREFIX}collectibles", opt=open_to_all(refusals=(*refused, ViewTooWide)))
    async def live_collectibles(
        *,
        caller: Caller,
        request: Request[Any, Any, Any],
        west: WestQuery,
        south: SouthQuery,
        east: EastQuery,
        north: NorthQuery,
    ) -> LiveCollectibles:
        """What can be collected in view.

        Answers the same callers as `/v1/live/about`.
        """
        await live.viewers.admit(caller, request.headers, looks=_COLLECTIBLES_LOOKS)
        return await live.collectibles(_box(west, south, east, north))

    return [live_about, live_world, live_collectibles, *_player_routes(live)]


def _player_routes(live: LiveMap) -> list[HTTPRouteHandler]:
    @get(f"{PREFIX}me", opt=needs(Scope.GAME_READ), responses=UNCHANGED)
    async def live_me(*, caller: Caller, request: Request[Any, Any, Any]) -> Response[LivePlayer]:
        """What the live map shows you of yourself. Answers 304 when `If-None-Match` names what you would get."""
        await live.viewers.count(caller, looks=_PLAYER_LOOKS)
        return etag_reply(await live.following.player(caller.principal.account_id), request)

    refused = (Unauthenticated, Forbidden, NoPlayer)

    @get(f"{PREFIX}players/{{id:int}}", opt=open_to_all(refusals=refused), responses=UNCHANGED)
    async def live_player(*, caller: Caller, request: Request[Any, Any, Any], id: PlayerPath) -> Response[LivePlayer]:
        """The same of a player in view, by the id that the live map has for them.

        Needs the scope `world.read`, by token or developer key, or a caller on the machine itself in development; a
        demo shows everybody where players are, and nobody what they hold. Answers 304 when `If-None-Match` names what
        you would get.
        """
        await live.viewers.admit_to_follow(caller, request.headers, looks=_PLAYER_LOOKS)
        player_id = live.world.located_player(id)
        if player_id is None:
            raise NoPlayer
        return etag_reply(await live.following.player(player_id), request)

    return [live_me, live_player]


def _box(west: float, south: float, east: float, north: float) -> Box:
    if south > north:
        raise BadRequest(errors=[fault("query", "south", "Expected to lie south of north")])
    return Box(west_deg=west, south_deg=south, east_deg=east, north_deg=north)


def _columns(spawned: list[Spawn], box: Box) -> LiveLying:
    inside = box.holds(
        np.array([spawn.lat_deg for spawn in spawned]), np.array([spawn.lng_deg for spawn in spawned])
    ).tolist()
    shown = [spawn for spawn, is_inside in zip(spawned, inside, strict=True) if is_inside]
    return LiveLying(
        id=[spawn.id for spawn in shown],
        type=[spawn.kind.type for spawn in shown],
        lat=[round(spawn.lat_deg, _PLACE_DIGITS) for spawn in shown],
        lng=[round(spawn.lng_deg, _PLACE_DIGITS) for spawn in shown],
    )
