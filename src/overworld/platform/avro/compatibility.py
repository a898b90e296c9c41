"""Whether a reader with one schema understands what was written with another, and if not, where and why.

Source: Apache Avro 1.12 specification, "Schema Resolution". Stricter in one thing: a logical type never changes, since
the same bytes would mean something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from overworld.platform.avro.schema import Schema

_PROMOTED = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
_NAMED = ("record", "error", "enum", "fixed")


class Clash(Struct, frozen=True):
    """What a reader would not understand: the field, as a path from the outermost record, and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'the whole'}: {self.reason}"


def clashes(*, reader: Schema, writer: Schema) -> list[Clash]:
    """Everything that a reader with `reader` would not understand of what was written with `writer`; empty: nothing."""
    return list(_Comparison(reader, writer).compare(reader, writer, ""))


def same(one: Schema, other: Schema) -> bool:
    """Whether two schemas say the same, whatever they say for people."""
    return bool(_undocumented(one) == _undocumented(other))


class _Comparison:
    def __init__(self, reader: Schema, writer: Schema) -> None:
        self._readers = dict(_named(reader))
        self._writers = dict(_named(writer))
        self._under_way: set[tuple[str, str]] = set()

    def compare(self, reader: Schema, writer: Schema, path: str) -> Iterator[Clash]:
        reader, writer = _resolved(reader, self._readers), _resolved(writer, self._writers)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, path)
        elif isinstance(reader, list):
            if not any(not list(self.compare(branch, writer, path)) for branch in reader):
                yield Clash(path, f"was {_told(writer)}, which is none of {', '.join(map(_told, reader))}")
        elif _kind(reader) != _kind(writer):
            if _kind(reader) not in _PROMOTED.get(_kind(writer), ()):
                yield Clash(path, f"was {_told(writer)} and is {_told(reader)}")
            else:
                yield from _logical(reader, writer, path)
        else:
            yield from self._alike(reader, writer, path)

    def _alike(self, reader: Schema, writer: Schema, path: str) -> Iterator[Clash]:
        """Two of one kind."""
        kind = _kind(reader)
        yield from _logical(reader, writer, path)
        if kind in _NAMED and not _same_name(reader, writer):
            yield Clash(path, f"was named {_short(writer)} and is named {_short(reader)}")
        elif kind in ("record", "error"):
            yield from self._fields(reader, writer, path)
        elif kind == "array":
            yield from self.compare(reader["items"], writer["items"], f"{path}[]")
        elif kind == "map":
            yield from self.compare(reader["values"], writer["values"], f"{path}{{}}")
        elif kind == "fixed" and reader["size"] != writer["size"]:
            yield Clash(path, f"had {writer['size']} bytes and has {reader['size']}")
        elif kind == "enum" and "default" not in reader:
            for symbol in writer["symbols"]:
                if symbol not in reader["symbols"]:
                    yield Clash(path, f"the symbol {symbol} is gone, and there is no default in its place")

    def _fields(self, reader: Schema, writer: Schema, path: str) -> Iterator[Clash]:
        pair = (reader["name"], writer["name"])
        if pair in self._under_way:
            return
        self._under_way.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            at = f"{path}.{field['name']}".lstrip(".")
            before = next(
                (written[name] for name in (field["name"], *field.get("aliases", ())) if name in written), None
            )
            if before is not None:
                yield from self.compare(field["type"], before["type"], at)
            elif "default" not in field:
                yield Clash(at, "is new and has no default, so what was written before cannot be read")
        self._under_way.discard(pair)


def _named(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every named type in a schema, by its short name: ours have no two alike."""
    match schema:
        case list():
            for branch in schema:
                yield from _named(branch)
        case {"type": "record" | "error", "fields": fields}:
            yield _short(schema), schema
            for field in fields:
                yield from _named(field["type"])
        case {"type": "enum" | "fixed"}:
            yield _short(schema), schema
        case {"type": "array", "items": within} | {"type": "map", "values": within}:
            yield from _named(within)


def _resolved(schema: Schema, named: dict[str, Schema]) -> Schema:
    if isinstance(schema, dict) and isinstance(schema["type"], dict | list):
        schema = schema["type"]
    return named.get(schema.rpartition(".")[2], schema) if isinstance(schema, str) else schema


def _kind(schema: Schema) -> str:
    return str(schema if isinstance(schema, str) else schema["type"])


def _logical(reader: Schema, writer: Schema, path: str) -> Iterator[Clash]:
    was, is_now = (one.get("logicalType") if isinstance(one, dict) else None for one in (writer, reader))
    if was != is_now:
        yield Clash(path, f"was {_told(writer)} and is {_told(reader)}: the same bytes would mean something else")


def _same_name(reader: Schema, writer: Schema) -> bool:
    return _short(writer) in (_short(reader), *(alias.rpartition(".")[2] for alias in reader.get("aliases", ())))


def _short(schema: Schema) -> str:
    return str(schema["name"]).rpartition(".")[2]


def _told(schema: Schema) -> str:
    if isinstance(schema, str):
        return schema
    logical = schema.get("logicalType")
    name = f" {_short(schema)}" if "name" in schema else ""
    return f"{schema['type']}{name}" + (f" ({logical})" if logical else "")


def _undocumented(schema: Any) -> Any:
    match schema:
        case list():
            return [_undocumented(one) for one in schema]
        case dict():
            return {key: _undocumented(value) for key, value in schema.items() if key != "doc"}
    return schema
