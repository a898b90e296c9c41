"""Claims in odd company: what cannot be carried out fails alone, whatever its batch, its clock or its rules."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.types import CollectibleType, GameplaySettings
from overworld.kernel.clock import FixedClock
from tests.domains.gameplay.field import RULES, SECRET, code_of, spawns_of

ANN, BEN = UUID(int=1), UUID(int=2)
EVERYWHERE = replace(RULES, reach_m=5_000.0)
WORTHLESS = {**EVERYWHERE.types, "nothing": CollectibleType(weight=4, value="0", currency="coin")}


def claims_of(field, rules=EVERYWHERE, *, levels=(50, 100, 1000), clock=None):
    return Claims(
        database=field.database,
        clock=clock or field.clock,
        ids=field.ids,
        outbox=field.outbox,
        ledger=field.ledger,
        last_fix=field.fixes,
        trust=field.trust,
        spawns=spawns_of(rules),
        rules=rules,
        levels=levels,
        fix_age_max_s=60,
    )


async def test_a_claim_that_breaks_its_batch_fails_alone(field):
    """A game of code that gives nothing away slips past the checks of game.toml; the ledger moves no nothing."""
    rules = replace(EVERYWHERE, types=WORTHLESS)
    server = await field.server(rules, settings=GameplaySettings(spawn_key=SECRET.decode(), lanes=1))
    lying = spawns_of(rules).in_cells([field.all_at()[0].cell], window=field.spawns.window_at(field.clock.now_us()))
    worthless = [spawn for spawn in lying if spawn.kind.type == "nothing"]
    assert worthless and len(worthless) < len(lying)

    async def one(n, spawn):
        try:
            return code_of(await server.collect(field.claim(UUID(int=n + 1), spawn)))
        except RuntimeError as error:
            return str(error)

    told = await asyncio.gather(*(one(n, spawn) for n, spawn in enumerate(lying)))
    assert told == [
        "the ledger answered ['AMOUNT_NOT_POSITIVE'] to wins" if spawn in worthless else "ok" for spawn in lying
    ]
    assert server.lanes.lanes[0].reruns > 0


async def test_without_levels_everybody_stays_at_the_first(field):
    one, two = field.shared()[:2]
    outcomes = await claims_of(field, levels=()).run([field.claim(ANN, one), field.claim(ANN, two)])
    assert [(outcome.value.level, outcome.value.experience) for outcome in outcomes] == [(1, 30), (1, 60)]
    assert {event.topic for event in await field.events()} == {"events.collectible.collected"}


@pytest.mark.slow
async def test_a_batch_of_two_thousand_goes_in_one_round_trip(field):
    """As many as the settings allow: two for each thing, by as many players."""
    spawns = field.personal() + field.shared()
    wanted = [(UUID(int=n + 1), spawns[n % len(spawns)]) for n in range(2_048)]
    claims = claims_of(field)
    batch = [field.claim(*each) for each in wanted]
    outcomes = await claims.run(batch)
    assert claims.exact_batches == 0
    won = [code_of(outcome) == "ok" for outcome in outcomes]
    once = {spawn.id for spawn in field.shared()}
    assert sum(won) == sum(spawn.id not in once for _, spawn in wanted) + len(once)
    assert {code_of(outcome) for outcome in await claims.run(batch)} == {"ok*", "already_collected*"}


async def test_a_day_never_begins_twice_when_servers_disagree_about_it(field):
    """One server is behind by some minutes around midnight. Whose new day is full on the one has it full on the other,
    and what was claimed on the old day does not bring it back."""
    field.clock.advance(timedelta(hours=12, minutes=5))
    behind = FixedClock(field.clock.now() - timedelta(minutes=7))
    rules = replace(EVERYWHERE, daily_cap=2)
    ahead, late = claims_of(field, rules), claims_of(field, rules, clock=behind)
    here = field.shared()
    there = [
        spawn
        for spawn in field.spawns.in_cells([here[0].cell], window=field.spawns.window_at(behind.now_us()))
        if spawn.kind.currency.code == "coin"
    ]

    async def code(server, clock, spawn):
        field.fixes.at[ANN] = (spawn.lat_deg, spawn.lng_deg, clock.now_us())
        command = field.claim(ANN, spawn)
        field.fixes.at[ANN] = (spawn.lat_deg, spawn.lng_deg, clock.now_us())
        return code_of((await server.run([command]))[0])

    assert await code(late, behind, there[0]) == "ok"
    assert [await code(ahead, field.clock, spawn) for spawn in here[:3]] == ["ok", "ok", "cap_reached"]
    assert await code(late, behind, there[1]) == "cap_reached"
    assert await code(ahead, field.clock, here[4]) == "cap_reached"
