"""Replies that carry more than a body: replayed answers, entity tags, preconditions."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.openapi import ResponseSpec

from overworld.kernel.identity import Answer
from overworld.platform.http.errors import PreconditionFailed

T = TypeVar("T")

_TAG_BYTES = 12


def keyed_reply(answer: Answer[T], status: int = 200) -> Response[T]:
    """The reply to a keyed command; `Idempotency-Replayed: true` marks the stored answer of an earlier try."""
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    return Response(answer.value, status_code=status, headers=headers)


UNCHANGED = {304: ResponseSpec(data_container=None, description="What `If-None-Match` names is what you would get")}
"""What a route declares in its `responses` that answers with `etag_reply`."""


def etag_of(value: Any) -> str:
    """The entity tag of a value as it is encoded: equal values have equal tags, in every process."""
    return f'"{blake2b(msgspec.json.encode(value), digest_size=_TAG_BYTES).hexdigest()}"'


def etag_reply(value: T, request: Request[Any, Any, Any], *, cache: str = "private, no-cache") -> Response[T]:
    """The reply to a GET, with its `ETag`; 304 without a body when the client's `If-None-Match` names it.

    `cache` is its `Cache-Control`: as it stands for what is one caller's own.
    """
    tag = etag_of(value)
    headers = {"ETag": tag, "Cache-Control": cache}
    wanted = request.headers.get("if-none-match")
    if wanted is not None and _names(wanted, tag, weak=True):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return Response(value, headers=headers)


def require_match(value: Any, request: Request[Any, Any, Any]) -> None:
    """Checks a change's `If-Match` against what is there now; nothing is asked of a request without one.

    Call it in the transaction that makes the change. Raises: PreconditionFailed.
    """
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, etag_of(value), weak=False):
        raise PreconditionFailed


def _names(header: str, tag: str, *, weak: bool) -> bool:
    """Source: RFC 9110, sections 8.8.3.2, 13.1.1 and 13.1.2."""
    tags = [each.strip() for each in header.split(",")]
    return "*" in tags or tag in ((each.removeprefix("W/") for each in tags) if weak else tags)
