"""The world over HTTP: decode, call, encode."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post, put
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.response import Response

from overworld.domains.world.errors import BadPosition
from overworld.domains.world.messages import EntityNearby, FixReport, Verdict, Visibility
from overworld.domains.world.service import Hiding, World
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadRequest
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import problem_reply, refusal_of

RADIUS_DEFAULT_M = 500.0
_FIRST = (-1.0, "")

LatQuery = Annotated[float, Parameter(ge=-90, le=90, description="Latitude in degrees.")]
LngQuery = Annotated[float, Parameter(ge=-180, le=180, description="Longitude in degrees.")]
RadiusQuery = Annotated[float, Parameter(gt=0, le=1_000_000, description="Radius in metres.")]
TypesQuery = Annotated[
    str | None, Parameter(max_length=200, description="Types of entities, separated by commas; all when left out.")
]


def routes(world: World, hiding: Hiding) -> list[HTTPRouteHandler]:
    """The handlers."""

    @post(
        "/v1/location/update",
        opt=needs(Scope.LOCATION_WRITE),
        status_code=200,
        exception_handlers={BadRequest: _bad_position, ValidationException: _bad_position},
    )
    async def location_update(*, caller: Caller, data: FixReport) -> Verdict:
        """Tells where the player is, and gets the verdict: accepted with the room cell, or refused with a reason.

        With the scope `world.replay` the fix is judged on the track's own time line.
        """
        own_timeline = Scope.WORLD_REPLAY in caller.scopes
        return await world.submit(caller.principal.account_id, data, own_timeline=own_timeline)

    @get("/v1/location/nearby", opt=needs(Scope.LOCATION_READ, hot=True))
    async def location_nearby(
        *,
        caller: Caller,
        lat: LatQuery,
        lng: LngQuery,
        radius_m: RadiusQuery = RADIUS_DEFAULT_M,
        types: TypesQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[EntityNearby]:
        """Who and what is around a place within sight, nearest first. Strangers are shown at coarse places."""
        found = await world.nearby(
            viewer_id=caller.principal.account_id,
            scopes=caller.scopes,
            lat_deg=lat,
            lng_deg=lng,
            radius_m=radius_m,
            types=frozenset(filter(None, (types or "").split(","))),
            after=decode_cursor(cursor, (float, str)) if cursor else _FIRST,
            limit=limit + 1,
        )
        page = found[:limit]
        return Page(page, encode_cursor(page[-1].distance_m, page[-1].id) if len(found) > limit else None)

    @get("/v1/location/visibility", opt=needs(Scope.LOCATION_READ))
    async def visibility(*, caller: Caller) -> Visibility:
        """Whether others may see the player."""
        return Visibility(visible=await hiding.chosen(caller.principal.account_id))

    @put("/v1/location/visibility", opt=needs(Scope.LOCATION_WRITE))
    async def set_visibility(*, caller: Caller, data: Visibility) -> Visibility:
        """Lets others see the player from its next fix on, or takes it out of their sight at once; kept until changed.

        An invisible player sees, claims and listens as ever; no answer, room or message tells others that it is there.
        """
        await hiding.choose(caller.principal.account_id, visible=data.visible)
        return data

    return [location_update, location_nearby, visibility, set_visibility]


def _bad_position(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A body of another shape, or none, is a bad position, on HTTP as on the socket."""
    return problem_reply(request, BadPosition(**refusal_of(error).fields))
