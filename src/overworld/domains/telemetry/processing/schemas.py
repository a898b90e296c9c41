"""What properties of events have to look like, where an operator says so: a folder of JSON Schemas.

`FOLDER/shop_opened/2.json` is version 2 of the event `shop_opened`. What is understood: `type`, `properties`,
`required`, `additionalProperties: false`, `items`, `enum`, `minimum`, `maximum`, `minLength`, `maxLength`, `pattern`.
Each schema is made into a type once, so that checking an event is one call.
Source: JSON Schema 2020-12, these words of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from overworld.domains.telemetry.reading import Fault, Incoming
from overworld.kernel.refusals import Refusal

_BOUNDS = {"minimum": "ge", "maximum": "le", "minLength": "min_length", "maxLength": "max_length", "pattern": "pattern"}
_PLAIN: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "null": None}
_KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum", "title", "description", *_BOUNDS}


class BadSchema(Refusal):
    """A schema of events cannot be used; the message names the file."""

    code = "telemetry.bad_schema"
    status = 503


class Schemas:
    """The schemas of a folder; none without one. Read once, when the processor begins."""

    def __init__(self, types: dict[str, dict[str, Any]]) -> None:
        self._types = types

    @classmethod
    def read(cls, folder: str) -> Schemas:
        """The schemas that lie there. Raises: BadSchema."""
        types: dict[str, dict[str, Any]] = {}
        for file in sorted(Path(folder).glob("*/*.json")) if folder else ():
            try:
                made = type_of(msgspec.json.decode(file.read_bytes()), name=file.parent.name)
                msgspec.json.Decoder(made)
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise BadSchema(f"{file}: {error}") from error
            types.setdefault(file.parent.name, {})[file.stem] = made
        return cls(types)

    def fault_of(self, event: Incoming) -> Fault | None:
        """What is wrong with an event by its schema: the one that it names, else the one with the highest number."""
        versions = self._types.get(event.event)
        if versions is None:
            return None
        version = event.schema or max(versions, key=lambda each: (len(each), each))
        if version not in versions:
            return Fault("unknown_schema", f"There is no schema {version!r} of this event")
        try:
            msgspec.convert(event.properties or {}, versions[version])
        except msgspec.ValidationError as error:
            return Fault("schema", str(error)[:200])
        return None


def type_of(schema: Any, *, name: str) -> Any:
    """The type that a JSON Schema describes. Raises: ValueError for words that are not understood."""
    if unknown := set(schema) - _KNOWN - {"$schema", "$id"}:
        raise ValueError(f"{', '.join(sorted(unknown))} is not understood")
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    kind = schema.get("type")
    if kind is None and "properties" not in schema:
        return Any
    if kind in (None, "object"):
        return _object_of(schema, name=name)
    if kind == "array":
        return list[type_of(schema.get("items", {}), name=f"{name}_item")]  # type: ignore[misc]  # made as it runs
    if kind not in _PLAIN:
        raise ValueError(f"type {kind!r} is not understood")
    bounds = {_BOUNDS[word]: schema[word] for word in _BOUNDS if word in schema}
    return Annotated[_PLAIN[kind], Meta(**bounds)] if bounds else _PLAIN[kind]


def _object_of(schema: Any, *, name: str) -> Any:
    keys = list(schema.get("properties", {}))
    required = set(schema.get("required", ()))
    fields: list[Any] = []
    for number, key in enumerate(keys):
        inner = type_of(schema["properties"][key], name=f"{name}_{number}")
        fields.append((f"f{number}", inner) if key in required else (f"f{number}", inner | UnsetType, UNSET))
    if missing := sorted(required - set(keys)):
        fields += [(f"f{len(keys) + number}", Any) for number in range(len(missing))]
        keys += missing
    return msgspec.defstruct(
        "".join(each if each.isalnum() else "_" for each in f"Event_{name}"),
        fields,
        kw_only=True,
        rename={f"f{number}": key for number, key in enumerate(keys)},
        forbid_unknown_fields=schema.get("additionalProperties") is False,
    )
