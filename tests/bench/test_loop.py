"""The compiled loop of the packed load reads what a server writes, however it is cut into pieces."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic_ns
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.load import loop
from bench.load.lines import masked
from overworld.geo.sphere import distance_between_m
from overworld.kernel.packed import HEADER, SECTION, SURROUNDINGS, SURROUNDINGS_HEADER, VERDICT, VERDICTS

BINARY, TEXT, CLOSE, PING, PONG = 0x82, 0x81, 0x88, 0x89, 0x8A


class Reader:
    """One connection of the loop, and the server's end of it."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self._ours = ours
        self.lines = np.zeros(1, loop.LINE)
        self.line = self.lines[0]
        self.line["fd"] = ours.fileno()
        self.line["room"] = -1
        self.plan = np.zeros(1, loop.PLAN)
        self.plan["rooms"] = 1
        self.state = np.zeros(1, loop.STATE)[0]
        self.latencies_s, self.delays_s = np.zeros(64), np.zeros(64)
        self._errno = loop.errno_here()

    def read(self, data: bytes, *, piece: int) -> None:
        """Has the server write so many bytes at a time, and the loop read after each."""
        for at in range(0, len(data), piece):
            self.theirs.sendall(data[at : at + piece])
            loop.receive(self.line, self.plan[0], self.state, self.latencies_s, self.delays_s, self._errno)

    def owe(self, *times_us: int, due_ns: int) -> None:
        """As if fixes of these times had asked for their verdicts."""
        for time_us in times_us:
            self.line["fix_us"][self.line["asked"]] = time_us
            self.line["due_ns"][self.line["asked"]] = due_ns
            self.line["asked"] += 1
            self.state["asked"] += 1

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


@pytest.fixture
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.close()


def frame(first: int, payload: bytes) -> bytes:
    """A frame as a server writes it."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 1 << 16:
        return bytes((first, 126)) + length.to_bytes(2) + payload
    return bytes((first, 127)) + length.to_bytes(8) + payload


def verdicts(*records: tuple[int, int, int]) -> bytes:
    packed = np.array([(time_us, accepted, reason, 0, 1) for time_us, accepted, reason in records], VERDICT)
    return frame(BINARY, HEADER.pack(VERDICTS, 1, len(records)) + packed.tobytes())


def surroundings(*, spare: int = 0) -> bytes:
    return frame(BINARY, SURROUNDINGS_HEADER.pack(SURROUNDINGS, 1, 1, 0) + bytes(SECTION.itemsize + spare))


def said(number: int) -> bytes:
    """What a room hears, as a server writes it."""
    text = f"{number:0{loop.SAID_DIGITS}d}" + "x" * 188
    event = {"seq": 7, "type": "chat.message", "channel": "location:cell:1", "data": {"text": text, "id": "1"}}
    return frame(TEXT, msgspec.json.encode(event))


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 16, 100, 1_000_000])
def test_every_kind_of_message_is_counted_however_it_is_cut(reader: Reader, piece: int):
    reader.owe(1, 2, 1 << 40, due_ns=monotonic_ns())
    heard = (
        verdicts((1, 1, 0))
        + surroundings()
        + frame(TEXT, b"a" * 125)
        + surroundings(spare=70_000 if piece > 3 else 300)
        + frame(TEXT, b"b" * 3_000)
        + frame(PONG, b"")
        + verdicts((2, 1, 0), (5, 0, 3), (1 << 40, 0, 1))
    )
    reader.read(heard, piece=piece)
    state = reader.state
    assert {name: int(state[name]) for name in ("answered", "surroundings", "texts", "texts_bytes")} == {
        "answered": 3,
        "surroundings": 2,
        "texts": 2,
        "texts_bytes": 3_125,
    }
    assert (state["reasons"][3], state["reasons"][1], state["reasons"].sum()) == (1, 1, 2)
    assert (state["malformed"], state["strange"], reader.line["have"]) == (0, 0, 0)
    assert bytes(state["kept"][0]).rstrip(b"\0") == b"a" * 125


def test_a_latency_begins_when_the_fix_was_due(reader: Reader):
    reader.owe(1, due_ns=monotonic_ns() - 5_000_000_000)
    reader.read(verdicts((1, 1, 0)), piece=100)
    assert 5 <= reader.latencies_s[0] < 10


def test_verdicts_that_end_a_round_are_not_timed(reader: Reader):
    reader.owe(1, due_ns=0)
    reader.read(verdicts((1, 1, 0)), piece=100)
    assert (reader.state["answered"], reader.state["timed"]) == (1, 0)


def test_a_verdict_that_nobody_asked_for_or_in_another_order_is_noticed(reader: Reader):
    reader.owe(1, 2, due_ns=monotonic_ns())
    reader.read(verdicts((2, 1, 0), (1, 1, 0)), piece=100)
    assert (reader.state["answered"], reader.state["strange"]) == (1, 1)


def test_what_is_no_message_of_the_server_is_noticed(reader: Reader):
    reader.read(frame(0x02, bytes(8)) + frame(BINARY, bytes(8)) + masked(b"text"), piece=1_000)
    assert reader.state["malformed"] >= 3


@pytest.mark.parametrize("piece", [1, 1_000])
def test_a_ping_is_answered_with_its_payload_masked(reader: Reader, piece: int):
    reader.read(frame(PING, b"are you there"), piece=piece)
    assert reader.theirs.recv(100) == bytes((PONG, 0x80 | 13)) + bytes(4) + b"are you there"


def test_an_end_of_the_connection_ends_what_is_waited_for(reader: Reader):
    reader.owe(1, 2, due_ns=monotonic_ns())
    reader.read(verdicts((1, 1, 0)) + frame(CLOSE, b"\x11\x30full"), piece=1_000)
    reader.theirs.shutdown(socket.SHUT_WR)
    loop.receive(reader.line, reader.plan[0], reader.state, reader.latencies_s, reader.delays_s, np.zeros(1, np.int32))
    assert [reader.state[name] for name in ("closes", "cuts", "asked", "answered")] == [1, 1, 1, 1]


@pytest.fixture
def member(reader: Reader) -> Reader:
    """One of room 2 of 10, of a round that began 10 s ago, after 50 sayings of others. One is due every 0.1 s."""
    reader.line["room"] = 2
    reader.plan["rooms"], reader.plan["said"], reader.plan["sayings"] = 10, 50, 40
    reader.plan["saying_ns"] = 100_000_000
    reader.plan["start_ns"] = monotonic_ns() - 10_000_000_000
    return reader


@pytest.mark.parametrize("piece", [1, 5, 1_000])
def test_what_a_member_hears_is_timed_from_when_it_was_due_to_be_said(member: Reader, piece: int):
    member.read(surroundings() + said(52) + surroundings() + said(62), piece=piece)
    assert (member.state["delivered"], member.state["strange"], member.state["texts"]) == (2, 0, 0)
    assert member.delays_s[:2] == pytest.approx([10 - 0.2, 10 - 1.2], abs=0.9)


@pytest.mark.parametrize("numbers", [(52, 52), (62, 52), (52, 72), (53,), (42, 52)])
def test_what_comes_twice_late_out_of_order_or_to_another_room_is_noticed(member: Reader, numbers: tuple[int, ...]):
    member.read(b"".join(said(number) for number in numbers), piece=1_000)
    assert member.state["strange"] == 1
    assert member.state["delivered"] == len(numbers) - 1


def test_a_speaker_waits_for_its_answers_and_not_for_its_own_words(member: Reader):
    member.line["room"] = -1
    member.read(said(52) + frame(TEXT, b'{"type":"chat.sent","id":"1"}') + frame(TEXT, b'{"type":"error"}'), piece=3)
    assert [member.state[name] for name in ("sent", "delivered", "strange", "texts")] == [1, 0, 0, 1]
    assert bytes(member.state["kept"][0]).rstrip(b"\0") == b'{"type":"error"}'


def test_a_number_is_written_with_all_its_digits():
    row = np.frombuffer(bytearray(b"[" + b"?" * loop.SAID_DIGITS + b"]"), np.uint8)
    loop.write_number(row, 1, 9_070)
    assert bytes(row) == b"[000000009070]"


def test_a_walker_goes_up_and_down_its_street_at_walking_speed():
    street = np.zeros(1, loop.STREET)[0]
    street["lat_deg"], street["lng_deg"], street["long_m"] = 48.0, 11.0, 100.0
    street["north_deg"], street["heading_deg"], street["begun_m"] = 1 / 111_195, 0.0, 50.0
    street["speed_m_s"] = 1.4
    places: list[Any] = [loop.walked(street, second * 1_000_000) for second in range(200)]
    steps_m = [distance_between_m(one[0], one[1], other[0], other[1]) for one, other in pairwise(places)]
    turns = sum(step_m < 1.39 for step_m in steps_m)
    assert max(steps_m) == pytest.approx(1.4, abs=0.01)
    assert turns <= 3
    assert {place[2] for place in places} == {0.0, 180.0}
    assert all(48.0 <= place[0] <= 48.0 + 100 / 111_000 for place in places)
