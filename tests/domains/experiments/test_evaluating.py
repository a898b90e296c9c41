"""Flags evaluated for players: the same for everybody who asks, and each exposure once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.experiments.errors import NoSuchFlag
from overworld.domains.experiments.messages import FlagExposed, Unit
from overworld.domains.experiments.rules import drawn
from overworld.domains.experiments.types import Condition, Op, Reason, Rule, Variant
from tests.domains.experiments.conftest import HALVES, STAFF, body, measured, unit

ADULT = Condition(attribute="level", op=Op.AT_LEAST, values=(50,))


async def test_two_servers_give_a_player_the_same_and_the_day_does_not_matter(lab):
    await lab.flag()
    other = lab.again()
    await other.book.follow()
    players = [unit(UUID(int=i)) for i in range(200)]
    here = await lab.parts.evaluating.many(players)
    lab.clock.advance(timedelta(days=400))
    there = await other.evaluating.many(players)
    assert here == there
    assert {one["map"].variant for one in here} == {"on", "off"}
    assert [one["map"].variant for one in here] == [drawn(HALVES, salt="map", unit=each.key).name for each in players]


async def test_an_exposure_is_kept_and_told_once_a_player_flag_and_day(lab):
    await lab.flag("map", experiment=measured())
    await lab.flag("plain")
    player = unit(UUID(int=1))
    for _ in range(3):
        given = await lab.parts.evaluating.one(player, flag="map")
        await lab.parts.evaluating.many([player])
    told = FlagExposed(player_id=UUID(int=1), flag="map", variant=given.variant, allocation=1, randomised=True)
    assert lab.outbox.of(FlagExposed) == [told]
    lab.tomorrow()
    await lab.parts.evaluating.one(player, flag="map")
    assert lab.outbox.of(FlagExposed) == [told, told]
    assert lab.parts.evaluating.exposed == 2


async def test_a_server_that_forgot_or_never_knew_tells_nothing_twice(lab):
    await lab.flag("map", experiment=measured())
    await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    other = lab.again()
    await other.book.follow()
    await other.evaluating.one(unit(UUID(int=1)), flag="map")
    assert len(lab.outbox.of(FlagExposed)) == 1


async def test_many_at_once_are_exposed_once_each_in_few_batches(lab):
    await lab.flag("map", experiment=measured())
    other = lab.again()
    await other.book.follow()
    asked = [
        parts.evaluating.one(unit(UUID(int=i % 50)), flag="map") for i in range(400) for parts in (lab.parts, other)
    ]
    await asyncio.gather(*asked)
    told = lab.outbox.of(FlagExposed)
    assert sorted(one.player_id.int for one in told) == list(range(50))
    await other.evaluating.close()


async def test_looking_exposes_nobody_and_neither_does_a_default(lab):
    await lab.flag("map", Rule(when=(ADULT,)), experiment=measured())
    await lab.parts.evaluating.one(unit(UUID(int=99)), flag="map", expose=False)
    child = await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    assert child.reason is Reason.DEFAULT
    await lab.parts.evaluating.one(unit(UUID(int=99)), flag="map")
    assert [one.player_id.int for one in lab.outbox.of(FlagExposed)] == [99]


async def test_what_a_rule_names_is_told_as_not_random(lab):
    await lab.flag("map", Rule(when=(ADULT,), variant="on"), Rule(), experiment=measured())
    await lab.parts.evaluating.many([unit(UUID(int=99)), unit(UUID(int=1))], flags=["map"])
    told = {one.player_id.int: one.randomised for one in lab.outbox.of(FlagExposed)}
    assert told == {99: False, 1: True}


async def test_a_new_allocation_exposes_anew_on_the_same_day(lab):
    await lab.flag("map", experiment=measured())
    await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    heavier = (HALVES[0], Variant(name="on", value=True, weight=9))
    await lab.parts.flags.change(
        "map", body(Rule(), variants=heavier, experiment=measured()), staff=STAFF, matches=lambda _: None
    )
    await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    assert [one.allocation for one in lab.outbox.of(FlagExposed)] == [1, 2]


async def test_what_the_server_knows_goes_before_what_a_client_says_and_is_asked_for_only_when_needed(lab):
    await lab.flag("plain")
    await lab.parts.evaluating.many([unit(UUID(int=1), level=99)])
    assert lab.levels.asked == []
    await lab.flag("adults", Rule(when=(ADULT,), variant="on"))
    lied, grown = await lab.parts.evaluating.many(
        [unit(UUID(int=1), level=99), unit(UUID(int=99), level=1)], flags=["adults"]
    )
    assert (lied["adults"].value, grown["adults"].value) == (False, True)
    assert len(lab.levels.asked) == 1
    stranger = await lab.parts.evaluating.one(Unit(key="device-7", attributes={"level": 99}), flag="adults")
    assert stranger.value is False


async def test_whoever_is_no_player_is_drawn_for_and_never_exposed(lab):
    await lab.flag("map", experiment=measured())
    given = await lab.parts.evaluating.one(Unit(key="device-7", attributes={}), flag="map")
    assert given.variant == drawn(HALVES, salt="map", unit="device-7").name
    assert lab.outbox.of(FlagExposed) == []


async def test_of_flags_that_are_not_there_one_is_refused_and_many_are_left_out(lab):
    await lab.flag()
    with pytest.raises(NoSuchFlag):
        await lab.parts.evaluating.one(unit(UUID(int=1)), flag="no")
    [given] = await lab.parts.evaluating.many([unit(UUID(int=1))], flags=["no", "map"])
    assert list(given) == ["map"]


async def test_old_exposures_and_facts_are_forgotten(lab):
    await lab.flag("map", experiment=measured())
    await lab.parts.evaluating.one(unit(UUID(int=1)), flag="map")
    assert await lab.parts.flags.forget(rows_max=10) == 0
    lab.clock.advance(timedelta(days=182))
    assert await lab.parts.flags.forget(rows_max=10) == 1
