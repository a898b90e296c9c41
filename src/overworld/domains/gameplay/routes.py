"""Gameplay over HTTP: decode, call, encode. Every path also answers under the name the game declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from litestar import delete, get, post
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from overworld.domains.gameplay.errors import (
    AlreadyCollected,
    BadPlacement,
    CapReached,
    CoolingDown,
    Expired,
    LowTrust,
    NotFound,
    OutOfReach,
    OutOfStock,
    RadiusTooWide,
    RefusedByRule,
    RuleFailed,
    StalePosition,
    TooManyPlaced,
    WalletFrozen,
    WalletFull,
)
from overworld.domains.gameplay.messages import (
    ClaimCollectible,
    CollectBody,
    Collected,
    CollectibleNearby,
    PlaceBody,
    PlaceCollectibles,
    PlacedCollectibles,
)
from overworld.domains.gameplay.placing import Placing
from overworld.domains.gameplay.service import Gameplay
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    keyed_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused

RADIUS_DEFAULT_M = 500.0
CLAIM_REFUSALS = (
    NotFound,
    Expired,
    StalePosition,
    LowTrust,
    OutOfReach,
    RefusedByRule,
    RuleFailed,
    CapReached,
    CoolingDown,
    AlreadyCollected,
    WalletFrozen,
    OutOfStock,
    WalletFull,
)

LatQuery = Annotated[float, Parameter(ge=-90, le=90, description="Latitude in degrees.")]
LngQuery = Annotated[float, Parameter(ge=-180, le=180, description="Longitude in degrees.")]
RadiusQuery = Annotated[float, Parameter(gt=0, le=1_000_000, description="Radius in metres.")]
IdPath = Annotated[str, Parameter(max_length=64, description="The collectible's id.")]


def routes(service: Gameplay, placing: Placing, *, alias: str | None) -> list[ControllerRouterHandler]:
    """The handlers; `alias` is what the game calls its collectibles in paths."""
    names = ["collectibles", *([alias] if alias else [])]

    @get([f"/v1/game/{name}/nearby" for name in names], opt=needs(Scope.GAME_READ, refusals=(RadiusTooWide, BadCursor)))
    async def collectibles_nearby(
        *,
        caller: Caller,
        lat: LatQuery,
        lng: LngQuery,
        radius_m: RadiusQuery = RADIUS_DEFAULT_M,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[CollectibleNearby]:
        """What can be collected around a place within sight, nearest first."""
        found = await service.nearby(
            player_id=caller.principal.account_id,
            scopes=caller.scopes,
            lat_deg=lat,
            lng_deg=lng,
            radius_m=radius_m,
            after=None if cursor is None else _place_in(cursor),
            limit=limit + 1,
        )
        page = found[:limit]
        more = encode_cursor(page[-1].distance_m, page[-1].id) if len(found) > limit else None
        return Page(page, more)

    @post(
        [f"/v1/game/{name}/{{id:str}}/collect" for name in names],
        opt=needs(Scope.GAME_PLAY, key_required=True, refusals=(KeyReused, *CLAIM_REFUSALS)),
        status_code=200,
    )
    async def collectible_collect(
        *, caller: Caller, idempotency_key: str | None, id: IdPath, data: CollectBody
    ) -> Response[Collected]:
        """Collects what lies within the caller's reach, once."""
        principal = caller.principal
        claim = ClaimCollectible(
            player_id=principal.account_id,
            collectible_id=id,
            key=idempotency_key or "",
            memberships=principal.memberships,
        )
        return keyed_reply(await service.collect(claim))

    return [collectibles_nearby, collectible_collect, *_placing_routes(placing, names)]


def _placing_routes(placing: Placing, names: Sequence[str]) -> list[ControllerRouterHandler]:
    @post(
        [f"/v1/game/{name}" for name in names],
        opt=needs(Scope.GAME_PLACE, key_required=True, refusals=(KeyReused, BadPlacement, TooManyPlaced)),
        status_code=201,
    )
    async def collectibles_place(
        *, caller: Caller, idempotency_key: str | None, data: PlaceBody
    ) -> Response[PlacedCollectibles]:
        """Places up to 256 collectibles: all of them or, when one is refused, none.

        What is left out of value, currency and mode is that of the type in the game's definition. Each is paid by the
        issuance of its currency or, with a `payer_id`, by the budget of that campaign.
        """
        command = PlaceCollectibles(
            placed_by=caller.principal.account_id, staff=caller.staff, items=data.items, key=idempotency_key or ""
        )
        return keyed_reply(await placing.place(command), status=201)

    @delete([f"/v1/game/{name}/{{id:str}}" for name in names], opt=needs(Scope.GAME_PLACE, refusals=(NotFound,)))
    async def collectible_withdraw(*, caller: Caller, id: IdPath) -> None:
        """Takes back what was placed and nobody should collect any more; what was collected stays collected."""
        await placing.withdraw(id, by=caller.principal.account_id, staff=caller.staff)

    return [collectibles_place, collectible_withdraw]


def _place_in(cursor: str) -> tuple[float, str]:
    """The distance and id of the last one shown. Raises: BadCursor."""
    distance_m, shown_id = decode_cursor(cursor, (float, str))
    return distance_m, shown_id
