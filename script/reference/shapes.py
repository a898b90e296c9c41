"""JSON Schemas in words, as tables of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from script.reference.markdown import anchor, code, codes, table

_NAMES = {"integer": "whole number", "boolean": "true or false", "string": "text"}
_FORMATS = {"date-time": "time (RFC 3339)", "uuid": "UUID"}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "pattern": "of the form `{}`",
}


def words(schema: Mapping[str, Any]) -> str:
    """What a schema allows: `number, at least -90, at most 90`; other shapes are links within the page."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if members := schema.get("oneOf") or schema.get("anyOf"):
        said = " or ".join(words(member) for member in members)
    elif "const" in schema:
        said = code(schema["const"])
    elif "enum" in schema:
        said = f"one of {codes(schema['enum'])}"
    elif schema.get("type") == "array":
        said = f"list of {words(schema.get('items', {}))}"
    else:
        said = _plain(schema)
    return ", ".join([said, *(form.format(_number(schema[key])) for key, form in _BOUNDS.items() if key in schema)])


def _plain(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(_plain({"type": each}) for each in kind)
    return _FORMATS.get(schema.get("format", ""), _NAMES.get(kind, str(kind)))


def _number(bound: Any) -> Any:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def fields(schema: Mapping[str, Any]) -> str:
    """The fields of an object as a table; a sentence when it has none."""
    required = set(schema.get("required", ()))
    rows = [
        (code(name), words(field), "required" if name in required else _default(field))
        for name, field in schema.get("properties", {}).items()
    ]
    return table(("field", "type", ""), rows) or "An object without fields: `{}`."


def _default(field: Mapping[str, Any]) -> str:
    return (
        f"default {code(msgspec.json.encode(field['default']).decode())}" if "default" in field else "may be left out"
    )


def named(schema: Any) -> Iterator[str]:
    """The names of all shapes that a piece of the document points to."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for part in schema.values():
            yield from named(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from named(part)
