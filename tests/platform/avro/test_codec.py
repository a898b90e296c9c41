"""Events as Avro: what goes in comes out, fastavro writes the same, and damage is told apart."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from uuid import UUID

import msgspec
import pytest
from fastavro import schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from overworld.domains.trust.messages import TrustDecided
from overworld.kernel.events import Envelope, enclose
from overworld.kernel.standing import Gate
from overworld.platform.avro import BadFrame, Codec, Confluent, NotReleased, SingleObject, UnknownSchema

from .conftest import INSTANT, TEXT, values_of
from .samples import AT, CODEC, LEVEL, RELEASED

TOPICS = sorted(RELEASED.topics)


@st.composite
def envelopes(draw):
    topic = draw(st.sampled_from(TOPICS))
    data = draw(values_of(RELEASED.newest(topic).schema["fields"][-1]["type"]))
    return Envelope(
        id=draw(st.uuids()),
        topic=topic,
        at=draw(INSTANT),
        key=draw(TEXT),
        game=draw(TEXT),
        data=Raw(msgspec.json.encode(data)),
    )


@settings(max_examples=300)
@given(envelopes())
def test_any_event_comes_out_as_it_went_in(envelope):
    out = CODEC.decode(CODEC.encode(envelope))
    assert (out.id, out.topic, out.at, out.key, out.game) == (
        envelope.id,
        envelope.topic,
        envelope.at,
        envelope.key,
        envelope.game,
    )
    assert msgspec.json.decode(out.data) == msgspec.json.decode(envelope.data)


@settings(max_examples=300)
@given(envelopes())
def test_fastavro_writes_the_same_bytes(envelope):
    version, start = SingleObject(RELEASED).written_with(CODEC.encode(envelope))
    stream = BytesIO()
    data = msgspec.json.decode(envelope.data)
    instants_into_numbers(version.schema["fields"][-1]["type"], data)
    said = {"id": envelope.id, "at": envelope.at, "key": envelope.key, "game": envelope.game, "data": data}
    schemaless_writer(stream, version.parsed, said)
    assert CODEC.encode(envelope)[start:] == stream.getvalue()


def instants_into_numbers(schema, data):
    """What JSON holds as text fastavro wants as a time."""
    for field in schema["fields"]:
        if "timestamp-micros" in str(field["type"]) and data[field["name"]] is not None:
            data[field["name"]] = datetime.fromisoformat(data[field["name"]])


def test_typed_events_come_back_typed():
    event = TrustDecided(player_id=UUID(int=7), decision="set", gate=Gate.REVIEW, until=AT, by=UUID(int=8))
    assert CODEC.decode(CODEC.encode(enclose(event, id=UUID(int=1), at=AT))).decode() == event


def test_many_are_encoded_as_one_by_one():
    assert CODEC.encode_many([LEVEL, LEVEL]) == [CODEC.encode(LEVEL)] * 2


def test_a_field_that_an_older_build_did_not_write_gets_its_default():
    data = {"player_id": str(UUID(int=7)), "decision": "clear", "by": str(UUID(int=8))}
    envelope = Envelope(id=UUID(int=1), topic=TrustDecided.topic, at=AT, key="", data=Raw(msgspec.json.encode(data)))
    assert msgspec.json.decode(CODEC.decode(CODEC.encode(envelope)).data) == data | {"gate": None, "until": None}


@pytest.mark.parametrize("data", [b"{}", b'{"player_id": 7}', b"[]", b'{"player_id'])
def test_a_damaged_event_is_not_encoded(data):
    with pytest.raises(msgspec.DecodeError):
        CODEC.encode(msgspec.structs.replace(LEVEL, data=Raw(data)))


def test_a_topic_without_a_schema_is_not_encoded():
    with pytest.raises(NotReleased):
        CODEC.encode(msgspec.structs.replace(LEVEL, topic="events.codec_nothing.happened"))


@pytest.mark.parametrize("cut", range(10, 60, 7))
def test_bytes_that_are_cut_off_are_told_apart(cut):
    with pytest.raises(BadFrame):
        CODEC.decode(CODEC.encode(LEVEL)[:cut])


def test_bytes_that_follow_are_told_apart():
    with pytest.raises(BadFrame, match="1 bytes follow"):
        CODEC.decode(CODEC.encode(LEVEL) + b"\x00")


@settings(max_examples=300)
@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_break_the_reader(raw, framed):
    with pytest.raises((BadFrame, UnknownSchema)):
        CODEC.decode(CODEC.encode(LEVEL)[:10] * framed + raw)


def test_a_registrys_number_stands_in_front_where_there_is_one():
    framing = Confluent(RELEASED, {258: RELEASED.newest(LEVEL.topic)})
    codec = Codec(RELEASED, framing)
    frame = codec.encode(LEVEL)
    assert frame[:5] == b"\x00\x00\x00\x01\x02"
    assert codec.decode(frame).decode() == LEVEL.decode()
    assert codec.decode(CODEC.encode(LEVEL)).decode() == LEVEL.decode()
    with pytest.raises(UnknownSchema) as unknown:
        codec.decode(b"\x00\x00\x00\x01\x03" + frame[5:])
    assert unknown.value.schema_id == 259


def test_what_has_no_number_in_the_registry_is_not_written():
    with pytest.raises(UnknownSchema):
        Codec(RELEASED, Confluent(RELEASED, {})).encode(LEVEL)
