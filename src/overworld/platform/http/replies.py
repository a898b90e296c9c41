"""Replies that carry more than a body: replayed answers, entity tags, preconditions."""

from __future__ import annotations

from typing import TypeVar

from litestar import Response

from overworld.kernel.identity import Answer

T = TypeVar("T")


def keyed_reply(answer: Answer[T], status: int = 200) -> Response[T]:
    """The reply to a keyed command; `Idempotency-Replayed: true` marks the stored answer of an earlier try."""
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    return Response(answer.value, status_code=status, headers=headers)
