"""What players' fixes set off at fences: in verdicts, in the log, and after everything that can go wrong between."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import pytest

from overworld.domains.world.fences.messages import FencesChanged
from overworld.kernel.refusals import Busy, Fault
from tests.domains.world.fences.fenced import BY, alternates, body, logged, told

ANN = UUID(int=1)


def nothing(_there):
    """Any fence will do."""


async def test_coming_staying_and_going_are_in_the_verdict_and_in_the_log(fenced, database):
    await fenced.circle(dwell_s=20)
    steps = [await fenced.go(1, east_m) for east_m in (-80, -20, 0, 0, 0, 0, 30, 80)]
    assert steps == [[], ["zone.entered"], [], [], [], ["zone.dwelt"], [], ["zone.left"]]
    await fenced.settle()
    assert await told(database) == [("entered", 1, ""), ("dwelt", 1, ""), ("left", 1, "moved")]
    entered, dwelt, left = await logged(database)
    assert left.entered_at == dwelt.entered_at == entered.at < dwelt.at < left.at
    assert (dwelt.dwell_s, left.name) == (20, "plaza")


async def test_a_fence_between_two_fixes_is_crossed(fenced, database):
    fence_id = await fenced.circle(radius_m=10)
    assert await fenced.go(1, -60) == []
    fenced.field.wait(10)
    verdict = await fenced.field.stand(1, 60)
    assert [(one.type, one.fence_id, one.name) for one in verdict.triggers] == [("zone.crossed", fence_id, "plaza")]
    await fenced.settle()
    assert await told(database) == [("crossed", 1, "")]


async def test_nobody_is_taken_to_have_crossed_what_lies_between_two_days(fenced, database):
    await fenced.circle(radius_m=10)
    await fenced.go(1, -60)
    assert await fenced.go(1, 60, after_s=3_600) == []


async def test_a_refused_fix_sets_nothing_off(fenced, database):
    await fenced.circle()
    assert await fenced.go(1, -80) == []
    fenced.field.wait(5)
    assert not (await fenced.field.stand(1, 0, mock=True)).accepted
    assert await fenced.go(1, -80) == []
    await fenced.settle()
    assert await told(database) == []


async def test_who_is_invisible_enters_too(fenced, database):
    await fenced.circle()
    fenced.field.world.show(ANN, visible=False)
    assert await fenced.go(1, 0) == ["zone.entered"]


async def test_a_restart_makes_up_for_what_was_not_written(open_fenced, database):
    """The first process sees two go in and one out and dies without a word; the second one's first fixes tell it."""
    first = open_fenced()
    await first.circle()
    assert await first.go(1, 0) == ["zone.entered"]
    assert await first.go(2, 80) == []
    await first.settle()
    await first.parts.writer.stop()
    first.parts.writer._draining = asyncio.get_running_loop().create_future()  # dead: nothing drains any more
    assert await first.go(1, 80) == ["zone.left"]
    assert await first.go(2, 0) == ["zone.entered"]
    second = open_fenced()
    await second.parts.load()
    second.field.wait(60)
    assert await second.go(1, 85) == ["zone.left"]
    assert await second.go(2, 5) == ["zone.entered"]
    assert await second.go(3, 5) == ["zone.entered"]
    await second.settle()
    assert await told(database) == [("entered", 1, ""), ("left", 1, "moved"), ("entered", 2, ""), ("entered", 3, "")]
    await second.parts.stop(within_s=1)


async def test_dwelling_is_told_of_those_who_say_nothing_more(fenced, database):
    await fenced.circle(dwell_s=30)
    await fenced.go(1, 0)
    fenced.field.wait(29)
    fenced.parts.triggers.look(now_us=fenced.field.clock.now_us())
    fenced.field.wait(2)
    for _ in range(2):
        fenced.parts.triggers.look(now_us=fenced.field.clock.now_us())
    await fenced.settle()
    assert await told(database) == [("entered", 1, ""), ("dwelt", 1, "")]
    assert await fenced.go(1, 0) == []


async def test_who_is_silent_for_too_long_dwells_no_more(fenced, database):
    await fenced.circle(dwell_s=600)
    await fenced.go(1, 0)
    fenced.field.wait(601)
    fenced.parts.triggers.look(now_us=fenced.field.clock.now_us())
    await fenced.settle()
    assert await told(database) == [("entered", 1, "")]


async def test_a_fence_that_is_moved_or_deleted_is_left_by_those_inside(fenced, database):
    fence_id = await fenced.circle()
    await fenced.go(1, 0)
    await fenced.settle()
    by = {**BY, "matches": nothing}
    await fenced.parts.service.change(fence_id, body(fenced.field, name="market"), **by)
    assert await fenced.go(1, 1) == []
    await fenced.parts.service.change(fence_id, body(fenced.field, name="market", radius_m=80), **by)
    assert await fenced.go(1, 0) == ["zone.entered"]
    await fenced.settle()
    await fenced.parts.service.delete(fence_id, **by)
    assert await fenced.go(1, 0) == []
    await fenced.settle()
    assert await told(database) == [
        ("entered", 1, ""), ("left", 1, "changed"), ("entered", 1, ""), ("left", 1, "deleted"),
    ]  # fmt: skip
    assert [(one.made, one.changed, one.deleted) for one in await logged(database, [FencesChanged.topic])] == [
        (1, 0, 0), (0, 1, 0), (0, 1, 0), (0, 0, 1),
    ]  # fmt: skip


async def test_what_was_seen_of_a_shape_that_is_gone_changes_nothing(fenced, database):
    """A fix is judged, and before that is written the fence is somewhere else."""
    fence_id = await fenced.circle()
    await fenced.go(1, -80)
    await fenced.settle()
    async with fenced.parts.writer._writing:
        assert await fenced.go(1, 0) == ["zone.entered"]
        await fenced.parts.service.change(fence_id, body(fenced.field, east_m=500), **BY, matches=nothing)
    await fenced.settle()
    assert (await told(database), fenced.parts.writer.void) == ([], 1)
    assert await fenced.go(1, 0) == []
    assert await fenced.go(1, 480, after_s=60) == ["zone.entered"]


@pytest.mark.slow
async def test_a_player_handed_over_alternates_in_the_log(open_fenced, database):
    """Two processes on one database, a player on both in turn: whoever is new to it reads first, whoever hears reads
    anew, and what both saw is written once.
    """
    random_ = random.Random(7)
    pair = [open_fenced(share_fixes=True) for _ in range(2)]
    await pair[0].circle()
    await pair[1].parts.load()
    heard = 0
    for _ in range(60):
        here = random_.choice(pair)
        for each in pair:
            each.field.wait(60)
        await here.go(1, random_.choice([0, 80]), after_s=0)
        if random_.random() < 0.7:
            for each in pair:
                await each.settle()
            log = await logged(database)
            for each in pair:
                each.parts.triggers.hear(log[heard:])
            heard = len(log)
    for each in pair:
        await each.settle()
    for each in pair:
        each.parts.triggers.hear((await logged(database))[heard:])
        each.field.wait(60)
    await pair[0].go(1, 0, after_s=0)
    await pair[0].settle()
    events = await logged(database)
    assert len(events) > 20
    assert alternates(events)
    assert events[-1].topic == "events.zone.entered"
    for each in pair:
        await each.parts.stop(within_s=1)


async def test_fixes_wait_in_order_while_it_is_read_where_a_player_is(open_fenced, database):
    here = open_fenced()
    await here.circle()
    reading, go_on = here.parts.triggers._kept, asyncio.Event()

    async def slowly(player_ids):
        await go_on.wait()
        return await reading(player_ids)

    here.parts.triggers._kept = slowly
    verdicts = []
    for east_m in (-80, 0, 80):
        here.field.wait(20)
        verdicts.append(here.field.world.submit(ANN, here.field.report(east_m)))
        here.field.world.tick.flush()
    assert here.parts.triggers.waiting == 3
    assert not any(verdict.done() for verdict in verdicts)
    go_on.set()
    told_ = [[one.type for one in (await verdict).triggers] for verdict in verdicts]
    assert told_ == [[], ["zone.entered"], ["zone.left"]]
    await here.parts.stop(within_s=1)


async def test_a_verdict_waits_no_longer_than_a_reading_that_fails(fenced, database):
    await fenced.circle()
    triggers = fenced.parts.triggers

    class Gone:
        def read(self):
            raise Fault("the database is gone")

    whole, triggers._database = triggers._database, Gone()
    fenced.field.wait(5)
    verdict = await fenced.field.stand(1, 0)
    assert (verdict.accepted, verdict.triggers) == (True, ())
    triggers._database = whole
    await fenced.settle()
    assert await told(database) == [("entered", 1, "")]


async def test_nothing_is_dropped_when_the_log_is_slow_and_new_fixes_are_refused(open_fenced, database):
    here = open_fenced(fence_events_waiting_max=4)
    for k in range(3):
        await here.circle(name=f"fence {k}")
    await here.go(1, -80)
    async with here.parts.writer._writing:
        await here.go(1, 0)
        await here.go(1, 80)
        assert here.parts.writer.waiting == 6
        with pytest.raises(Busy):
            await here.go(1, 0)
    await here.settle()
    assert await here.go(1, 0) == ["zone.entered"] * 3
    await here.settle()
    assert here.parts.writer.made == here.parts.writer.written == len(await logged(database)) == 9
    await here.parts.stop(within_s=1)


@pytest.mark.slow
async def test_under_load_all_that_is_made_is_written_and_alternates(fenced, database):
    """Two hundred walkers over forty fences, while fences come, move and go."""
    random_ = random.Random(3)
    fences = [await fenced.circle(east_m=25 * k, radius_m=20, name=f"f{k}", dwell_s=10) for k in range(40)]
    at_m = {player: random_.uniform(0, 1_000) for player in range(1, 201)}
    for turn in range(15):
        fenced.field.wait(10)
        for player in at_m:
            at_m[player] += random_.choice([-40, -10, 0, 10, 40])
        verdicts = [
            fenced.field.world.submit(UUID(int=player), fenced.field.report(east_m, accuracy_m=3))
            for player, east_m in at_m.items()
        ]
        if turn % 3 == 2:
            moved = body(fenced.field, east_m=random_.uniform(0, 1_000), radius_m=25)
            await fenced.parts.service.change(fences[turn], moved, **BY, matches=nothing)
            await fenced.parts.service.delete(fences.pop(), **BY, matches=nothing)
        await asyncio.gather(*verdicts)
    await fenced.settle()
    writer, events = fenced.parts.writer, await logged(database)
    moved = [event for event in events if getattr(event, "reason", "moved") == "moved"]
    assert writer.made == writer.written + writer.void
    assert writer.written == len(moved) > 1_000
    assert alternates(events)
    async with database.read() as tx:
        kept = await tx.fetchval("SELECT count(*) FROM world.fence_inside")
    entered, left = (sum(event.topic == f"events.zone.{what}" for event in events) for what in ("entered", "left"))
    assert kept == entered - left
