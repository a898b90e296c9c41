"""The kernels between Avro and what msgspec reads and writes: what fastavro does, for any schema, number and damage."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from overworld.kernel.events import Envelope
from overworld.platform.avro import BadFrame
from overworld.platform.avro.programs import DEPTH_MAX, HEAD, Unsteady
from overworld.platform.avro.reading import Reader
from overworld.platform.avro.released import Version
from overworld.platform.avro.resolving import Resolver
from overworld.platform.avro.writing import Writer
from tests.thinned import rounds

from .conftest import INSTANT, TEXT, values_of
from .samples import AT, CODEC, LEVEL, RELEASED
from .test_codec import TOPICS, envelopes

TOPIC = "test.bytes.made"
ID = UUID(int=5)


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


def enveloped(*fields):
    data = {"type": "record", "name": "Made", "fields": list(fields)}
    return {"type": "record", "name": "MadeEnvelope", "namespace": "test", "fields": [*HEAD, field("data", data)]}


CHOICE = {"type": "enum", "name": "Choice", "symbols": ["small", "large", "larger"]}
PART = {"type": "record", "name": "Part", "fields": [field("choice", ["null", "Choice"]), field("count", "long")]}
EVERYTHING = enveloped(
    field("from", CHOICE),  # a word of Python's
    field("flag", "boolean"),
    field("count", "long"),
    field("size", "double"),
    field("at", ["null", {"type": "long", "logicalType": "timestamp-micros"}]),
    field("whose", {"type": "string", "logicalType": "uuid"}),
    field("text", ["string", "null"]),
    field("parts", {"type": "array", "items": PART}),
    field("lists", {"type": "array", "items": {"type": "array", "items": "double"}}),
    field("named", {"type": "map", "values": {"type": "map", "values": ["null", "Part"]}}),
    field("nothing", {"type": "record", "name": "Nothing", "fields": []}),
)
READER, WRITER = Reader(TOPIC, EVERYTHING), Writer(EVERYTHING, head=b"")
VERSION = Version(TOPIC, 1, EVERYTHING)


def made(data, *, key="k", at=AT):
    return Envelope(id=ID, topic=TOPIC, at=at, key=key, game="", data=Raw(msgspec.json.encode(data)))


def by_fastavro(schema, data):
    stream = BytesIO()
    said = {"id": str(ID), "at": AT, "key": "k", "game": "", "data": data}
    schemaless_writer(stream, parse_schema(schema), said)
    return stream.getvalue()


def read(schema, frame) -> Any:
    """The event of a frame, or why it is none."""
    return Reader(TOPIC, schema).read([frame], start=0)[0]


def told(event):
    return event.id, event.at, event.key, event.game, bytes(event.data)


def as_json(all_said):
    return msgspec.json.decode(msgspec.json.encode(all_said))


values = values_of(EVERYTHING["fields"][-1]["type"])


@settings(max_examples=rounds(100, whole=300))
@given(st.lists(st.tuples(values, TEXT, INSTANT), min_size=1, max_size=5))
def test_all_there_is_to_a_schema_is_written_as_fastavro_reads_it_and_read_as_it_was_written(all_said):
    events = [made(data, key=key, at=at) for data, key, at in all_said]
    frames = WRITER.write(events)
    found = [told(event) for event in READER.read(frames, start=0)]
    assert found == [told(event) for event in Resolver(VERSION, VERSION).read(frames, start=0)]
    assert [one[:4] for one in found] == [told(event)[:4] for event in events]
    assert [msgspec.json.decode(one[4]) for one in found] == [data for data, _, _ in as_json(all_said)]


@settings(max_examples=rounds(100, whole=300))
@given(envelopes())
def test_any_released_event_is_read_as_fastavro_reads_it(envelope):
    version = RELEASED.newest(envelope.topic)
    frame = CODEC.encode(envelope)
    assert told(CODEC.decode(frame)) == told(Resolver(version, version).read([frame], start=10)[0])


@pytest.mark.parametrize("topic", TOPICS)
def test_every_newest_schema_is_read_and_written_by_kernels(topic):
    version = RELEASED.newest(topic)
    assert Reader(topic, version.schema)
    assert Writer(version.schema, head=b"")


@settings(max_examples=rounds(150, whole=500))
@given(st.data(), values)
def test_damage_is_told_apart_or_is_what_fastavro_reads_in_it_too(data, said):
    """The only outcomes are an event, the same for both, and `BadFrame`; a neighbour never suffers."""
    (whole,) = WRITER.write([made(said)])
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    first, found, last = READER.read([whole, bytes(damaged), whole], start=0)
    assert first == last == READER.read([whole], start=0)[0]
    assert isinstance(found, Envelope | BadFrame)
    if isinstance(found, Envelope):
        theirs: Any = Resolver(VERSION, VERSION).read([bytes(damaged)], start=0)[0]
        assert msgspec.json.decode(found.data) == msgspec.json.decode(theirs.data)
        assert told(found)[:4] == told(theirs)[:4]


@settings(max_examples=rounds(100, whole=200))
@given(values)
def test_whatever_is_cut_off_is_no_event(said):
    (whole,) = WRITER.write([made(said)])
    cut = [whole[:length] for length in range(len(whole))]
    assert all(isinstance(one, BadFrame) for one in READER.read(cut, start=0))


@settings(max_examples=rounds(100, whole=300))
@given(st.lists(st.binary(max_size=120), max_size=4))
def test_no_bytes_are_anything_but_an_event_or_damage(frames):
    assert all(isinstance(one, Envelope | BadFrame) for one in READER.read(frames, start=0))


DOUBLES = enveloped(field("numbers", {"type": "array", "items": "double"}))
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])


@settings(max_examples=rounds(300, whole=1000))
@given(st.lists(BITS | st.floats() | st.floats(-200, 200).map(lambda one: round(one, 7)), max_size=20))
@example([0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 1e22, 1e23, 9007199254740993.0])
@example([10.0**power for power in range(-300, 300, 7)])
@example([np.nextafter(10.0**power, 0).item() for power in range(-300, 300, 7)])
@example([2.0**power for power in range(-1074, 1024, 9)])
def test_a_double_is_told_in_the_fewest_digits_that_give_it_back(numbers):
    event = read(DOUBLES, by_fastavro(DOUBLES, {"numbers": numbers}))
    assert bytes(event.data) == msgspec.json.encode({"numbers": numbers})


LISTS = enveloped(field("counts", {"type": "array", "items": "long"}))
BEFORE = by_fastavro(LISTS, {"counts": []})[:-1]


@pytest.mark.parametrize("blocks", [b"\x04\x02\x04\x02\x06\x00", b"\x03\x04\x02\x04\x02\x06\x00"])
def test_a_list_may_come_in_blocks_with_or_without_their_length(blocks):
    event = read(LISTS, BEFORE + blocks)
    assert msgspec.json.decode(event.data) == {"counts": [1, 2, 3]}


MANY = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
LOWEST = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"


@pytest.mark.parametrize("some", [b"", b"\x02" * 50])
@pytest.mark.parametrize("count", [MANY, LOWEST, b"\x80" * 11, b"\x03\x04"])
def test_a_list_that_says_it_is_longer_than_there_are_bytes_costs_nothing(count, some):
    found = read(LISTS, BEFORE + count + some)
    assert isinstance(found, BadFrame)


@pytest.mark.parametrize("tail", [b"\xff" * 9 + b"\x02", b"\xff" * 10])
def test_a_whole_number_of_more_than_64_bits_is_damage(tail):
    found = read(LISTS, BEFORE + b"\x02" + tail + b"\x00")
    assert isinstance(found, BadFrame)


@pytest.mark.parametrize(
    "raw", [b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xc3", b"\xf5"]
)
def test_text_that_is_no_utf_8_is_damage(raw):
    schema = enveloped(field("text", "string"))
    frame = by_fastavro(schema, {"text": "." * len(raw)})
    found = read(schema, frame[: -len(raw)] + raw)
    assert isinstance(found, BadFrame)


def test_an_id_that_is_none_is_damage():
    frame = by_fastavro(LISTS, {"counts": []})
    found = Reader(TOPIC, LISTS).read(
        [frame.replace(str(ID).encode()[:3], bad) for bad in (b"00g", b"0-0", b"000")], start=0
    )
    assert [isinstance(one, BadFrame) for one in found] == [True, True, False]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_lists_and_texts_of_any_length_come_back(count):
    schema = enveloped(field("counts", {"type": "array", "items": "long"}), field("text", "string"))
    event = made({"counts": list(range(count)), "text": "\n" * count})
    frames = Writer(schema, head=b"").write([event, event])
    assert [told(one) for one in Reader(TOPIC, schema).read(frames, start=0)] == [told(event)] * 2


@pytest.mark.parametrize("count", [-(2**63), -(2**31) - 1, -129, -33, -32, 127, 128, 255, 256, 2**16, 2**32, 2**63 - 1])
def test_whole_numbers_of_any_length_come_back(count):
    event = made({"counts": [count]})
    (frame,) = Writer(LISTS, head=b"").write([event])
    assert frame == by_fastavro(LISTS, {"counts": [count]})
    assert told(read(LISTS, frame)) == told(event)


@pytest.mark.parametrize("count", [2**63, 2**64 - 1, 2**64, -(2**63) - 1])
def test_a_whole_number_of_more_than_64_bits_is_not_written(count):
    with pytest.raises(OverflowError):
        Writer(LISTS, head=b"").write([made({"counts": [1]}), made({"counts": [count]})])


TIMES = enveloped(field("when", ["null", {"type": "long", "logicalType": "timestamp-micros"}]))


def test_a_time_without_a_zone_is_not_written():
    writer = Writer(TIMES, head=b"")
    with pytest.raises(msgspec.ValidationError):
        writer.write([made({"when": "2026-06-01T12:00:00"})])
    with pytest.raises(TypeError):
        writer.write([made({"when": None}, at=AT.replace(tzinfo=None))])


def test_a_choice_that_the_schema_does_not_have_is_not_written():
    with pytest.raises(msgspec.ValidationError):
        Writer(enveloped(field("choice", CHOICE)), head=b"").write([made({"choice": "tiny"})])


def test_what_has_a_default_may_be_left_out():
    schema = enveloped(
        field("choice", CHOICE, default="larger"),
        field("counts", {"type": "array", "items": "long"}, default=[7]),
        field("part", PART, default={"choice": "large", "count": 3}),
        field("none", ["null", "long"], default=None),
    )
    (frame,) = Writer(schema, head=b"").write([made({})])
    event = read(schema, frame)
    part = {"choice": "large", "count": 3}
    assert msgspec.json.decode(event.data) == {"choice": "larger", "counts": [7], "part": part, "none": None}


def nested(depth):
    return "long" if depth == 0 else {"type": "array", "items": nested(depth - 1)}


ITSELF = {"type": "record", "name": "Itself", "fields": [field("within", ["null", "Itself"])]}


@pytest.mark.parametrize(
    "schema",
    [
        enveloped(field("itself", ITSELF)),
        enveloped(field("lists", nested(DEPTH_MAX + 1))),
        enveloped(field("nothings", {"type": "array", "items": {"type": "record", "name": "Nothing", "fields": []}})),
        {**EVERYTHING, "fields": EVERYTHING["fields"][1:]},
    ],
)
def test_of_some_schemas_no_steps_are_made(schema):
    with pytest.raises(Unsteady):
        Reader(TOPIC, schema)


def test_lists_nest_as_deep_as_is_allowed():
    schema, data = enveloped(field("lists", nested(DEPTH_MAX))), list[Any]([5, 6])
    for _ in range(DEPTH_MAX - 1):
        data = [data]
    (frame,) = Writer(schema, head=b"").write([made({"lists": data})])
    assert msgspec.json.decode(read(schema, frame).data) == {"lists": data}


def test_many_of_several_topics_come_back_in_their_order_with_what_is_wrong_in_its_place():
    others = [LEVEL, msgspec.structs.replace(LEVEL, id=UUID(int=9), at=datetime(1, 1, 1, tzinfo=UTC))]
    frames = CODEC.encode_many(others)
    found = CODEC.decode_many([frames[0], b"", frames[1][:-1], b"\xc3\x01unknown_", frames[1]])
    assert [type(one).__name__ for one in found] == ["Envelope", "BadFrame", "BadFrame", "UnknownSchema", "Envelope"]
    assert [told(found[0]), told(found[4])] == list(map(told, others))
    assert CODEC.decode_many([]) == []
