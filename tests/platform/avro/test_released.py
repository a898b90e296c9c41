"""Released schemas: kept, complete, and understood by what the code says now."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from fastavro.schema import parse_schema

from overworld.app.event_desk import schemas
from overworld.kernel.events import Envelope, Event, enclose
from overworld.platform.avro import Codec, NotReleased, Released, SingleObject, findings
from script.reference.whole import events

from .samples import AT

TOPIC = "events.released_door.opened"
NOBODY: frozenset[str] = frozenset()


class DoorOpened(Event, frozen=True, kw_only=True):
    """A door was opened."""

    topic: ClassVar[str] = TOPIC

    door: str
    count: int = 1


def changed(**fields: Any) -> type[Event]:
    """The same event in another build."""
    before = Event.registry.pop(TOPIC)
    try:
        annotations = {"topic": ClassVar[str], **{name: kind for name, (kind, *_) in fields.items()}}
        defaults = {name: rest[0] for name, (_, *rest) in fields.items() if rest}
        namespace = {"topic": TOPIC, "__annotations__": annotations, **defaults}
        meta: Any = type(Event)
        made: type[Event] = meta("DoorOpened", (Event,), namespace, frozen=True, kw_only=True)
        return made
    finally:
        Event.registry[TOPIC] = before


WIDER = {"door": (str,), "count": (int, 1), "by": (str | None, None)}
NARROWER = {"door": (int,), "count": (int, 1), "by": (str,)}


@pytest.fixture
def released(tmp_path) -> Released:
    kept = Released(tmp_path)
    kept.add(DoorOpened)
    return Released(tmp_path)


@pytest.mark.slow
def test_every_event_is_released_as_the_code_has_it():
    """What CI checks; `overworld events schema add` releases what is new."""
    assert [line for finding in schemas.check() for line in schemas.lines(finding)] == []


@pytest.mark.slow
def test_the_command_knows_every_event():
    assert schemas.events() == events()


def test_every_kept_version_is_a_schema_of_its_topic():
    released = Released()
    assert released.topics
    for version in (version for topic in released.topics for version in released.versions(topic)):
        parse_schema(version.schema)
        assert version.schema["namespace"] == f"overworld.{version.topic}"


def test_no_two_topics_have_a_fingerprint_in_common():
    released = Released()
    topics = {released.by_fingerprint(released.newest(topic).fingerprint).topic for topic in released.topics}
    assert topics == released.topics


def test_what_is_released_has_nothing_to_be_found(released):
    assert list(findings(released, [DoorOpened], retired=NOBODY)) == []


def test_an_event_that_was_never_released_is_found(tmp_path):
    [finding] = findings(Released(tmp_path), [DoorOpened], retired=NOBODY)
    assert (finding.topic, finding.number, finding.clashes) == (TOPIC, 1, ())
    with pytest.raises(NotReleased):
        Released(tmp_path).newest(TOPIC)


def test_a_change_that_is_understood_becomes_the_next_version(released):
    wider = changed(**WIDER)
    [finding] = findings(released, [wider], retired=NOBODY)
    assert (finding.number, finding.clashes) == (2, ())
    assert released.add(wider).number == 2
    again = Released(released.folder)
    assert [version.number for version in again.versions(TOPIC)] == [1, 2]
    assert list(findings(again, [wider], retired=NOBODY)) == []


def test_a_change_that_is_not_understood_is_named_with_every_version_and_field(released):
    released.add(changed(**WIDER))
    found = list(findings(released, [changed(**NARROWER)], retired=NOBODY))
    told = [line for finding in found for line in schemas.lines(finding)]
    assert [finding.number for finding in found] == [1, 2]
    assert told[0].endswith("version 1 would not be understood any more: data.door: was string and is long")
    assert "data.by: is new and has no default" in told[1]
    assert "data.by: was null and is string" in told[3]


def test_what_an_older_version_wrote_is_read_with_the_newest(released):
    frame = Codec(released, SingleObject(released)).encode(enclose(DoorOpened(door="a"), id=UUID(int=1), at=AT))
    released.add(changed(**WIDER))
    newer = Released(released.folder)
    read = Codec(newer, SingleObject(newer)).decode(frame)
    assert msgspec.json.decode(read.data) == {"door": "a", "count": 1, "by": None}


def test_what_is_written_is_written_with_the_newest(released):
    released.add(changed(**WIDER))
    codec = Codec(released, SingleObject(released))
    envelope = enclose(DoorOpened(door="a"), id=UUID(int=1), at=AT)
    assert SingleObject(released).written_with(codec.encode(envelope))[0].number == 2
    assert isinstance(codec.decode(codec.encode(envelope)), Envelope)


def test_an_event_that_is_gone_is_found_unless_that_was_meant(released):
    [finding] = findings(released, [], retired=NOBODY)
    assert finding.said == "was released, and no event is of it"
    assert list(findings(released, [], retired=frozenset({TOPIC}))) == []


def test_a_version_that_is_missing_between_others_is_noticed(released):
    (released.folder / TOPIC / "1.avsc").rename(released.folder / TOPIC / "2.avsc")
    with pytest.raises(ValueError, match=r"versions \[2\]"):
        Released(released.folder).versions(TOPIC)


@pytest.mark.slow
def test_nothing_is_added_while_something_would_not_be_understood(tmp_path):
    for version in (Released().newest(topic) for topic in sorted(Released().topics)):
        file = tmp_path / version.topic / "1.avsc"
        file.parent.mkdir()
        text = version.text.replace('"type":"boolean"', '"type":"string"')
        file.write_text(text)
    (tmp_path / "events.home.changed" / "1.avsc").unlink()
    with pytest.raises(schemas.CannotRelease, match=r"data\.visible: was string and is boolean"):
        schemas.add(tmp_path)
    assert list((tmp_path / "events.home.changed").iterdir()) == []
