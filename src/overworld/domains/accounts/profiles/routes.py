"""Profiles over HTTP: decode, call, encode."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Response

from overworld.domains.accounts.errors import NoSuchUser, TokenRevoked
from overworld.domains.accounts.messages import Me
from overworld.domains.accounts.profiles.avatars import Avatars
from overworld.domains.accounts.profiles.errors import (
    BadImage,
    BadProfileSettings,
    ImageTooLarge,
    NoSuchAvatar,
    TooManyAvatars,
)
from overworld.domains.accounts.profiles.messages import (
    AVATARS,
    Avatar,
    ProfileBody,
    UserFound,
    UserSeen,
    maybe_avatar,
)
from overworld.domains.accounts.profiles.service import Editing, Searching
from overworld.domains.accounts.profiles.types import IMAGE_TYPES, SEARCH_LENGTH_MIN
from overworld.domains.accounts.service import Profiles
from overworld.domains.accounts.types import USERNAME_LENGTH_MAX
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
    needs,
    open_to_all,
    require_match,
)
from overworld.platform.http.errors import BadCursor, PreconditionFailed
from overworld.platform.http.paging import LIMIT_DEFAULT

_FOREVER = "public, max-age=31536000, immutable"
_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_FILE = {200: ResponseSpec(data_container=bytes, description="The picture", media_type="image/webp")}
_Text = Annotated[
    str,
    Parameter(
        min_length=SEARCH_LENGTH_MIN,
        max_length=USERNAME_LENGTH_MAX,
        description="How the name begins, in any case and width.",
    ),
]
_FileName = Annotated[str, Parameter(max_length=64, description="As an avatar's `urls` give it.")]


def routes(
    *, profiles: Profiles, editing: Editing, searching: Searching, avatars: Avatars, avatar_bytes_max: int
) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/users`, beside the account's own, and those of pictures."""
    return [
        _change(profiles, editing),
        *_others(profiles, searching),
        *_avatars(avatars, bytes_max=avatar_bytes_max),
        _file(avatars),
    ]


def _change(profiles: Profiles, editing: Editing) -> HTTPRouteHandler:
    @put("/v1/users/me", opt=needs(Scope.ACCOUNT_SELF, refusals=(BadProfileSettings, PreconditionFailed, TokenRevoked)))
    async def change_me(caller: Caller, request: Request[Any, Any, Any], data: ProfileBody) -> Response[Me]:
        """Replaces your locale, settings and privacy; `If-Match` says which ones, by the `ETag` of your account.

        Only what is replaced has to be as it was: experience that came meanwhile does not matter.
        """
        account_id = caller.principal.account_id
        await editing.replace(account_id, data.edited, matches=lambda there: require_match(there, request))
        mine = await profiles.me(account_id)
        return Response(mine, headers={"ETag": etag_of(mine, edited=mine.edited)})

    return change_me


def _others(profiles: Profiles, searching: Searching) -> list[HTTPRouteHandler]:
    @get("/v1/users/search", opt=needs(Scope.GAME_READ, refusals=(BadCursor,)))
    async def search_users(q: _Text, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None) -> Page[UserFound]:
        """Players whose names begin with a text, by name. Who does not want to be found is not among them."""
        after = "" if cursor is None else _place_in(cursor)
        found = await searching.found(q, after=after, limit=limit + 1)
        more = encode_cursor(found[limit - 1].folded) if len(found) > limit else None
        return Page(
            [UserFound(id=one.id, username=one.username, avatar=maybe_avatar(one.avatar)) for one in found[:limit]],
            more,
        )

    @get("/v1/users/{id:uuid}", opt=needs(Scope.GAME_READ, refusals=(NoSuchUser,)), responses=UNCHANGED)
    async def show_user(request: Request[Any, Any, Any], id: UUID) -> Response[UserSeen]:
        """A player as others see it; what the player does not show is null."""
        return etag_reply(await profiles.seen(id), request)

    return [search_users, show_user]


def _avatars(avatars: Avatars, *, bytes_max: int) -> list[HTTPRouteHandler]:
    @post(
        "/v1/users/avatar",
        opt=needs(
            Scope.ACCOUNT_SELF,
            body_bytes_max=bytes_max,
            refusals=(TooManyAvatars, BadImage, ImageTooLarge, TokenRevoked),
            raw_types=IMAGE_TYPES,
        ),
        status_code=200,
    )
    async def take_avatar(caller: Caller, request: Request[Any, Any, Any]) -> Avatar:
        """Your picture: the body is a JPEG, PNG or WebP, of which the middle is kept, and nothing but its pixels."""
        return await avatars.take(caller.principal.account_id, await request.body())

    @delete("/v1/users/avatar", opt=needs(Scope.ACCOUNT_SELF, refusals=(TokenRevoked,)))
    async def remove_avatar(caller: Caller) -> None:
        """Takes your picture away."""
        await avatars.remove(caller.principal.account_id)

    return [take_avatar, remove_avatar]


def _file(avatars: Avatars) -> HTTPRouteHandler:
    @get(f"{AVATARS}/{{name:str}}", opt=open_to_all(refusals=(NoSuchAvatar,)), responses=_FILE)
    async def avatar_file(name: _FileName) -> Response[bytes]:
        """A picture. An address never shows another one, so it may be kept for ever."""
        found = await avatars.file(name)
        headers = {"Cache-Control": _FOREVER, "Content-Security-Policy": _POLICY}
        return Response(found.content, media_type=found.media_type, headers=headers)

    return avatar_file


def _place_in(cursor: str) -> str:
    """The folded name of the last one shown. Raises: BadCursor."""
    [folded] = decode_cursor(cursor, (str,))
    if "\x00" in folded:
        raise BadCursor
    return str(folded)
