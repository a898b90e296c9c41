"""The packed load against a server that says what it was told to say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from bench.load.loop import SAID_DIGITS
from bench.load.packed import PackedLoad, PackedPlan, Room
from bench.load.process import Generator, Tally
from bench.players import Seat
from overworld.kernel.packed import FLAG_ACK, UNKNOWN
from tests.bench.fake import Answers, serving

pytestmark = pytest.mark.slow

SEATS = [Seat(UUID(int=i), "token") for i in range(40)]


async def one_round(answers: Answers, **changes: Any) -> Tally:
    async with serving(answers) as address:
        settings: dict[str, Any] = {
            "realtime": address, "players": SEATS[:10], "records": 4, "per_s": 2_000.0, "ack_share": 0.2,
            "city_km": 1.0, "seed": 7,
        }  # fmt: skip
        async with Generator(PackedLoad.make, PackedPlan(**(settings | changes))) as generator:
            await generator.round(0.5)
            return await generator.tally()


async def test_every_fix_is_sent_when_it_is_due_and_every_verdict_comes_back():
    answers = Answers(pings=True, surroundings_bytes=70_000)
    tally = await one_round(answers)
    assert tally.faults == []
    assert tally.done == 1_000 + 40  # with the frame of each player that ends the round
    assert tally.seconds == pytest.approx(0.52, abs=0.3)
    frames = [len(fixes) for fixes in answers.fixes.values()]
    assert frames == [26] * 10
    assert len(answers.pongs) > 200
    asked = sum(
        int(np.count_nonzero(fix["flags"] & FLAG_ACK)) for fixes in answers.fixes.values() for fix in fixes[:-1]
    )
    assert len(tally.latencies_s) == asked
    assert 150 < asked < 250
    assert all(0 < latency_s < 2 for latency_s in tally.latencies_s)


async def test_times_are_spread_over_the_frames_interval_and_speeds_are_those_of_a_walk():
    answers = Answers()
    await one_round(answers)
    for frames in answers.fixes.values():
        fixes = np.concatenate(frames)
        assert set(np.diff(fixes["time_us"])) <= {4_999, 5_000, 5_001}
        north_m = np.diff(fixes["lat_e7"]) * 0.0111195
        assert np.abs(north_m).max() <= 0.03
        [speed_cm_s] = set(fixes["speed_cm_s"])
        assert 90 <= speed_cm_s <= 190
        assert fixes["heading_cdeg"].max() < UNKNOWN


async def test_refusals_are_counted_by_reason_and_are_faults():
    tally = await one_round(Answers(refuses=lambda number: number % 50 == 7))
    assert dict(tally.refusals) == {"too_fast": 20}
    assert tally.faults == ["20 fixes were refused as too_fast"]
    assert tally.done == 1_020


async def test_coins_of_a_new_hour_are_no_fault_however_many_and_what_nobody_expects_is_one():
    items = b",".join(b'{"id":"%d","lat":48.1,"lng":11.5}' % number for number in range(100))
    coins = b'{"seq":4,"type":"coins.nearby","data":{"cells":["479ddf58c"],"items":[%s]}}' % items
    assert (await one_round(Answers(unasked=coins))).faults == []
    strange = b'{"seq":4,"type":"gone","data":{"type":"coins.nearby"}}'
    assert (await one_round(Answers(unasked=strange))).faults[0] == f"the server said {strange!r}"


ROOMS = [
    Room(
        lat_deg=40.0 + i, lng_deg=3.0, channel=f"location:cell:{i}", speaker=SEATS[10 + i],
        members=SEATS[12 + 4 * i : 16 + 4 * i],
    )
    for i in range(2)
]  # fmt: skip


async def test_what_is_said_in_a_room_reaches_each_of_its_members_once_and_in_order():
    answers = Answers()
    tally = await one_round(answers, rooms=ROOMS, sayings_per_s=20.0)
    assert tally.faults == []
    assert tally.done == len(tally.latencies_s) == 10 * 4
    assert [channel for channel, _ in answers.said] == ["location:cell:0", "location:cell:1"] * 5
    assert [int(text[:SAID_DIGITS]) for _, text in answers.said] == list(range(10))
    assert {len(text) for _, text in answers.said} == {200}
    assert all(0 < latency_s < 2 for latency_s in tally.latencies_s)
    assert tally.figures["updates_per_s"] == pytest.approx(2_000, rel=0.5)


async def test_what_is_told_twice_in_a_room_is_a_fault():
    tally = await one_round(Answers(tells=lambda number: 1 + (number == 3)), rooms=ROOMS, sayings_per_s=20.0)
    assert tally.faults == ["4 verdicts or sayings came that nobody waited for, or in another order"]


async def test_numbers_go_on_from_round_to_round():
    answers = Answers()
    async with serving(answers) as address:
        plan = PackedPlan(
            realtime=address, players=SEATS[:2], records=4, per_s=80.0, ack_share=0.0, city_km=1.0, seed=7,
            rooms=ROOMS, sayings_per_s=20.0,
        )  # fmt: skip
        async with Generator(PackedLoad.make, plan) as generator:
            for _ in range(2):
                await generator.round(0.3)
                assert (await generator.tally()).faults == []
    # The players say them over lines of their own, of which either may be read first.
    assert sorted(int(text[:SAID_DIGITS]) for _, text in answers.said) == list(range(12))


async def test_a_server_that_closes_connections_is_a_fault_and_ends_no_round_late():
    tally = await one_round(Answers(refuses=lambda number: number == 50, closes=True))
    assert "10 connections were cut" in tally.faults
    assert "10 close frames came" in tally.faults
    assert not any("did not come" in fault for fault in tally.faults)
