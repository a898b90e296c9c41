"""Sharing over HTTP: decode, call, encode."""

from __future__ import annotations

from uuid import UUID

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from overworld.domains.world.shares.errors import NoHome, NoSuchPlayer, NoSuchShare, ShareWithOneself, TooManyShares
from overworld.domains.world.shares.messages import GrantShare, HomeBody, ShareBody, SharedWithYou, ShareGiven
from overworld.domains.world.shares.service import Sharing
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
from overworld.platform.http.errors import BadCursor, NotFound
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused


def routes(sharing: Sharing) -> list[HTTPRouteHandler]:
    """The handlers."""
    return [*_share_routes(sharing), *_home_routes(sharing)]


def _share_routes(sharing: Sharing) -> list[HTTPRouteHandler]:
    @post(
        "/v1/location/share",
        opt=needs(
            Scope.LOCATION_WRITE,
            key_required=True,
            refusals=(KeyReused, NoSuchPlayer, ShareWithOneself, TooManyShares),
        ),
    )
    async def location_share(*, caller: Caller, idempotency_key: str | None, data: ShareBody) -> Response[ShareGiven]:
        """Shows another player where you are, live or as a coarse place, for a time; also while you are invisible.

        It takes the place of what you showed them before. They read `GET /v1/location/shared`, and their socket gets
        `location.shared` when you move.
        """
        command = GrantShare(owner_id=caller.principal.account_id, body=data, key=idempotency_key or "")
        return keyed_reply(await sharing.grant(command), status=201)

    @get("/v1/location/shares", opt=needs(Scope.LOCATION_READ))
    async def location_shares(*, caller: Caller) -> Page[ShareGiven]:
        """To whom you show where you are, and until when; all in one page."""
        return Page(await sharing.given(caller.principal.account_id))

    @get("/v1/location/shared", opt=needs(Scope.LOCATION_READ, refusals=(BadCursor,)))
    async def location_shared(
        *, caller: Caller, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[SharedWithYou]:
        """Who shows you where they are, and where that is: as exactly as they chose, and never at their home."""
        after = decode_cursor(cursor, (UUID,))[0] if cursor else None
        found = await sharing.received(caller.principal.account_id, after=after, limit=limit + 1)
        page = found[:limit]
        return Page(page, encode_cursor(page[-1].id) if len(found) > limit else None)

    @delete("/v1/location/share/{id:uuid}", opt=needs(Scope.LOCATION_WRITE, refusals=(NoSuchShare,)))
    async def end_location_share(*, caller: Caller, id: UUID) -> None:
        """Ends a share that you gave, or one that you got, at once."""
        await sharing.end(caller.principal.account_id, id)

    @get("/v1/admin/location/{player:uuid}/shares", opt=needs(Scope.LOCATION_AUDIT, refusals=(NotFound,)))
    async def player_location_shares(*, caller: Caller, player: UUID) -> Page[ShareGiven]:
        """To whom a player shows where it is, for staff. Each look is kept in the audit log."""
        return Page(await sharing.given_by(player, staff=caller.staff))

    return [location_share, location_shares, location_shared, end_location_share, player_location_shares]


def _home_routes(sharing: Sharing) -> list[HTTPRouteHandler]:
    @get("/v1/location/home", opt=needs(Scope.LOCATION_READ, refusals=(NoHome,)))
    async def home(*, caller: Caller) -> HomeBody:
        """The home that you told."""
        return await sharing.home(caller.principal.account_id)

    @put("/v1/location/home", opt=needs(Scope.LOCATION_WRITE))
    async def set_home(*, caller: Caller, data: HomeBody) -> HomeBody:
        """Tells where you live. Anywhere near it, those you share your place with get one place that is not your home.

        It is told to nobody, and your own history stays as exact as it is.
        """
        await sharing.set_home(caller.principal.account_id, data)
        return data

    @delete("/v1/location/home", opt=needs(Scope.LOCATION_WRITE, refusals=(NoHome,)))
    async def forget_home(*, caller: Caller) -> None:
        """Forgets where you live; what you share is exact there again."""
        await sharing.forget_home(caller.principal.account_id)

    return [home, set_home, forget_home]
