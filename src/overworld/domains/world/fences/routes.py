"""Fences over HTTP, for staff: decode, call, encode."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from litestar.response import Response

from overworld.domains.world.fences.errors import BadFence, FenceOfGame, NoFence, TooManyFences
from overworld.domains.world.fences.messages import FeatureCollection, FenceBody, FenceShown, FencesImported
from overworld.domains.world.fences.service import Fences
from overworld.geo.box import Box
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    UNCHANGED,
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    etag_of,
    etag_reply,
    keyed_reply,
    needs,
    require_match,
)
from overworld.platform.http.errors import BadCursor, BadRequest, PreconditionFailed
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import fault
from overworld.platform.postgres.idempotency import KeyReused

PATH = "/v1/admin/fences"
BODY_BYTES_MAX = 256 << 10
IMPORT_BYTES_MAX = 8 << 20
_FIRST = (-1.0, "")

LatQuery = Annotated[
    float | None, Parameter(ge=-90, le=90, description="Latitude in degrees; with `lng` and `radius_m`: nearest first.")
]
LngQuery = Annotated[float | None, Parameter(ge=-180, le=180, description="Longitude in degrees.")]
RadiusQuery = Annotated[
    float | None, Parameter(gt=0, le=1_000_000, description="Radius in metres that fences have to reach into.")
]
WestQuery = Annotated[
    float | None, Parameter(ge=-180, le=180, description="Western edge in degrees; with the other three edges.")
]
SouthQuery = Annotated[float | None, Parameter(ge=-90, le=90, description="Southern edge in degrees.")]
EastQuery = Annotated[
    float | None,
    Parameter(ge=-180, le=180, description="Eastern edge in degrees; less than `west` across the date line."),
]
NorthQuery = Annotated[float | None, Parameter(ge=-90, le=90, description="Northern edge in degrees.")]


def routes(fences: Fences) -> list[HTTPRouteHandler]:
    """The handlers."""
    return [*_making(fences), *_reading(fences), *_changing(fences)]


def _making(fences: Fences) -> list[HTTPRouteHandler]:
    made = (KeyReused, BadFence, TooManyFences)

    @post(PATH, opt=needs(Scope.FENCES_WRITE, body_bytes_max=BODY_BYTES_MAX, refusals=made))
    async def fence_make(*, caller: Caller, idempotency_key: str | None, data: FenceBody) -> Response[FenceShown]:
        """Makes a fence; from then on fixes are judged by it, on every server within a moment."""
        by = caller.principal.account_id
        answer = await fences.make(data, by=by, staff=caller.staff, key=idempotency_key or "")
        return keyed_reply(answer, status=201)

    @post(f"{PATH}/import", opt=needs(Scope.FENCES_WRITE, body_bytes_max=IMPORT_BYTES_MAX, refusals=made))
    async def fences_import(
        *, caller: Caller, idempotency_key: str | None, data: FeatureCollection
    ) -> Response[FencesImported]:
        """Makes a fence of every feature of a GeoJSON FeatureCollection (RFC 7946), or none when one is wrong.

        Polygons, MultiPolygons, and Points with `properties.radius_m`; each needs `properties.name` and may have
        `properties.dwell_s`.
        """
        by = caller.principal.account_id
        answer = await fences.take_in(data, by=by, staff=caller.staff, key=idempotency_key or "")
        return keyed_reply(answer, status=201)

    return [fence_make, fences_import]


def _reading(fences: Fences) -> list[HTTPRouteHandler]:
    @get(PATH, opt=needs(Scope.FENCES_READ, refusals=(BadCursor,)))
    async def fences_list(
        *,
        lat: LatQuery = None,
        lng: LngQuery = None,
        radius_m: RadiusQuery = None,
        west: WestQuery = None,
        south: SouthQuery = None,
        east: EastQuery = None,
        north: NorthQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[FenceShown]:
        """The fences that this server judges by, with those of the game's definition: all, or some.

        With a place and a radius those that may reach into it; with four edges those whose middle lies in between.
        """
        found = fences.book.around(
            place=_place(lat, lng, radius_m),
            box=_box(west, south, east, north),
            after=decode_cursor(cursor, (float, str)) if cursor else _FIRST,
            limit=limit + 1,
        )
        page = found[:limit]
        more = encode_cursor(page[-1][0], str(page[-1][1].id)) if len(found) > limit else None
        return Page([fence for _, fence in page], more)

    @get(f"{PATH}/{{fence_id:uuid}}", opt=needs(Scope.FENCES_READ, refusals=(NoFence,)), responses=UNCHANGED)
    async def fence_show(*, request: Request[Any, Any, Any], fence_id: UUID) -> Response[FenceShown]:
        """A fence with its `ETag`."""
        return etag_reply(await fences.find(fence_id), request)

    return [fences_list, fence_show]


def _changing(fences: Fences) -> list[HTTPRouteHandler]:
    @put(
        f"{PATH}/{{fence_id:uuid}}",
        opt=needs(
            Scope.FENCES_WRITE,
            body_bytes_max=BODY_BYTES_MAX,
            refusals=(NoFence, FenceOfGame, BadFence, TooManyFences, PreconditionFailed),
        ),
    )
    async def fence_change(
        *, request: Request[Any, Any, Any], caller: Caller, fence_id: UUID, data: FenceBody
    ) -> Response[FenceShown]:
        """Replaces all that is declared of a fence; `If-Match` says of which one.

        When the shape is another one, everybody in the fence leaves it with the reason `changed`, and whoever is in the
        new shape enters with the next fix.
        """
        after = await fences.change(
            fence_id,
            data,
            by=caller.principal.account_id,
            staff=caller.staff,
            matches=lambda there: require_match(there, request),
        )
        return Response(after, headers={"ETag": etag_of(after)})

    @delete(
        f"{PATH}/{{fence_id:uuid}}",
        opt=needs(Scope.FENCES_WRITE, refusals=(NoFence, FenceOfGame, PreconditionFailed)),
    )
    async def fence_delete(*, request: Request[Any, Any, Any], caller: Caller, fence_id: UUID) -> None:
        """Deletes a fence; everybody in it leaves it with the reason `deleted`. `If-Match` says which one is meant."""
        by = caller.principal.account_id
        await fences.delete(fence_id, by=by, staff=caller.staff, matches=lambda there: require_match(there, request))

    return [fence_change, fence_delete]


def _place(lat: float | None, lng: float | None, radius_m: float | None) -> tuple[float, float, float] | None:
    """Raises: BadRequest when only some are given."""
    if lat is None and lng is None and radius_m is None:
        return None
    if lat is None or lng is None or radius_m is None:
        raise BadRequest(errors=[fault("query", "lat", "Expected together with lng and radius_m")])
    return lat, lng, radius_m


def _box(west: float | None, south: float | None, east: float | None, north: float | None) -> Box | None:
    """Raises: BadRequest when only some are given, or south lies north of north."""
    if west is None and south is None and east is None and north is None:
        return None
    if west is None or south is None or east is None or north is None:
        raise BadRequest(errors=[fault("query", "west", "Expected together with south, east and north")])
    if south > north:
        raise BadRequest(errors=[fault("query", "south", "Expected to lie south of north")])
    return Box(west_deg=west, south_deg=south, east_deg=east, north_deg=north)
