"""Schemas made of event types: every kind of field, its default, its documentation; and what none is made of."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from fastavro.schema import parse_schema
from msgspec import Meta, Struct

from overworld.kernel.events import Event
from overworld.platform.avro import NotInAvro, schema_of


class Metal(StrEnum):
    """What a nail is of."""

    IRON = "iron"
    COPPER = "copper"


class Box(Struct, frozen=True):
    """Where nails are."""

    label: str
    nails: int = 10


class NailDriven(Event, frozen=True, kw_only=True):
    """A nail was driven."""

    topic: ClassVar[str] = "events.schema_nail.driven"

    nail_id: UUID
    metal: Metal
    before: Metal | None
    how: Literal["straight", "bent"] = "straight"
    length_m: Annotated[float, Meta(description="From head to tip.")]
    count: int = 1
    old: bool = False
    at: datetime
    until: datetime | None = None
    box: Box
    spare: Box | None = None
    names: tuple[str, ...] = ()
    by_wall: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it
    note: str | None = "none"


@pytest.fixture(scope="module")
def schema():
    return schema_of(NailDriven)


@pytest.fixture(scope="module")
def fields(schema):
    return {field["name"]: field for field in schema["fields"][-1]["type"]["fields"]}


def test_names_come_from_the_topic(schema):
    assert (schema["namespace"], schema["name"]) == ("overworld.events.schema_nail.driven", "SchemaNailDrivenEnvelope")
    assert schema["fields"][-1]["type"]["name"] == "SchemaNailDriven"


def test_the_envelope_stands_around_the_event(schema):
    assert [field["name"] for field in schema["fields"]] == ["id", "at", "key", "game", "data"]
    assert schema["fields"][1]["type"] == {"type": "long", "logicalType": "timestamp-micros"}
    assert all(field.get("doc") for field in schema["fields"][:-1])


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("nail_id", {"type": {"type": "string", "logicalType": "uuid"}}),
        ("before", {"type": ["null", "Metal"]}),
        ("how", {"type": {"type": "enum", "name": "How", "symbols": ["bent", "straight"]}, "default": "straight"}),
        ("length_m", {"type": "double", "doc": "From head to tip."}),
        ("count", {"type": "long", "default": 1}),
        ("old", {"type": "boolean", "default": False}),
        ("at", {"type": {"type": "long", "logicalType": "timestamp-micros"}}),
        ("until", {"type": ["null", {"type": "long", "logicalType": "timestamp-micros"}], "default": None}),
        ("spare", {"type": ["null", "Box"], "default": None}),
        ("names", {"type": {"type": "array", "items": "string"}, "default": []}),
        ("by_wall", {"type": {"type": "map", "values": "long"}, "default": {}}),
        ("note", {"type": ["string", "null"], "default": "none"}),
    ],
)
def test_each_kind_of_field_has_its_type(fields, name, made):
    assert fields[name] == {"name": name, **made}


def test_named_types_are_said_once_with_their_documentation(fields):
    assert fields["metal"]["type"] == {
        "type": "enum",
        "name": "Metal",
        "doc": "What a nail is of.",
        "symbols": ["iron", "copper"],
    }
    assert fields["box"]["type"]["doc"] == "Where nails are."
    assert fields["box"]["type"]["fields"][1] == {"name": "nails", "type": "long", "default": 10}


def test_the_documentation_is_the_docstring(schema):
    assert schema["fields"][-1]["type"]["doc"] == "A nail was driven."


def test_what_is_made_is_a_schema(schema):
    parse_schema(schema)


class Level(IntEnum):
    LOW = 1


class Loud(StrEnum):
    SHOUT = "out loud"


WRONG = {
    "int | str": "one of several types",
    "Level": "no symbol of an enum",
    "Loud": "'out loud' is no symbol",
    "bytes": "is a Bytes",
    "dict[int, str]": "is a Dict",
}


@pytest.mark.parametrize(("annotation", "reason"), WRONG.items())
def test_a_type_that_no_schema_is_made_of_is_named_with_its_field(annotation, reason):
    topic = f"events.schema_wrong.{''.join(filter(str.isalpha, annotation))}"
    namespace = {"topic": topic, "__annotations__": {"topic": ClassVar[str], "odd": eval(annotation)}}  # noqa: S307
    meta: Any = type(Event)
    wrong = meta("Wrong", (Event,), namespace, frozen=True, kw_only=True)
    with pytest.raises(NotInAvro, match=reason) as refused:
        schema_of(wrong)
    assert f"{topic}: odd" in str(refused.value)
