"""The log over HTTP, for everybody: no token is needed to check the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from overworld.domains.ledger.audit.errors import NoSuchBlock, NotSealed
from overworld.domains.ledger.audit.log import Log
from overworld.domains.ledger.audit.messages import (
    BlockBody,
    BlockItem,
    ConsistencyItem,
    Keys,
    ProofItem,
    key_item,
)
from overworld.platform.http import CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, etag_reply, open_to_all
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

_UNCHANGED = {304: ResponseSpec(data_container=None, description="What `If-None-Match` names is what you would get")}
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_NOW = "public, max-age=5"
_FROM = Annotated[int, QueryParameter(name="from", ge=0, description="Number of the earlier block.")]
_TO = Annotated[int, QueryParameter(name="to", ge=0, description="Number of the later block.")]


def routes(log: Log) -> Sequence[HTTPRouteHandler]:
    """The routes under `/v1/ledger`."""

    @get("/v1/ledger/blocks", opt=open_to_all(refusals=(BadCursor,)), responses=_UNCHANGED)
    async def blocks(
        request: Request[Any, Any, Any], limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Response[Page[BlockItem]]:
        """The headers of sealed blocks, newest first. docs/ledger-audit.md says what is in them."""
        before: int | None = None if cursor is None else decode_cursor(cursor, (int,))[0]
        found = await log.blocks(before=before, count_max=limit + 1)
        more = encode_cursor(found[limit - 1].number) if len(found) > limit else None
        return etag_reply(Page(found[:limit], more), request, cache=_FOR_NOW)

    @get("/v1/ledger/blocks/{number:int}", opt=open_to_all(refusals=(NoSuchBlock,)), responses=_UNCHANGED)
    async def block(request: Request[Any, Any, Any], number: int) -> Response[BlockBody]:
        """A sealed block and the records of its transfers, at most 4,096."""
        return etag_reply(await log.block(number), request, cache=_FOR_EVER)

    @get("/v1/ledger/proof", opt=open_to_all(refusals=(NotSealed,)), responses=_UNCHANGED)
    async def proof(request: Request[Any, Any, Any], transfer: UUID) -> Response[ProofItem]:
        """The proof that a transfer is in the log, by its id."""
        return etag_reply(await log.proof(transfer), request, cache=_FOR_EVER)

    @get("/v1/ledger/consistency", opt=open_to_all(refusals=(NoSuchBlock,)), responses=_UNCHANGED)
    async def consistency(
        request: Request[Any, Any, Any], from_block: _FROM, to_block: _TO
    ) -> Response[ConsistencyItem]:
        """The proof that the log at one block begins with the log at an earlier one."""
        return etag_reply(await log.consistency(from_block, to_block), request, cache=_FOR_EVER)

    @get("/v1/ledger/keys", opt=open_to_all(), responses=_UNCHANGED)
    async def keys(request: Request[Any, Any, Any]) -> Response[Keys]:
        """The keys that blocks are signed with, the newest last."""
        found = Keys([key_item(certificate) for certificate in await log.certificates()])
        return etag_reply(found, request, cache=_FOR_NOW)

    return [blocks, block, proof, consistency, keys]
