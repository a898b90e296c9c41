"""API keys over HTTP, for administrators."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from overworld.domains.accounts.apikeys.errors import BadScopes, NoSuchApiKey, TooManyApiKeys
from overworld.domains.accounts.apikeys.messages import ApiKeyBody, ApiKeyMade, ApiKeySeen, KeyRotateBody
from overworld.domains.accounts.apikeys.service import ApiKeys
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

_IdPath = Annotated[UUID, Parameter(description="The key's id.")]


def routes(service: ApiKeys) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/admin/keys`."""

    @get("/v1/admin/keys", opt=needs(Scope.KEYS_MANAGE, refusals=(BadCursor,)))
    async def api_keys(*, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None) -> Page[ApiKeySeen]:
        """All keys, the newest first, and those that ended within 90 days."""
        before: UUID | None = None if cursor is None else decode_cursor(cursor, (UUID,))[0]
        found = await service.every(before=before, limit=limit + 1)
        more = encode_cursor(found[limit - 1].id) if len(found) > limit else None
        return Page(found[:limit], more)

    @post("/v1/admin/keys", opt=needs(Scope.KEYS_MANAGE, refusals=(BadScopes, TooManyApiKeys)))
    async def api_key_make(*, caller: Caller, data: ApiKeyBody) -> ApiKeyMade:
        """A key that does in your name what `scopes` say, and answers with its secret, this once.

        With `telemetry.write` alone it is an ingest key: it can write telemetry and nothing else, so it may ship with
        a game.
        """
        return await service.make(data, maker=caller.principal, holds=caller.scopes, staff=caller.staff)

    @post(
        "/v1/admin/keys/{key_id:uuid}/rotate",
        opt=needs(Scope.KEYS_MANAGE, refusals=(NoSuchApiKey, BadScopes)),
        status_code=200,
    )
    async def api_key_rotate(*, caller: Caller, key_id: _IdPath, data: KeyRotateBody | None = None) -> ApiKeyMade:
        """Another secret for a key of yours, shown this once; the old one is good for a day yet, or as is asked."""
        return await service.rotate(
            key_id,
            overlap_s=(data or KeyRotateBody()).overlap_s,
            maker=caller.principal,
            holds=caller.scopes,
            staff=caller.staff,
        )

    @delete("/v1/admin/keys/{key_id:uuid}", opt=needs(Scope.KEYS_MANAGE, refusals=(NoSuchApiKey,)))
    async def api_key_revoke(*, caller: Caller, key_id: _IdPath) -> None:
        """Ends a key for good, on every server within a second."""
        await service.revoke(key_id, staff=caller.staff)

    return [api_keys, api_key_make, api_key_rotate, api_key_revoke]
