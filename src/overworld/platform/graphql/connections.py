"""Lists in pages as Relay asks for them: connections, edges, cursors. Source: Relay, GraphQL Cursor Connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

from overworld.platform.http.paging import CURSOR_LENGTH_MAX, LIMIT_DEFAULT

T = TypeVar("T")

FIRST_MAX = 200

First = Annotated[int, Meta(ge=1, le=FIRST_MAX, description="How many items at most.")]
After = (
    Annotated[str, Meta(max_length=CURSOR_LENGTH_MAX, description="Where to go on: a cursor of the page before.")]
    | None
)


class Paged(Struct, frozen=True, kw_only=True):
    """Which page of a list."""

    first: First = LIMIT_DEFAULT
    after: After = None


class PageInfo(Struct, frozen=True, kw_only=True):
    """Where a page stands in its list. Lists are gone through forwards, so there is no way back to tell of."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Edge(Struct, Generic[T], frozen=True):
    """An item and its place."""

    cursor: str
    node: T


class Connection(Struct, Generic[T], frozen=True):
    """One page of a list."""

    edges: list[Edge[T]]
    page_info: PageInfo


def sliced(
    items: Sequence[T], *, cursor: Callable[[T], str], first: int, after: str | None, more: bool | None = None
) -> Connection[T]:
    """A page made of items that begin with it; of more than `first`, the rest says that another page follows.

    `more` says so instead where that is known.
    """
    edges = [Edge(cursor(item), item) for item in items[:first]]
    return Connection(
        edges,
        PageInfo(
            has_next_page=len(items) > first if more is None else more,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )
