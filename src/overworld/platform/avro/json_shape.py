"""The fields of an event as JSON holds them, in types that msgspec reads, and writes in order: ids stay text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from msgspec import NODEFAULT, Meta

from overworld.platform.avro.schema import INSTANT, Schema

_PLAIN: dict[str, Any] = {"null": None, "boolean": bool, "long": int, "double": float, "string": str}
_INSTANT = Annotated[datetime, Meta(tz=True)]


def shape_of(schema: Schema) -> Any:
    """The type that msgspec decodes JSON to, of a schema that `schema_of` made; what JSON lacks has its default."""
    return _shape(schema, {})


def _shape(schema: Schema, named: dict[str, Any]) -> Any:
    match schema:
        case str():
            return named.get(schema, _PLAIN.get(schema))
        case [one, other]:
            return _shape(other, named) | None if one == "null" else _shape(one, named) | None
        case {"type": "string" | "long" as plain}:
            return _INSTANT if schema.get("logicalType") == INSTANT else _PLAIN[plain]
        case {"type": "array", "items": items}:
            return list[_shape(items, named)]  # type: ignore[misc]
        case {"type": "map", "values": values}:
            return dict[str, _shape(values, named)]  # type: ignore[misc]
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = Literal[tuple(symbols)]
        case {"type": "record", "name": name, "fields": fields}:
            named[name] = _record(name, fields, named)
        case _:
            raise TypeError(f"no schema of ours: {schema}")
    return named[schema["name"]]


def _record(name: str, fields: list[Any], named: dict[str, Any]) -> Any:
    """A struct whose attributes have names of their own, as a field of JSON may be called what Python has a use for."""
    attributes = [
        (f"field_{number}", shape := _shape(field["type"], named), _default(field, shape))
        for number, field in enumerate(fields)
    ]
    names = {f"field_{number}": field["name"] for number, field in enumerate(fields)}
    return msgspec.defstruct(name, attributes, rename=names, kw_only=True, gc=False)


def _default(field: Any, shape: Any) -> Any:
    if "default" not in field:
        return NODEFAULT
    made: Callable[[], Any] = partial(msgspec.convert, field["default"], shape)
    return msgspec.field(default_factory=made)


def without_uuids(schema: Schema) -> Schema:
    """The schema with ids as plain text, which is what JSON wants of them."""
    match schema:
        case list():
            return [without_uuids(one) for one in schema]
        case {"logicalType": "uuid"}:
            return "string"
        case dict():
            return {key: value if key == "default" else without_uuids(value) for key, value in schema.items()}
    return schema
