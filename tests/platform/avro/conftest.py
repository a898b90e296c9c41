"""Strategies for what JSON holds of a schema."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from overworld.kernel.clock import from_us

LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
INSTANT = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999).map(from_us)
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
            made: st.SearchStrategy[Any] = st.dictionaries(TEXT, values_of(values, named), max_size=3)
        case {"type": "enum"}:
            made = st.sampled_from(schema["symbols"])
        case _:
            made = st.fixed_dictionaries({field["name"]: values_of(field["type"], named) for field in schema["fields"]})
    if "name" in schema:
        named[schema["name"]] = made
    return made
