"""Arrays of numbers as text: asyncpg looks at each item of a list, which takes longer than to read the text."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

_encode = msgspec.json.Encoder().encode


def numbers(values: Sequence[int | None]) -> str:
    """Whole numbers, (n,), None for null, as PostgreSQL reads an array: for `$1::text::bigint[]`."""
    return "{" + _encode(values)[1:-1].decode() + "}"
