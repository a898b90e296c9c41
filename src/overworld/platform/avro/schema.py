"""Avro schemas, made of the event types.

Source: Apache Avro 1.12 specification, "Schema Declaration" and "Logical Types".
"""

from __future__ import annotations

import inspect
import json
import re
from datetime import datetime
from enum import Enum
from typing import Any

import msgspec
from msgspec import NODEFAULT
from msgspec import inspect as types

from overworld.kernel.events import Event

Schema = Any
"""A schema as JSON has it: a name, a list of branches, or an object."""

UUID = "uuid"
INSTANT = "timestamp-micros"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENVELOPE = "What happened, as it lies in the log."
_OWN_DOCS = {
    "id": "The event's identity; whoever has seen it has seen the event.",
    "at": "When it happened.",
    "key": "Whose event it is; events of one key come in order. Empty: nobody's.",
    "game": "The digest of the game definition that was in force; empty: none.",
}


_PLAIN: dict[type[types.Type], Schema] = {
    types.BoolType: "boolean",
    types.IntType: "long",
    types.FloatType: "double",
    types.StrType: "string",
    types.UUIDType: {"type": "string", "logicalType": UUID},
    types.DateTimeType: {"type": "long", "logicalType": INSTANT},
}


class NotInAvro(TypeError):
    """An event has a field of a type that no schema is made of."""


def schema_of(kind: type[Event]) -> Schema:
    """The schema of an envelope with an event of this type in it.

    Names come from the topic, not from the class: a class may be renamed. Raises: NotInAvro, naming the field.
    """
    name = _pascal(kind.topic.partition(".")[2])
    making = _Making(kind.topic)
    event = making.record(types.type_info(kind), name=name)
    fields: list[dict[str, Any]] = [
        {"name": "id", "type": {"type": "string", "logicalType": UUID}},
        {"name": "at", "type": {"type": "long", "logicalType": INSTANT}},
        {"name": "key", "type": "string"},
        {"name": "game", "type": "string", "default": ""},
    ]
    return {
        "type": "record",
        "name": f"{name}Envelope",
        "namespace": f"overworld.{kind.topic}",
        "doc": _ENVELOPE,
        "fields": [*({**field, "doc": _OWN_DOCS[field["name"]]} for field in fields), {"name": "data", "type": event}],
    }


class _Making:
    """One schema in the making: what it has named so far, which later fields refer to by that name."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._named: dict[str, Any] = {}

    def record(self, of: types.Type, *, name: str) -> Schema:
        assert isinstance(of, types.StructType)  # noqa: S101 - for the type checker; both callers have looked
        if of.tag is not None or of.array_like:
            raise NotInAvro(f"{self._topic}: {name} is tagged or an array")
        fields = [self._field(field, at=f"{self._topic}: {field.name}") for field in of.fields]
        return {"type": "record", "name": name, **_doc(of.cls), "fields": fields}

    def _field(self, field: types.Field, *, at: str) -> Schema:
        default, description = _default(field), ""
        of = field.type
        if isinstance(of, types.Metadata):
            description, of = (of.extra_json_schema or {}).get("description", ""), of.type
        made = {"name": field.encode_name, "type": self._type(of, field=field.name, default=default, at=at)}
        if description:
            made["doc"] = description
        if isinstance(default, datetime):
            raise NotInAvro(f"{at} has a time as its default")
        if default is not NODEFAULT:
            made["default"] = json.loads(msgspec.json.encode(default))
        return made

    def _type(self, of: types.Type, *, field: str, default: Any = NODEFAULT, at: str) -> Schema:
        if type(of) in _PLAIN:
            return _PLAIN[type(of)]
        match of:
            case types.Metadata():
                return self._type(of.type, field=field, default=default, at=at)
            case types.ListType() | types.VarTupleType() | types.SetType() | types.FrozenSetType():
                return {"type": "array", "items": self._type(of.item_type, field=field, at=at)}
            case types.DictType(key_type=types.StrType()):
                return {"type": "map", "values": self._type(of.value_type, field=field, at=at)}
            case types.UnionType():
                return self._optional(of, field=field, default=default, at=at)
            case types.EnumType() | types.LiteralType() | types.StructType():
                return self._once(of, field=field, at=at)
        raise NotInAvro(f"{at} is a {type(of).__name__.removesuffix('Type')}, of which no schema is made")

    def _optional(self, of: types.UnionType, *, field: str, default: Any, at: str) -> Schema:
        """A union of null and one more. A default is one of the first branch, so that stands first."""
        others = [one for one in of.types if not isinstance(one, types.NoneType)]
        if not of.includes_none or len(others) != 1:
            raise NotInAvro(f"{at} is one of several types; only null may stand beside one")
        branch = self._type(others[0], field=field, at=at)
        return ["null", branch] if default is None or default is NODEFAULT else [branch, "null"]

    def _once(self, of: types.EnumType | types.LiteralType | types.StructType, *, field: str, at: str) -> Schema:
        name = _pascal(field) if isinstance(of, types.LiteralType) else of.cls.__name__
        same = of.values if isinstance(of, types.LiteralType) else of.cls
        if name in self._named:
            if self._named[name] != same:
                raise NotInAvro(f"{at}: {name} is the name of two types")
            return name
        self._named[name] = same
        if isinstance(of, types.StructType):
            return self.record(of, name=name)
        symbols = of.values if isinstance(of, types.LiteralType) else [member.value for member in of.cls]
        if wrong := [symbol for symbol in symbols if not isinstance(symbol, str) or not _NAME.fullmatch(symbol)]:
            raise NotInAvro(f"{at}: {wrong[0]!r} is no symbol of an enum: letters, digits and underscores")
        doc = {} if isinstance(of, types.LiteralType) else _doc(of.cls)
        return {"type": "enum", "name": name, **doc, "symbols": list(symbols)}


def _default(field: types.Field) -> Any:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return field.default.value if isinstance(field.default, Enum) else field.default


def _doc(cls: type) -> dict[str, str]:
    return {"doc": inspect.cleandoc(cls.__doc__)} if cls.__doc__ else {}


def _pascal(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[._]", name))
