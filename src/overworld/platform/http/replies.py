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


def etag_of(value: Any, *, edited: Any = None) -> str:
    """The entity tag of a value as it is encoded: equal values have equal tags, in every process.

    `edited` is the part of it that a PUT replaces, where the rest changes by itself: see `require_match`.
    """
    return f'"{_digest(value)}"' if edited is None else f'"{_digest(edited)}.{_digest(value)}"'


def etag_reply(
    value: T, request: Request[Any, Any, Any], *, cache: str = "private, no-cache", edited: Any = None
) -> Response[T]:
    """The reply to a GET, with its `ETag`; 304 without a body when the client's `If-None-Match` names it.

    `cache` is its `Cache-Control`: as it stands for what is one caller's own. `edited`: see `etag_of`.
    """
    tag = etag_of(value, edited=edited)
    headers = {"ETag": tag, "Cache-Control": cache}
    wanted = request.headers.get("if-none-match")
    if wanted is not None and _names(wanted, tag, weak=True):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return Response(value, headers=headers)


def require_match(value: Any, request: Request[Any, Any, Any]) -> None:
    """Checks a change's `If-Match` against what is there now; nothing is asked of a request without one.

    `value` is what the tag was made of, or the part of it that was given as `edited`: then the rest may have changed,
    which the request does not touch. Call it in the transaction that makes the change. Raises: PreconditionFailed.
    """
    wanted = request.headers.get("if-match")
    if wanted is None:
        return
    tag = f'"{_digest(value)}"'
    parts = ",".join(f'{each.partition(".")[0]}"' if "." in each else each for each in wanted.split(","))
    if not _names(parts, tag, weak=False):
        raise PreconditionFailed


def _digest(value: Any) -> str:
    return blake2b(msgspec.json.encode(value), digest_size=_TAG_BYTES).hexdigest()


def _names(header: str, tag: str, *, weak: bool) -> bool:
    """Source: RFC 9110, sections 8.8.3.2, 13.1.1 and 13.1.2."""
    tags = [each.strip() for each in header.split(",")]
    return "*" in tags or tag in ((each.removeprefix("W/") for each in tags) if weak else tags)
