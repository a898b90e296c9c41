"""Packed fixes: judged as the same fixes in JSON, in order, and answered by frames that tell refusals and acks."""

from __future__ import annotations

import gc
from datetime import timedelta
from itertools import islice
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overworld.domains.world.engine.engine import KERNELS
from overworld.domains.world.engine.inbox import head, read, single
from overworld.domains.world.errors import BadPosition
from overworld.domains.world.messages import FixReport
from overworld.domains.world.rules import FIX
from overworld.domains.world.types import Reason
from overworld.geo.compiled import compiled_count
from overworld.geo.sphere import destination_deg
from overworld.kernel import packed
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.refusals import Busy
from tests.domains.world.journeys import HOME

ANN, BEN = UUID(int=1), UUID(int=2)
ACK = packed.FLAG_ACK


class Heard:
    """A reporter with what it was told."""

    def __init__(self, field, player=ANN, **more):
        self.frames: list[bytes] = []
        self.reporter = field.world.open(player, tell=self.frames.append, **more)

    def put(self, *records):
        self.reporter.put(frame_of(*records), 0.0)

    def verdicts(self):
        """(time, reason) of every verdict told since the last call, frame by frame."""
        told = [
            [(int(one["time_us"]), int(one["reason"])) for one in np.frombuffer(frame[4:], packed.VERDICT)]
            for frame in self.frames
        ]
        self.frames.clear()
        return told


def record(time_us, place=HOME, *, accuracy_dm=50, flags=ACK, speed=packed.UNKNOWN, heading=packed.UNKNOWN):
    return (time_us, round(place[0] * 1e7), round(place[1] * 1e7), accuracy_dm, speed, heading, flags)


def frame_of(*records):
    head = packed.HEADER.pack(packed.POSITIONS, packed.VERSION, len(records))
    return head + np.array(list(records), packed.POSITION).tobytes()


def now_us(field):
    return to_us(field.clock.now())


def judge(field):
    field.world.tick.flush()


async def test_while_a_burst_is_read_verdicts_on_what_has_waited_are_told_between_two_frames(field):
    ann, at = Heard(field), now_us(field)
    ann.put(record(at - 1_000_000))
    assert ann.frames == []
    ann.reporter.put(frame_of(record(at)), field.world.tick.latest_s)
    assert ann.verdicts() == [[(at - 1_000_000, 0)], [(at, 0)]]


async def test_the_verdict_on_each_fix_that_asks_for_one_comes_in_one_frame(field):
    ann, at = Heard(field), now_us(field)
    ann.put(record(at - 2_000_000), record(at - 1_000_000, flags=0), record(at))
    judge(field)
    [frame] = ann.frames
    assert packed.HEADER.unpack(frame[:4]) == (packed.VERDICTS, packed.VERSION, 2)
    verdicts = np.frombuffer(frame[4:], packed.VERDICT)
    assert verdicts["time_us"].tolist() == [at - 2_000_000, at]
    assert verdicts["accepted"].tolist() == [1, 1]
    assert verdicts["tick"].tolist() == [field.world.tick.passes] * 2


async def test_a_refusal_is_told_unasked_and_an_accepted_fix_is_not(field):
    ann, at = Heard(field), now_us(field)
    ann.put(record(at, flags=0), record(at, flags=0))
    judge(field)
    assert ann.verdicts() == [[(at, Reason.TIME_ORDER)]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"place": (91.0, 0.0)}, Reason.OUT_OF_RANGE),
        ({"place": (0.0, 181.0)}, Reason.OUT_OF_RANGE),
        ({"place": (-214.7483648, 214.7483647)}, Reason.OUT_OF_RANGE),
        ({"flags": packed.FLAG_MOCK}, Reason.MOCK),
        ({"accuracy_dm": 1_001}, Reason.INACCURATE),
        ({"accuracy_dm": 1_000}, Reason.NONE),
        ({"accuracy_dm": packed.UNKNOWN}, Reason.NONE),
        ({"time_us": -(2**63)}, Reason.TIME_STALE),
        ({"time_us": 2**63 - 1}, Reason.TIME_FUTURE),
    ],
)
async def test_a_packed_fix_is_refused_for_what_is_wrong_with_it(field, change, reason):
    ann = Heard(field)
    fields = {"time_us": now_us(field), "flags": ACK} | change
    fields["flags"] |= ACK
    ann.put(record(**fields))
    judge(field)
    [[(_, told)]] = ann.verdicts()
    assert told == reason


@pytest.mark.parametrize("time_us", [-(2**63), 2**63 - 1])
async def test_no_time_breaks_the_pass_of_a_replay(field, time_us):
    ann, ben = Heard(field, own_timeline=True), Heard(field, BEN)
    ann.put(record(time_us), record(0), record(time_us))
    ben.put(record(now_us(field)))
    judge(field)
    assert len(ben.verdicts()) == 1
    assert field.world.tick.broken == 0


async def test_fixes_of_one_player_are_judged_in_the_order_in_which_they_came_by_whatever_way(field):
    ann, at = Heard(field), field.clock.now()
    first = field.world.submit(ANN, field.report(at=at - timedelta(seconds=3)))
    ann.put(record(to_us(at) - 2_000_000), record(to_us(at) - 2_500_000))
    last = field.world.submit(ANN, field.report(at=at - timedelta(seconds=2)))
    after = field.world.submit(ANN, field.report(at=at))
    judge(field)
    assert (await first).accepted
    assert [reason for [*frame] in ann.verdicts() for _, reason in frame] == [0, Reason.TIME_ORDER]
    assert (await last).reason == "time_order"
    assert (await after).accepted


_HOPS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),
        st.floats(0, 360),
        st.one_of(st.floats(0, 100), st.floats(0, 100_000)),
        st.sampled_from([20, 50, 999, 1_001, packed.UNKNOWN]),
        st.booleans(),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=30,
)


@given(hops=_HOPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_packed_fixes_get_the_verdicts_that_the_same_fixes_get_in_json(open_field, hops):
    """Also when frames hold several fixes, and passes several frames."""
    field = open_field()
    ann, singles, at, place = Heard(field), [], now_us(field) - 100_000_000, HOME
    records = []
    for after_us, bearing, metres, accuracy_dm, mock, _ in hops:
        at += after_us
        place = destination_deg(*place, bearing, metres)
        records.append(record(at, place, accuracy_dm=accuracy_dm, flags=ACK | packed.FLAG_MOCK * mock))
    left = iter(records)
    for size in (hop[-1] for hop in hops):
        if chunk := list(islice(left, size)):
            ann.put(*chunk)
    for time_us, lat_e7, lng_e7, accuracy_dm, *_, flags in records:
        fix = FixReport(
            lat=lat_e7 * 1e-7, lng=lng_e7 * 1e-7, timestamp=from_us(time_us), mock=bool(flags & packed.FLAG_MOCK),
            accuracy_m=None if accuracy_dm == packed.UNKNOWN else accuracy_dm * 0.1,
        )  # fmt: skip
        singles.append(field.world.submit(BEN, fix))
    judge(field)
    told = [reason for frame in ann.verdicts() for _, reason in frame]
    expected = [0 if one.result().accepted else Reason[one.result().reason.upper()] for one in singles]
    assert told == expected


async def test_each_reporter_hears_of_its_own_fixes_only(field):
    everyone = [Heard(field, UUID(int=1 + i)) for i in range(50)]
    at = now_us(field)
    for step in range(3):
        for i, one in enumerate(everyone):
            one.put(record(at - 10_000_000 + step * 1_000_000 + i))
    judge(field)
    for i, one in enumerate(everyone):
        assert one.verdicts() == [[(at - 10_000_000 + step * 1_000_000 + i, 0)] for step in range(3)]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x01",
        b"\x01\x01\x00\x00",
        frame_of(record(1))[:-1],
        frame_of(record(1)) + b"\0",
        b"\x02" + frame_of(record(1))[1:],
        b"\x01\x02" + frame_of(record(1))[2:],
        b"\x01\x01\x02\x00" + frame_of(record(1))[4:],
        b"\x01\x01\xff\xff" + frame_of(record(1))[4:],
        frame_of(*[record(1)] * 1_025),
    ],
)
async def test_what_is_no_frame_of_positions_is_refused_and_queues_nothing(field, frame):
    with pytest.raises(BadPosition):
        Heard(field).reporter.put(frame, 0.0)
    assert field.world.tick.waiting == 0


async def test_a_frame_that_does_not_fit_is_refused_whole(open_field):
    field = open_field(inbox_max=10)
    ann, at = Heard(field), now_us(field)
    ann.put(*[record(at + i) for i in range(8)])
    with pytest.raises(Busy):
        ann.put(*[record(at + 8 + i) for i in range(3)])
    judge(field)
    assert [len(frame) for frame in ann.verdicts()] == [8]


async def test_a_closed_reporter_hears_nothing_and_its_number_waits_until_its_fixes_are_judged(field):
    ann, at = Heard(field), now_us(field)
    ann.put(record(at))
    ann.reporter.close()
    ben = Heard(field, BEN)
    ben.put(record(at + 1))
    judge(field)
    assert ann.frames == []
    assert ben.verdicts() == [[(at + 1, 0)]]
    assert field.world.last_fix(ANN) is not None
    cat = Heard(field, UUID(int=3))
    assert cat.reporter.number == ann.reporter.number


async def test_closing_twice_frees_one_number_only(field):
    ann = Heard(field)
    ann.reporter.close()
    ann.reporter.close()
    judge(field)
    Heard(field, BEN).put(record(now_us(field)))
    judge(field)
    numbers = {Heard(field, UUID(int=10 + i)).reporter.number for i in range(3)}
    assert len(numbers) == 3


async def test_a_player_is_not_forgotten_while_somebody_reports_for_it(open_field):
    field = open_field(track_kept_s=3_600)
    ann, ben = Heard(field), Heard(field, BEN)
    for one in (ann, ben):
        one.put(record(now_us(field)))
    judge(field)
    ben.reporter.close()
    field.wait(4_000)
    field.world.expire()
    field.world.forget()
    assert len(field.world.engine.players) == 1
    ann.put(record(now_us(field)))
    judge(field)
    assert len(ann.verdicts()) == 2


async def test_settled_resolves_when_what_was_put_is_judged(field):
    ann = Heard(field)
    assert ann.reporter.settled() is None
    ann.put(record(now_us(field)))
    settled = ann.reporter.settled()
    assert settled is not None
    assert not settled.done()
    judge(field)
    assert settled.done()
    assert ann.reporter.settled() is None


async def test_who_comes_into_another_room_cell_is_told_of_once(field):
    crossed: list[UUID] = []
    field.world.on_crossed = crossed.extend
    ann, at = Heard(field), now_us(field)
    far = destination_deg(*HOME, 90.0, 600.0)
    ann.put(record(at - 60_000_000), record(at - 59_000_000))
    verdict = field.world.submit(BEN, field.report())
    judge(field)
    assert crossed == [ANN, BEN]
    ann.put(record(at, far), record(at + 1_000_000, far))
    judge(field)
    assert crossed == [ANN, BEN, ANN]
    assert (await verdict).accepted


def test_speed_and_heading_come_through_on_both_ways():
    entry = single(
        slot=0, generation=0, time_us=1, lat_deg=0.0, lng_deg=0.0, accuracy_m=5.0, altitude_m=None, speed_m_s=1.5,
        heading_deg=270.0, flags=0,
    )  # fmt: skip
    begin = head(slot=0, generation=0, reporter=1, own_timeline=False)
    fix = read(bytearray(entry + begin + frame_of(record(1, speed=150, heading=27_000), record(1))), count=3)
    assert fix["speed_m_s"][:2] == pytest.approx([1.5, 1.5])
    assert fix["heading_deg"][:2] == pytest.approx([270.0, 270.0])
    assert np.isnan(fix["speed_m_s"][2])
    assert np.isnan(fix["heading_deg"][2])


@pytest.mark.slow
async def test_a_pass_over_packed_fixes_compiles_nothing_and_leaves_no_garbage(field):
    ann, at = Heard(field), now_us(field)
    ann.put(record(at))
    judge(field)
    compiled = compiled_count(KERNELS)

    def left_by_passes(first: int) -> int:
        gc.collect()
        for step in range(first, first + 20):
            ann.put(*[record(at + 1_000 * step + i) for i in range(8)])
            judge(field)
        return gc.collect()

    # What another thread of this process leaves meanwhile is not ours; it does not come twice.
    assert min(left_by_passes(1), left_by_passes(21)) < 10, "fewer than the passes, so no pass leaves any"
    assert compiled_count(KERNELS) == compiled


def test_frames_keep_every_field_of_the_inbox_aligned():
    assert FIX.itemsize % 8 == 0
    assert packed.POSITION.itemsize == 24
    assert packed.VERDICT.itemsize == 16
    assert packed.SECTION.itemsize == 16
    assert packed.MOVED.itemsize == 10
