"""Avro's bytes of what JSON decoded to, a function for each schema: what fastavro writes, in half of the time.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from struct import Struct
from typing import Any

from overworld.platform.avro.schema import INSTANT, Schema

Write = Callable[[Any], bytes]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US, _SECOND_US = 86_400_000_000, 1_000_000
_BOOLEAN = {False: b"\x00", True: b"\x01"}
_KNOWN_MAX = 4096
_SEVEN_BITS = 0x7F


def _varint(number: int) -> bytes:
    """Source: "int and long values are written using variable-length zig-zag coding"."""
    if not -(2**63) <= number < 2**63:
        raise OverflowError(f"{number} has more than 64 bits")
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > _SEVEN_BITS:
        out.append(left & _SEVEN_BITS | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


class _Numbers(dict[int, bytes]):
    """Whole numbers as Avro writes them; small ones are known, others made."""

    def __missing__(self, number: int) -> bytes:
        return _varint(number)


NUMBERS = _Numbers((number, _varint(number)) for number in range(-1, _KNOWN_MAX))
whole = NUMBERS.__getitem__


def text(value: str) -> bytes:
    """Its length and its UTF-8."""
    raw = value.encode()
    return NUMBERS[len(raw)] + raw


def instant(value: datetime) -> bytes:
    """Microseconds since 1970."""
    since = value - EPOCH
    return _varint(since.days * _DAY_US + since.seconds * _SECOND_US + since.microseconds)


_PLAIN: dict[str, Write] = {
    "null": lambda _: b"",
    "boolean": _BOOLEAN.__getitem__,
    "long": whole,
    "double": Struct("<d").pack,
    "string": text,
}


def writer_of(schema: Schema) -> Write:
    """What writes values of a schema that `schema_of` made."""
    return _writer(schema, {})


def _writer(schema: Schema, named: dict[str, Write]) -> Write:
    match schema:
        case str():
            return named[schema] if schema in named else _PLAIN[schema]
        case [_, _]:
            return _optional(schema, named)
        case {"type": "string" | "long" as plain}:
            return instant if schema.get("logicalType") == INSTANT else _PLAIN[plain]
        case {"type": "array", "items": items}:
            return _array(_writer(items, named))
        case {"type": "map", "values": values}:
            return _map(_writer(values, named))
        case {"type": "enum", "name": name, "symbols": symbols}:
            named[name] = {symbol: _varint(place) for place, symbol in enumerate(symbols)}.__getitem__
        case {"type": "record", "name": name, "fields": fields}:
            named[name] = _record(fields, named)
        case _:
            raise TypeError(f"no schema of ours: {schema}")
    return named[schema["name"]]


def _record(fields: list[Any], named: dict[str, Write]) -> Write:
    writers = [(field["name"], _writer(field["type"], named)) for field in fields]
    defaults = {field["name"]: field["default"] for field in fields if "default" in field}
    absent = {name: write(defaults[name]) for name, write in writers if name in defaults}

    def record(value: dict[str, Any]) -> bytes:
        try:
            return b"".join([write(value[name]) for name, write in writers])
        except KeyError:
            return b"".join([write(value[name]) if name in value else absent[name] for name, write in writers])

    return record


def _optional(branches: list[Any], named: dict[str, Write]) -> Write:
    place = 1 - branches.index("null")
    nothing, something = _varint(1 - place), _varint(place)
    write = _writer(branches[place], named)
    return lambda value: nothing if value is None else something + write(value)


def _array(write: Write) -> Write:
    def array(values: list[Any]) -> bytes:
        return b"".join([NUMBERS[len(values)], *map(write, values), b"\x00"]) if values else b"\x00"

    return array


def _map(write: Write) -> Write:
    def mapping(values: dict[str, Any]) -> bytes:
        parts = (part for key, value in values.items() for part in (text(key), write(value)))
        return b"".join([NUMBERS[len(values)], *parts, b"\x00"]) if values else b"\x00"

    return mapping
