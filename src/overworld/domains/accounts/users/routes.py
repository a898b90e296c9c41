"""Accounts in the hands of staff, over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from overworld.domains.accounts.errors import NoSuchUser
from overworld.domains.accounts.types import Role
from overworld.domains.accounts.users.errors import BeyondYou, NotYourself
from overworld.domains.accounts.users.messages import (
    NoteBody,
    NoteSeen,
    PersonFound,
    PersonSeen,
    RestoreBody,
    RoleBody,
    SuspendBody,
)
from overworld.domains.accounts.users.service import Users
from overworld.domains.accounts.users.types import QUERY_LENGTH_MAX, Asked
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

_IdPath = Annotated[UUID, Parameter(description="The account's id.")]
_QQuery = Annotated[
    str,
    QueryParameter(
        max_length=QUERY_LENGTH_MAX,
        description="How their names begin; or an id, or, for who may manage users, a whole e-mail address.",
    ),
]
_RoleQuery = Annotated[Role | None, QueryParameter(description="Only accounts of this role.")]
_SuspendedQuery = Annotated[bool | None, QueryParameter(description="Only who is suspended, or only who is not.")]
_HANDLED = (NoSuchUser, NotYourself, BeyondYou)


def routes(service: Users) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/admin/users`."""
    return [*_looking(service), *_acting(service), *_notes(service)]


def _looking(service: Users) -> list[HTTPRouteHandler]:
    @get("/v1/admin/users", opt=needs(Scope.USERS_READ, refusals=(BadCursor,)))
    async def users(
        *,
        caller: Caller,
        q: _QQuery = "",
        role: _RoleQuery = None,
        suspended: _SuspendedQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[PersonFound]:
        """Accounts by name."""
        after = None if cursor is None else _name_in(cursor)
        asked = Asked(role=role, suspended=suspended)
        found = await service.found(q, asked, after=after, limit=limit + 1, holds=caller.scopes)
        more = encode_cursor(found[limit - 1].username_folded) if len(found) > limit else None
        return Page([PersonFound.of(person) for person in found[:limit]], more)

    @get("/v1/admin/users/{user_id:uuid}", opt=needs(Scope.USERS_READ, refusals=(NoSuchUser,)))
    async def user(*, caller: Caller, user_id: _IdPath) -> PersonSeen:
        """One account, and where it is signed in. That it was looked at is recorded."""
        return await service.look(user_id, holds=caller.scopes, staff=caller.staff)

    return [users, user]


def _acting(service: Users) -> list[HTTPRouteHandler]:
    @post(
        "/v1/admin/users/{user_id:uuid}/suspend",
        opt=needs(Scope.USERS_SUSPEND, refusals=_HANDLED),
        status_code=200,
    )
    async def user_suspend(*, caller: Caller, user_id: _IdPath, data: SuspendBody) -> PersonFound:
        """Suspends an account: within a second none of its tokens and keys is good anywhere, and it cannot sign in."""
        return await service.suspend(user_id, data.why, holds=caller.scopes, staff=caller.staff)

    @post(
        "/v1/admin/users/{user_id:uuid}/restore",
        opt=needs(Scope.USERS_SUSPEND, refusals=_HANDLED),
        status_code=200,
    )
    async def user_restore(*, caller: Caller, user_id: _IdPath, data: RestoreBody) -> PersonFound:
        """Lets a suspended account sign in again."""
        return await service.restore(user_id, data.why, holds=caller.scopes, staff=caller.staff)

    @put("/v1/admin/users/{user_id:uuid}/role", opt=needs(Scope.USERS_MANAGE, refusals=_HANDLED))
    async def user_role(*, caller: Caller, user_id: _IdPath, data: RoleBody) -> PersonFound:
        """Gives an account a role: its next access token has what the role may do, and those before are void."""
        return await service.set_role(user_id, data.role, holds=caller.scopes, staff=caller.staff)

    @post(
        "/v1/admin/users/{user_id:uuid}/logout",
        opt=needs(Scope.USERS_SUSPEND, refusals=_HANDLED),
        status_code=204,
    )
    async def user_log_out(*, caller: Caller, user_id: _IdPath) -> None:
        """Signs an account out everywhere."""
        await service.end_sessions(user_id, holds=caller.scopes, staff=caller.staff)

    return [user_suspend, user_restore, user_role, user_log_out]


def _notes(service: Users) -> list[HTTPRouteHandler]:
    @get("/v1/admin/users/{user_id:uuid}/notes", opt=needs(Scope.USERS_READ, refusals=(NoSuchUser, BadCursor)))
    async def user_notes(
        *, caller: Caller, user_id: _IdPath, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[NoteSeen]:
        """What staff wrote about an account, the newest first."""
        before: UUID | None = None if cursor is None else decode_cursor(cursor, (UUID,))[0]
        found = await service.notes(user_id, before=before, limit=limit + 1, staff=caller.staff)
        more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        return Page([NoteSeen.of(note) for note in found[:limit]], more)

    @post("/v1/admin/users/{user_id:uuid}/notes", opt=needs(Scope.USERS_SUSPEND, refusals=(NoSuchUser,)))
    async def user_note(*, caller: Caller, user_id: _IdPath, data: NoteBody) -> NoteSeen:
        """Writes something down about an account, for staff."""
        return await service.note(user_id, data.text, staff=caller.staff)

    return [user_notes, user_note]


def _name_in(cursor: str) -> str:
    """The folded name of the last one shown. Raises: BadCursor."""
    name: str
    [name] = decode_cursor(cursor, (str,))
    if "\x00" in name:
        raise BadCursor
    return name
