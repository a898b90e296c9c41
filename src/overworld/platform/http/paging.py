"""Lists in pages: opaque cursors and a bounded limit."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.params import Parameter
from msgspec import Struct

from overworld.platform.http.errors import BadCursor

T = TypeVar("T")

LIMIT_DEFAULT = 50
CURSOR_LENGTH_MAX = 512

LimitQuery = Annotated[int, Parameter(ge=1, le=200, description="How many items at most.")]
CursorQuery = Annotated[
    str | None,
    Parameter(max_length=CURSOR_LENGTH_MAX, description="Where to go on: the `cursor` of the page before."),
]


class Page(Struct, Generic[T], frozen=True):
    """One page of a list; `cursor` asks for the next and is null at the end."""

    items: list[T]
    cursor: str | None = None


def encode_cursor(*values: Any) -> str:
    """An opaque cursor that holds the sort values of the last item shown: ids, times, numbers, strings."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(values)).rstrip(b"=").decode()


def decode_cursor(text: str, types: Sequence[Any]) -> tuple[Any, ...]:
    """The values inside a cursor, of exactly these types.

    A cursor is not secret and not signed: it says where to go on, never what may be seen.
    Raises: BadCursor when it was not made by `encode_cursor` from values of these types.
    """
    if len(text) > CURSOR_LENGTH_MAX:
        raise BadCursor
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values: tuple[Any, ...] = msgspec.msgpack.decode(raw, type=tuple[tuple(types)])  # type: ignore[misc]
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise BadCursor from error
    return values
