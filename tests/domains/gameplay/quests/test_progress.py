"""Events become progress, each once, whatever the log does."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest
from msgspec.structs import replace

from tests.domains.gameplay.quests.hall import ANN, BEN, CID, LAT, LNG, rules

DAY = timedelta(days=1)
FIVE = {"kind": "collect", "count": 5}
DAILY = rules(FIVE, type="daily")
TODAY = 20605


@pytest.mark.parametrize(
    ("objective", "does", "counts"),
    [
        ({"kind": "collect", "count": 5}, lambda hall: [hall.collects(ANN), hall.collects(ANN, type="opal")], 2),
        ({"kind": "collect", "count": 5, "type": "opal"}, lambda hall: [hall.collects(ANN, type="opal")] * 2, 1),
        (
            {"kind": "collect", "value": "5", "currency": "gem"},
            lambda hall: [hall.collects(ANN, currency="gem", amount_minor=150), hall.collects(ANN)],
            150,
        ),
        ({"kind": "walk", "metres": 100}, lambda hall: [hall.walks(ANN, 25.25), hall.walks(ANN, 30.5)], 5575),
        ({"kind": "walk", "metres": 10}, lambda hall: [hall.walks(ANN, 25.25), hall.walks(ANN, 30.5)], 1000),
        (
            {"kind": "visit", "place": {"lat": LAT, "lng": LNG, "radius_m": 50}},
            lambda hall: [hall.walks(ANN, 0.0, lat=LAT + 0.001), hall.walks(ANN, 0.0)],
            1,
        ),
        (
            {"kind": "visit", "place": {"lat": LAT, "lng": LNG, "radius_m": 50}},
            lambda hall: [hall.walks(ANN, 0.0, lat=LAT + 0.001)],
            None,
        ),
        ({"kind": "reach", "level": 3}, lambda hall: [hall.rises(ANN, 3), hall.rises(ANN, 2)], 3),
        (
            {"kind": "event", "topic": "events.level.reached", "where": {"level": 2}},
            lambda hall: [hall.rises(ANN, 3), hall.rises(ANN, 2)],
            1,
        ),
        (
            {"kind": "event", "topic": "events.collectible.collected", "amount": "amount_minor", "count": 99},
            lambda hall: [hall.collects(ANN), hall.collects(ANN)],
            6,
        ),
    ],
)
async def test_each_kind_of_objective_counts_what_it_names(hall, objective, does, counts):
    """None: nothing counted, so nothing was begun."""
    server = await hall.server(today=rules(objective, type="daily"))
    await server.folding.fold(does(hall))
    wanted = {} if counts is None else {(ANN, "today", TODAY): (1, [counts])}
    assert await hall.rows() == wanted


async def test_an_event_delivered_again_counts_once_and_also_on_another_server(hall):
    one, other = [await hall.server(daily=DAILY) for _ in range(2)]
    events = [hall.collects(ANN) for _ in range(3)]
    for server in (one, one, other):
        await server.folding.fold(events)
        await server.folding.fold(events[1:2])
    assert await hall.rows() == {(ANN, "daily", TODAY): (1, [3])}


async def test_two_consumers_at_once_count_each_event_once(hall):
    """Both have all of it: what one has marked the other waits for, also the very first of each player."""
    servers = [await hall.server(daily=DAILY, all=rules(FIVE, type="community")) for _ in range(4)]
    events = [hall.collects(player) for player in (ANN, BEN, CID) for _ in range(2)]
    chance = random.Random(5)
    slices = [chance.sample(events, len(events)) for _ in servers]
    await asyncio.gather(*(server.folding.fold(part) for server, part in zip(servers, slices, strict=True)))
    rows = await hall.rows()
    assert {key: row for key, row in rows.items() if key[1] == "daily"} == {
        (player, "daily", TODAY): (1, [2]) for player in (ANN, BEN, CID)
    }
    assert await hall.totals() == [[5]]


async def test_events_in_any_order_and_in_any_slices_give_the_same(hall, open_database, clock, ids):
    """Seeded: 60 events of three players over a turn of the day, shuffled, repeated, cut anywhere, twenty times."""
    quests = {
        "daily": DAILY,
        "walk": rules({"kind": "walk", "metres": 60}, FIVE, type="daily"),
        "once": rules({"kind": "reach", "level": 3}, starts="auto"),
        "rich": rules({"kind": "collect", "value": "20", "currency": "coin"}, type="weekly", repeats="weekly",
                      starts="auto"),
    }  # fmt: skip
    chance = random.Random(3)
    events = []
    for _ in range(60):
        at = clock.now() + timedelta(hours=chance.uniform(-6, 18))
        player = chance.choice((ANN, BEN, CID))
        kind = chance.randrange(3)
        made = (
            hall.collects(player),
            hall.walks(player, chance.uniform(0, 20)),
            hall.rises(player, chance.choice((2, 3))),
        )
        events.append(replace(made[kind], at=at))
    clock.advance(timedelta(hours=18))
    server = await hall.server(**quests)
    outcomes = []
    for _ in range(20):
        async with hall.database.transaction() as tx:
            await tx.execute("TRUNCATE gameplay.assignment, gameplay.quest_total, eventlog.handled")
        server = await hall.server(**quests)
        order = chance.sample(events, len(events)) + chance.sample(events, 20)
        while order:
            cut = chance.randint(1, 25)
            await server.folding.fold(order[:cut])
            order = order[cut:]
        outcomes.append(await hall.rows())
    assert len(outcomes[0]) > 6
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_only_what_happened_after_the_start_counts(hall):
    server = await hall.server(story=rules(FIVE))
    before = hall.collects(ANN)
    hall.clock.advance(timedelta(microseconds=1))
    assert await hall.start(server, ANN, "story") == "active"
    await server.folding.fold([before, hall.collects(ANN)])
    assert await hall.rows() == {(ANN, "story", 0): (1, [1])}


async def test_the_day_turns_at_midnight_utc_and_late_events_go_to_their_own_day(hall):
    """Half a second before midnight counts for that day, also when it is read after it."""
    server = await hall.server(daily=DAILY)
    late = hall.collects(ANN, at=hall.clock.now() + timedelta(hours=12) - timedelta(seconds=0.5))
    hall.clock.advance(timedelta(hours=12))
    await server.folding.fold([hall.collects(ANN), late, hall.collects(ANN)])
    assert await hall.rows() == {(ANN, "daily", TODAY): (1, [1]), (ANN, "daily", TODAY + 1): (1, [2])}


async def test_what_is_not_met_in_its_day_fails_and_what_is_met_stays(hall):
    server = await hall.server(daily=DAILY)
    await server.folding.fold([hall.collects(ANN) for _ in range(5)] + [hall.collects(BEN)])
    midnight = hall.clock.now() + timedelta(hours=12)
    assert await server.ending.fail_due(closed_by=midnight - timedelta(microseconds=1)) == 0
    assert await server.ending.fail_due(closed_by=midnight) == 1
    hall.clock.advance(timedelta(hours=13))
    assert await hall.rows() == {(ANN, "daily", TODAY): (1, [5]), (BEN, "daily", TODAY): (3, [1])}
    assert await hall.complete(server, BEN, "daily") == "quest_ended"
    assert await hall.complete(server, ANN, "daily") == "ok"
    [failed] = [event for event in await hall.told() if event.topic == "events.quest.failed"]
    assert (failed.player_id, failed.counts, failed.goals) == (BEN, (1,), (5,))


async def test_a_slice_costs_a_few_statements_however_many_events(hall):
    from tests.domains.gameplay.field import CountingDatabase

    counting = CountingDatabase(hall.database)
    hall.database = counting
    server = await hall.server(daily=DAILY, all=rules(FIVE, type="community"))
    before = counting.statements
    await server.folding.fold([hall.collects(player) for player in (ANN, BEN, CID) for _ in range(50)])
    assert counting.statements - before <= 10
