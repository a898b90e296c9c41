"""Strategies for what JSON holds of a schema."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
INSTANT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
PLAIN = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": LONG,
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": TEXT,
}


def values_of(schema: Any, named: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Values of a schema that `schema_of` made, as Python has what JSON holds; ids as text."""
    named = {} if named is None else named
    match schema:
        case str():
            return named[schema] if schema in named else PLAIN[schema]
        case list():
            return st.one_of([values_of(branch, named) for branch in schema])
        case {"logicalType": "uuid"}:
            return st.uuids().map(str)
        case {"logicalType": "timestamp-micros"}:
            return INSTANT
        case {"type": "array", "items": items}:
            return st.lists(values_of(items, named), max_size=3)
        case {"type": "map", "values": values}:
            return st.dictionaries(TEXT, values_of(values, named), max_size=3)
        case {"type": "enum"}:
            made: st.SearchStrategy[Any] = st.sampled_from(schema["symbols"])
        case _:
            made = st.fixed_dictionaries({field["name"]: values_of(field["type"], named) for field in schema["fields"]})
    named[schema["name"]] = made
    return made
