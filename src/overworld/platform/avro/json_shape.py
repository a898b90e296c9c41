"""The fields of an event as JSON holds them, in the types that Avro writes: ids stay text, times are read."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from overworld.platform.avro.schema import INSTANT, Schema

_PLAIN: dict[str, Any] = {"null": None, "boolean": bool, "long": int, "double": float, "string": str}


def shape_of(schema: Schema) -> Any:
    """The type that msgspec decodes JSON to, of a schema that `schema_of` made."""
    return _shape(schema, {})


def _shape(schema: Schema, named: dict[str, Any]) -> Any:
    match schema:
        case str():
            return named.get(schema, _PLAIN.get(schema))
        case [one, other]:
            return _shape(other, named) | None if one == "null" else _shape(one, named) | None
        case {"type": "string" | "long" as plain}:
            return datetime if schema.get("logicalType") == INSTANT else _PLAIN[plain]
        case {"type": "array", "items": items}:
            return list[_shape(items, named)]  # type: ignore[misc]
        case {"type": "map", "values": values}:
            return dict[str, _shape(values, named)]  # type: ignore[misc]
        case {"type": "enum", "name": name}:
            named[name] = str
        case {"type": "record", "name": name, "fields": fields}:
            shapes = {field["name"]: _shape(field["type"], named) for field in fields}
            optional = {field["name"] for field in fields if "default" in field}
            made = TypedDict(  # type: ignore[misc]
                name, {key: NotRequired[shape] if key in optional else shape for key, shape in shapes.items()}
            )
            named[name] = made
        case _:
            raise TypeError(f"no schema of ours: {schema}")
    return named[schema["name"]]


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
