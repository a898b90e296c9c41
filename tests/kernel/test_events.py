"""Events keep their fields through the log, and grow without breaking whoever reads old ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.events import Envelope, Event, enclose

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
ID = UUID(int=1)


class WellDug(Event):
    """A well was dug."""

    topic = "events.test_well.dug"
    player_id: UUID
    depth_m: float
    name: str = ""

    @property
    def key(self) -> str:
        return str(self.player_id)


class WorldEnded(Event):
    """No field and no key."""

    topic = "events.test_world.ended"


def written(**fields: Any) -> Envelope:
    """An envelope as another build may have written it."""
    data = msgspec.Raw(msgspec.json.encode(fields))
    return Envelope(id=ID, topic=WellDug.topic, at=AT, key="", data=data)


@given(st.uuids(), st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_an_event_comes_out_of_the_log_as_it_went_in(player_id, depth_m, name):
    event = WellDug(player_id=player_id, depth_m=depth_m, name=name)
    envelope = enclose(event, id=ID, at=AT, game="d1")
    assert msgspec.json.decode(msgspec.json.encode(envelope), type=Envelope).decode() == event


def test_the_envelope_says_what_when_and_whose():
    envelope = enclose(WellDug(player_id=ID, depth_m=5), id=UUID(int=2), at=AT, game="d1")
    assert (envelope.id, envelope.topic, envelope.at) == (UUID(int=2), "events.test_well.dug", AT)
    assert (envelope.key, envelope.game) == (str(ID), "d1")


def test_an_event_without_a_key_has_an_empty_one():
    assert enclose(WorldEnded(), id=ID, at=AT).key == ""


def test_a_field_that_an_older_build_did_not_write_gets_its_default():
    assert written(player_id=ID, depth_m=5).decode() == WellDug(player_id=ID, depth_m=5, name="")


def test_a_field_that_a_newer_build_added_is_ignored():
    assert written(player_id=ID, depth_m=5, colour="blue").decode() == WellDug(player_id=ID, depth_m=5)


@pytest.mark.parametrize("fields", [{"depth_m": 5}, {"player_id": str(ID), "depth_m": "deep"}])
def test_a_damaged_event_is_told_apart(fields):
    with pytest.raises(msgspec.ValidationError):
        written(**fields).decode()


def test_an_unknown_topic_is_told_apart():
    with pytest.raises(KeyError):
        msgspec.structs.replace(written(), topic="events.test_never.declared").decode()


def test_an_undeclared_field_fails_where_the_event_is_built():
    with pytest.raises(TypeError):
        WellDug(player_id=ID, depth_m=5, colour="blue")  # type: ignore[call-arg]


def test_an_event_cannot_be_changed():
    event: Any = WellDug(player_id=ID, depth_m=5)
    with pytest.raises(AttributeError):
        event.depth_m = 6


def test_a_topic_belongs_to_one_class():
    with pytest.raises(TypeError, match=r"events\.test_well\.dug"):

        class Impostor(Event):
            topic = "events.test_well.dug"
