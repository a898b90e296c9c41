"""The codec of packed frames: what goes in comes out, and no bytes make it say something that is not there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from overworld.client import Fix, Malformed
from overworld.client.packed import (
    REASONS,
    Records,
    decode_surroundings,
    decode_verdicts,
    encode_fixes,
    encode_records,
    kind_of,
)
from overworld.domains.world.types import Reason
from overworld.geo import cells
from overworld.kernel import packed
from overworld.kernel.clock import to_us
from tests.client import frames

FIX = Fix(lat=48.2, lng=16.37, accuracy_m=5.0, timestamp=datetime(2026, 11, 21, tzinfo=UTC))
CELL = cells.cell_of(48.2, 16.37, 15)
ACCOUNT = bytes(range(240, 256))
FRAME = frames.surroundings(
    [
        frames.section(CELL, number=7, flags=packed.SECTION_WHOLE, entered=[(1, -5, 6, 64, 4, ACCOUNT)]),
        frames.section(CELL, number=8, left=[1, 2], moved=[(3, 1, 2, 3, 4)]),
    ],
    clock_ms=2**32 - 1,
)

YEARS = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2200-01-01"))
fixes = st.builds(
    Fix,
    lat=st.floats(-90, 90),
    lng=st.floats(-180, 180),
    accuracy_m=st.none() | st.floats(0, 1e7),
    timestamp=st.datetimes(*YEARS, timezones=st.just(UTC)),
    speed_m_s=st.just(UNSET) | st.floats(0, 1e6),
    heading_deg=st.just(UNSET) | st.floats(0, 360),
    mock=st.just(UNSET) | st.booleans(),
)
places = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(0, 255),
    st.integers(0, 255),
)


@given(st.lists(fixes, min_size=1, max_size=128), st.booleans())
def test_what_a_frame_says_of_a_fix_is_within_half_a_unit_of_it(given_fixes, ack):
    payload = encode_fixes(given_fixes, ack=ack)
    assert packed.HEADER.unpack_from(payload) == (1, 1, len(given_fixes))
    records = np.frombuffer(payload, packed.POSITION, offset=4)
    assert len(records) == len(given_fixes)
    for fix, record in zip(given_fixes, records, strict=True):
        assert record["time_us"] == to_us(fix.timestamp)
        assert record["lat_e7"] / 1e7 == pytest.approx(fix.lat, abs=0.5001e-7)
        assert record["lng_e7"] / 1e7 == pytest.approx(fix.lng, abs=0.5001e-7)
        assert_measured(record["accuracy_dm"], fix.accuracy_m, 10)
        assert_measured(record["speed_cm_s"], fix.speed_m_s, 100)
        if fix.heading_deg is UNSET:
            assert record["heading_cdeg"] == packed.UNKNOWN
        else:
            off_deg = (record["heading_cdeg"] / 100 - fix.heading_deg + 180) % 360 - 180
            assert (record["heading_cdeg"] < 36_000, abs(off_deg) <= 0.00501) == (True, True)
        assert record["flags"] == (fix.mock is True) * packed.FLAG_MOCK + ack * packed.FLAG_ACK


def assert_measured(units, value, scale):
    if value is None or value is UNSET:
        assert units == packed.UNKNOWN
    else:
        assert units / scale == pytest.approx(min(value, 65_534 / scale), abs=0.501 / scale)


def test_columns_make_the_same_frame_as_the_fixes_they_hold():
    records = np.frombuffer(encode_fixes([FIX, FIX]), packed.POSITION, offset=4)
    assert encode_records(records) == encode_fixes([FIX, FIX])


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": float("nan")},
        {"lng": 215.0},
        {"lat": float("inf")},
        {"accuracy_m": -1.0},
        {"accuracy_m": float("nan")},
        {"speed_m_s": -0.1},
        {"heading_deg": float("inf")},
    ],
)
def test_a_fix_that_no_frame_can_hold_is_an_error(wrong):
    with pytest.raises(ValueError, match=r"Earth|accuracy|heading"):
        encode_fixes([replace(FIX, **wrong)])


def test_a_frame_holds_neither_none_nor_too_many_nor_other_records():
    for count in (0, 129):
        with pytest.raises(ValueError, match="1 to 128"):
            encode_fixes([FIX] * count)
    with pytest.raises(ValueError, match="not records"):
        encode_records(np.zeros(3, packed.MOVED))


def test_reasons_are_those_of_the_world():
    assert list(REASONS) == [None, *(reason.wire for reason in Reason if reason)]


@given(
    st.lists(
        st.tuples(st.datetimes(timezones=st.just(UTC)), st.integers(0, len(REASONS) - 1), st.integers(0, 2**32 - 1)),
        max_size=50,
    )
)
def test_verdicts_come_out_as_they_were_given(given_verdicts):
    payload = frames.verdicts(*((to_us(at), reason == 0, reason, tick) for at, reason, tick in given_verdicts))
    told = [(verdict.at, verdict.reason, verdict.tick, verdict.accepted) for verdict in decode_verdicts(payload)]
    assert told == [(at, REASONS[reason], tick, reason == 0) for at, reason, tick in given_verdicts]


def test_a_reason_of_a_later_server_has_its_number_for_a_name():
    assert decode_verdicts(frames.verdicts((0, 0, 99, 1)))[0].reason == "reason_99"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x02\x01\x00",
        frames.verdicts((0, 1, 0, 1))[:-1],
        frames.verdicts((0, 1, 0, 1)) + b"\0",
        b"\x02\x01\xff\xff" + bytes(16),
        b"\x02\x02\x00\x00",
        b"\x03\x01\x00\x00",
        frames.verdicts((0, 1, 3, 1)),
        frames.verdicts((0, 0, 0, 1)),
        frames.verdicts((0, 2, 0, 1)),
        frames.verdicts((2**62, 1, 0, 1)),
    ],
)
def test_verdicts_that_are_none_are_malformed(payload):
    with pytest.raises(Malformed):
        decode_verdicts(payload)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.integers(0, 3),
            st.lists(st.integers(0, 2**32 - 1), max_size=5),
            st.lists(st.tuples(places, st.binary(min_size=16, max_size=16)), max_size=5),
            st.lists(places, max_size=5),
        ),
        max_size=6,
    ),
)
def test_surroundings_come_out_as_they_were_given(clock_ms, told):
    sections = [
        frames.section(
            CELL,
            number=number,
            flags=flags,
            left=left,
            entered=[(*place, account) for place, account in entered],
            moved=moved,
        )
        for number, flags, left, entered, moved in told
    ]
    frame = decode_surroundings(frames.surroundings(sections, clock_ms=clock_ms))
    assert frame.clock_ms == clock_ms
    assert [
        (
            one.number,
            one.is_whole + 2 * one.is_gone,
            one.left.tolist(),
            [(tuple(record[:5]), record[5]) for record in one.entered.tolist()],
            one.moved.tolist(),
        )
        for one in frame.sections
    ] == told
    assert {one.cell for one in frame.sections} <= {CELL}


def plain(records: Records) -> list[Any]:
    return list(records.tolist())


@given(st.integers(0, len(FRAME) - 1))
def test_a_frame_cut_short_anywhere_is_malformed(length):
    with pytest.raises(Malformed):
        decode_surroundings(FRAME[:length])


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda tail: FRAME[:8] + tail))
def test_any_bytes_are_a_frame_that_says_just_that_or_malformed(payload):
    try:
        frame = decode_surroundings(payload)
    except Malformed:
        return
    again = [
        frames.section(
            one.cell,
            number=one.number,
            flags=one.is_whole * packed.SECTION_WHOLE + one.is_gone * packed.SECTION_GONE,
            left=one.left.tolist(),
            entered=plain(one.entered),
            moved=plain(one.moved),
        )
        for one in frame.sections
    ]
    assert frames.surroundings(again, clock_ms=frame.clock_ms) == payload


@given(st.integers(0, len(FRAME) - 1), st.integers(1, 255))
def test_a_frame_with_a_byte_changed_is_malformed_or_says_something_else(at, change):
    payload = FRAME[:at] + bytes([FRAME[at] ^ change]) + FRAME[at + 1 :]
    try:
        frame = decode_surroundings(payload)
    except Malformed:
        return
    assert len(frame.sections) == 2


@pytest.mark.parametrize(
    "one",
    [
        frames.section(0),
        frames.section(2**64 - 1),
        frames.section(cells.parent(CELL, 1)),
        frames.section(CELL, flags=4),
        frames.section(CELL) + b"\0",
    ],
)
def test_sections_that_are_none_are_malformed(one):
    with pytest.raises(Malformed):
        decode_surroundings(frames.surroundings([one]))


def test_the_first_byte_tells_packed_frames_from_messages():
    assert [kind_of(payload) for payload in (b"\x01", b"\x0f", b"", b"\0", b"\x10", b"\x83")] == [
        1,
        15,
        None,
        None,
        None,
        None,
    ]


def test_a_time_zone_does_not_change_the_time():
    elsewhere = replace(FIX, timestamp=datetime.fromisoformat("2026-11-21T02:00:00+02:00"))
    assert encode_fixes([elsewhere]) == encode_fixes([FIX])
    assert encode_fixes([replace(FIX, timestamp=FIX.timestamp + timedelta(microseconds=1))]) != encode_fixes([FIX])
