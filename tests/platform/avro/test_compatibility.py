"""What may change in a schema: by the rules of Avro, and as fastavro reads it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.utils import generate_one

from overworld.platform.avro.compatibility import clashes, same


def record(*fields: Any, name: str = "Thing") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [dict(field) for field in fields]}


def field(name: str, type: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Colour", "symbols": list(symbols), **more}


def fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "Hash", "size": size}


INSTANT = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
A = field("a", "long")
TREE = record(field("value", "long"), field("left", ["null", "Thing"]))

UNDERSTOOD = {
    "nothing changed": (record(A), record(A)),
    "a field more, with a default": (record(A), record(A, field("b", "string", default=""))),
    "a field less": (record(A, field("b", "string")), record(A)),
    "fields in another order": (record(A, field("b", "string")), record(field("b", "string"), A)),
    "a field with another name, and the old one told": (record(A), record(field("z", "long", aliases=["a"]))),
    "a record with another name, and the old one told": (record(A, name="Old"), {**record(A), "aliases": ["Old"]}),
    "whole numbers become real ones": (record(A), record(field("a", "double"))),
    "text becomes bytes": (record(field("a", "string")), record(field("a", "bytes"))),
    "it may be absent now": (record(A), record(field("a", ["null", "long"], default=None))),
    "one symbol more": (record(field("a", enum("red"))), record(field("a", enum("red", "blue")))),
    "symbols in another order": (record(field("a", enum("red", "blue"))), record(field("a", enum("blue", "red")))),
    "one symbol less, with a default": (
        record(field("a", enum("red", "blue"))),
        record(field("a", enum("red", default="red"))),
    ),
    "items become wider": (
        record(field("a", {"type": "array", "items": "long"})),
        record(field("a", {"type": "array", "items": "double"})),
    ),
    "a record that holds itself": (TREE, TREE),
}

NOT_UNDERSTOOD = {
    "a field more, without a default": (record(A), record(A, field("b", "string")), "b", "no default"),
    "another type": (record(A), record(field("a", "string")), "a", "was long and is string"),
    "real numbers become whole ones": (record(field("a", "double")), record(A), "a", "was double and is long"),
    "it may not be absent any more": (record(field("a", ["null", "long"])), record(A), "a", "was null and is long"),
    "it may be absent, and is of another type": (
        record(field("a", "string")),
        record(field("a", ["null", "long"])),
        "a",
        "was string, which is none of null, long",
    ),
    "one symbol less": (
        record(field("a", enum("red", "blue"))),
        record(field("a", enum("red"))),
        "a",
        "the symbol blue is gone",
    ),
    "another name": (record(A, name="Old"), record(A), "the whole", "was named Old and is named Thing"),
    "a change within a record": (
        record(field("a", record(A, name="Inner"))),
        record(field("a", record(A, field("b", "long"), name="Inner"))),
        "a.b",
        "no default",
    ),
    "items of another type": (
        record(field("a", {"type": "array", "items": "long"})),
        record(field("a", {"type": "array", "items": "string"})),
        "a[]",
        "was long and is string",
    ),
    "values of another type": (
        record(field("a", {"type": "map", "values": "long"})),
        record(field("a", {"type": "map", "values": "boolean"})),
        "a{}",
        "was long and is boolean",
    ),
    "another length": (record(field("a", fixed(8))), record(field("a", fixed(16))), "a", "had 8 bytes and has 16"),
}


def read_by_fastavro(writer: Any, reader: Any, value: Any) -> Any:
    stream = BytesIO()
    schemaless_writer(stream, parse_schema(writer), value)
    stream.seek(0)
    return schemaless_reader(stream, parse_schema(writer), parse_schema(reader))


@pytest.mark.parametrize(("writer", "reader"), UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_a_change_that_old_events_survive_is_allowed_and_they_are_read(writer, reader):
    assert clashes(reader=reader, writer=writer) == []
    for _ in range(20):
        read_by_fastavro(writer, reader, generate_one(writer))


@pytest.mark.parametrize(("writer", "reader", "path", "reason"), NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
def test_a_change_that_they_would_not_survive_is_named_with_its_field_and_reason(writer, reader, path, reason):
    [clash] = clashes(reader=reader, writer=writer)
    assert str(clash).startswith(f"{path}: ")
    assert reason in clash.reason


def test_a_logical_type_that_changes_would_change_what_the_bytes_mean():
    [clash] = clashes(reader=record(field("a", MILLIS)), writer=record(field("a", INSTANT)))
    assert "timestamp-micros" in clash.reason
    assert clashes(reader=record(field("a", "long")), writer=record(field("a", INSTANT)))


def test_everything_that_is_wrong_is_named_at_once():
    before = record(A, field("b", "string"))
    after = record(field("a", "string"), field("b", "long"), field("c", "long"))
    assert [clash.path for clash in clashes(reader=after, writer=before)] == ["a", "b", "c"]


def test_documentation_makes_no_difference():
    assert same(record(A), {**record({**A, "doc": "A number."}), "doc": "A thing."})
    assert not same(record(A), record({**A, "default": 1}))
