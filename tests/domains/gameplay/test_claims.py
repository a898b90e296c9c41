"""Claims as players meet them: what a win gives, how refusals rank, and what a key remembers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleCollected, LevelReached
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.ledger import Ledger
from overworld.geo import cells
from tests.domains.gameplay.field import RULES, CountingDatabase, code_of

ANN, BEN, CID = (UUID(int=n) for n in (1, 2, 3))
FAR_DEG = 0.001
COOLDOWN_S = 60
DAY_0 = datetime(2026, 5, 31, 12, tzinfo=UTC)


def slow_copper(**changes):
    """A game in which copper is there once a minute."""
    copper = replace(RULES.types["copper"], cooldown_s=COOLDOWN_S)
    return replace(RULES, types={**RULES.types, "copper": copper}, **changes)


async def run(field, *commands, rules=RULES):
    return await field.claims(rules).run(commands)


async def codes(field, *commands, rules=RULES):
    return [code_of(outcome) for outcome in await run(field, *commands, rules=rules)]


async def test_a_win_pays_counts_and_tells(field):
    """Two coins of 3 and 30 experience each: the second one passes 50 and reaches level 2."""
    first, second = field.shared()[:2]
    won = await run(field, field.claim(ANN, first))
    won += await run(field, field.claim(ANN, second))
    assert [answer.value for answer in won] == [
        Collected(
            collectible_id=spawn.id,
            type="copper",
            amount="3",
            currency="coin",
            balance=balance,
            experience=experience,
            level=level,
        )
        for spawn, balance, experience, level in ((first, "3", 30, 1), (second, "6", 60, 2))
    ]
    assert await field.balance(ANN) == 6
    collected, *_, reached = await field.events()
    assert collected == CollectibleCollected(
        player_id=ANN,
        collectible_id=first.id,
        type="copper",
        mode="shared",
        currency="coin",
        amount_minor=3,
        experience=30,
        cell=cells.token(first.cell),
        lat_deg=first.lat_deg,
        lng_deg=first.lng_deg,
    )
    assert reached == LevelReached(player_id=ANN, level=2, level_before=1, experience=60)


async def test_amounts_are_written_as_the_currency_asks(field):
    [won] = await run(field, field.claim(ANN, field.shared("gem")[0]))
    assert (won.value.amount, won.value.balance, won.value.experience) == ("1.50", "1.50", 15)


async def test_a_batch_is_judged_in_its_order(field):
    """The first of two takers of one coin wins, whatever their ids; a neighbour is not touched by a refusal."""
    spawn = field.shared()[0]
    outcomes = await run(field, field.claim(BEN, spawn), field.claim(ANN, spawn), field.claim(CID, field.personal()[0]))
    assert [code_of(outcome) for outcome in outcomes] == ["ok", "already_collected", "ok"]
    assert (await field.balance(BEN), await field.balance(ANN)) == (3, 0)


async def test_a_shared_one_goes_to_one_and_a_personal_one_to_each(field):
    shared, personal = field.shared()[0], field.personal()[0]
    for spawn, expected in ((shared, "already_collected"), (personal, "ok")):
        assert await codes(field, field.claim(ANN, spawn)) == ["ok"]
        assert await codes(field, field.claim(BEN, spawn), field.claim(ANN, spawn)) == [expected, "already_collected"]


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"forged", "late", "stale", "distrusted", "far", "capped", "cooling", "taken"}, "not_found"),
        ({"late", "stale", "distrusted", "far", "capped", "cooling", "taken"}, "expired"),
        ({"stale", "distrusted", "far", "capped", "cooling", "taken"}, "stale_position"),
        ({"distrusted", "far", "capped", "cooling", "taken"}, "low_trust"),
        ({"far", "capped", "cooling", "taken"}, "too_far"),
        ({"capped", "cooling", "taken"}, "cap_reached"),
        ({"cooling", "taken"}, "cooling_down"),
        ({"taken"}, "already_collected"),
        (set(), "ok"),
    ],
)
async def test_the_first_of_several_refusals_is_the_documented_one(field, faults, expected):
    """spec/wire.md: a player who is far away learns nothing of what others took."""
    spawn, other = field.shared()[:2]
    rules = slow_copper(daily_cap=1 if "capped" in faults else 9)
    if "taken" in faults:
        await run(field, field.claim(BEN, spawn))
    if faults & {"capped", "cooling"}:
        await run(field, field.claim(ANN, other), rules=rules if "cooling" in faults else RULES)
    if "distrusted" in faults:
        field.trust.of[ANN] = 0.29
    if "late" in faults:
        field.clock.advance(timedelta(hours=1))
    field.stand(ANN, spawn, north_deg=FAR_DEG * ("far" in faults), age_s=61 * ("stale" in faults))
    forged = spawn.id[:-1] + ("A" if spawn.id[-1] != "A" else "B")
    claim = ClaimCollectible(player_id=ANN, collectible_id=forged if "forged" in faults else spawn.id, key="k")
    assert await codes(field, claim, rules=rules) == [expected]


@pytest.mark.parametrize(("age_s", "expected"), [(60.0, "ok"), (60.000001, "stale_position"), (-1.0, "ok")])
async def test_a_position_counts_for_a_minute(field, age_s, expected):
    spawn = field.shared()[0]
    claim = field.claim(ANN, spawn)
    field.stand(ANN, spawn, age_s=age_s)
    assert await codes(field, claim) == [expected]


async def test_a_player_without_a_position_is_asked_for_one(field):
    claim = ClaimCollectible(player_id=ANN, collectible_id=field.shared()[0].id, key="k")
    assert await codes(field, claim) == ["stale_position"]


@pytest.mark.parametrize(("metres", "expected"), [(49.9, "ok"), (50.1, "too_far")])
async def test_reach_is_measured_on_the_sphere(field, metres, expected):
    spawn = field.shared()[0]
    claim = field.claim(ANN, spawn)
    field.stand(ANN, spawn, north_deg=metres / 111_195.08)
    assert await codes(field, claim) == [expected]


async def test_a_collectible_is_open_from_the_first_to_before_the_last_moment_of_its_window(field):
    """Fixes are renewed at each step; before its window nobody can tell that a collectible will be there."""
    spawn = field.shared()[0]
    found = []
    for at_us in (spawn.opens_us - 1, spawn.opens_us, spawn.closes_us - 1, spawn.closes_us):
        field.clock.advance(timedelta(microseconds=at_us - field.clock.now_us()))
        found += await codes(field, field.claim(UUID(int=at_us), spawn))
    assert found == ["not_found", "ok", "already_collected", "expired"]


async def test_the_daily_cap_counts_wins_of_one_utc_day(field):
    """Two a day: the third is refused; after midnight UTC the count starts again."""
    rules = replace(RULES, daily_cap=2)
    spawns = field.shared()[:3]
    assert [await codes(field, field.claim(ANN, spawn), rules=rules) for spawn in spawns[:2]] == [["ok"], ["ok"]]
    [refused] = await run(field, field.claim(ANN, spawns[2]), rules=rules)
    assert code_of(refused) == "cap_reached"
    assert refused.public_fields() == {"collectible_id": spawns[2].id, "daily_cap": 2}
    field.clock.advance(timedelta(hours=12))
    assert await codes(field, field.claim(ANN, field.shared()[0]), rules=rules) == ["ok"]


async def test_the_cap_is_exact_inside_one_batch(field):
    """What was refused or already taken does not count against the cap."""
    rules = replace(RULES, reach_m=1000, daily_cap=2)
    a, b, c, d = field.shared()[:4]
    await run(field, field.claim(BEN, a))
    batch = [field.claim(ANN, spawn) for spawn in (a, b, c, d)]
    assert await codes(field, *batch, rules=rules) == ["already_collected", "ok", "ok", "cap_reached"]


async def test_a_retry_gives_the_first_answer_and_is_marked(field):
    """Even when the world has moved on: the window is over and the player is elsewhere."""
    claim = field.claim(ANN, field.shared()[0], "k")
    [first] = await run(field, claim)
    field.clock.advance(timedelta(hours=2))
    field.stand(ANN, field.shared()[0], north_deg=FAR_DEG)
    [second] = await run(field, claim)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.value == first.value
    assert await field.balance(ANN) == 3 and len(await field.events()) == 1


async def test_a_refusal_is_remembered_too(field):
    spawn = field.shared()[0]
    claim = field.claim(ANN, spawn, "k")
    field.stand(ANN, spawn, north_deg=FAR_DEG)
    [first] = await run(field, claim)
    field.stand(ANN, spawn)
    [second] = await run(field, claim)
    assert [code_of(first), code_of(second)] == ["too_far", "too_far*"]
    assert first.public_fields() == second.public_fields() == {"collectible_id": spawn.id, "reach_m": 50.0}
    assert await codes(field, field.claim(ANN, spawn, "another key")) == ["ok"]


async def test_one_key_in_one_batch_has_one_effect(field):
    """The second use is a replay, and a use for something else is refused, whatever becomes of the first."""
    one, two = field.shared()[:2]
    mine = field.claim(ANN, one, "k")
    other = ClaimCollectible(player_id=ANN, collectible_id=two.id, key="k")
    theirs = field.claim(BEN, one, "k")
    batch = [mine, mine, other, theirs, theirs]
    assert await codes(field, *batch) == ["ok", "ok*", "key_reused", "already_collected", "already_collected*"]
    assert await codes(field, *batch) == ["ok*", "ok*", "key_reused", "already_collected*", "already_collected*"]


async def test_an_exception_before_the_commit_leaves_nothing(field):
    """The outbox is written last; when it fails, the coin is still there and the key still free."""
    claim = field.claim(ANN, field.shared()[0], "k")
    async with field.database.transaction() as tx:
        await tx.execute("ALTER SEQUENCE eventlog.outbox_id MAXVALUE 2")
        await tx.execute("SELECT setval('eventlog.outbox_id', 2)")
    with pytest.raises(asyncpg.PostgresError, match="outbox_id"):
        await run(field, claim)
    assert (await field.counts())["ledger.transfer"] == 0 and await field.events() == []
    async with field.database.transaction() as tx:
        await tx.execute("ALTER SEQUENCE eventlog.outbox_id NO MAXVALUE")
    assert await codes(field, claim) == ["ok"]


async def test_one_row_of_events_a_batch(field):
    batch = [field.claim(UUID(int=n), spawn) for n, spawn in enumerate(field.shared()[:5], start=1)]
    await run(field, *batch)
    async with field.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM eventlog.outbox") == 1
    assert [event.player_id for event in await field.events()] == [claim.player_id for claim in batch]


@pytest.mark.parametrize("count", [1, 20])
async def test_a_batch_of_known_players_takes_one_statement_whatever_becomes_of_it(field, count):
    """Three more at first, for players and wallets that are new here and for what ids are made with.

    None for what is no collectible.
    """
    counting = CountingDatabase(field.database)
    reach = replace(RULES, reach_m=1000)
    claims = field.claims(
        reach, database=counting, ledger=Ledger(database=cast(Any, counting), currencies=field.ledger.currencies)
    )
    wanted = field.shared()[: 2 * count]
    first, second = ([field.claim(UUID(int=n), s) for n, s in enumerate(part)] for part in (wanted[::2], wanted[1::2]))
    statements = []
    for batch in (
        first,
        second,
        first,
        [replace(claim, key="other") for claim in first],
        [replace(first[0], collectible_id="?")],
    ):
        counting.statements = 0
        await claims.run(batch)
        statements.append(counting.statements)
    assert statements == [4, 1, 1, 1, 0] and claims.exact_batches == 0


async def test_everyones_reach_ends_at_their_own_place(field):
    """Positions are matched to players by their place in the batch."""
    near, far = field.shared()[:2]
    claims = [field.claim(ANN, near), ClaimCollectible(player_id=CID, collectible_id=near.id, key="k")]
    claims.append(field.claim(BEN, far))
    assert await codes(field, *claims) == ["ok", "stale_position", "ok"]


async def test_a_collectible_of_another_secret_is_not_found(field):
    field.spawns = Spawns(key=b"another", table=field.spawns._periods[0].table, cells_cached_max=10)
    assert await codes(field, field.claim(ANN, field.shared()[0])) == ["not_found"]


async def test_a_type_with_a_cooldown_is_taken_again_only_after_it(field):
    """To the microsecond; other types and other players are not concerned, and a refusal begins nothing."""
    rules = slow_copper()
    a, b, c, d = field.shared()[:4]
    assert await codes(field, field.claim(ANN, a), field.claim(BEN, b), rules=rules) == ["ok", "ok"]
    field.clock.advance(timedelta(seconds=COOLDOWN_S, microseconds=-1))
    [refused] = await run(field, field.claim(ANN, c), rules=rules)
    assert code_of(refused) == "cooling_down"
    assert refused.public_fields() == {"collectible_id": c.id, "retry_after_s": 1}
    assert await codes(field, field.claim(ANN, field.shared("gem")[0]), rules=rules) == ["ok"]
    field.clock.advance(timedelta(microseconds=1))
    assert await codes(field, field.claim(ANN, b), field.claim(ANN, c), rules=replace(rules, reach_m=1000)) == [
        "already_collected",
        "ok",
    ]
    assert await codes(field, field.claim(ANN, d), rules=rules) == ["cooling_down"]


async def test_a_cooldown_is_exact_inside_one_batch(field):
    """A claim that loses begins no wait; the one that wins does, for the next in the same batch."""
    rules = slow_copper(reach_m=1000)
    a, b, c = field.shared()[:3]
    await run(field, field.claim(BEN, a))
    batch = [field.claim(ANN, spawn) for spawn in (a, b, c)]
    assert await codes(field, *batch, rules=rules) == ["already_collected", "ok", "cooling_down"]


async def test_members_are_paid_more_and_told_what_was_paid(field):
    """A third of 10, rounded down; the experience is that of the value alone."""
    rules = replace(RULES, member_bonus={"gold": "0.333333333", "silver": "0.1"})
    claim = replace(field.claim(ANN, field.personal()[0]), memberships=("silver", "gold", "other"))
    [won] = await run(field, claim, rules=rules)
    assert (won.value.amount, won.value.balance, won.value.experience) == ("13", "13", 100)
    assert [(event.amount_minor, event.experience) for event in (await field.events())[:1]] == [(13, 100)]


async def test_who_is_not_trusted_collects_nothing(field):
    """The threshold itself is enough; no number at all is not. How much trust there is stays in our logs."""
    spawns = field.shared()
    found = []
    for n, trust in enumerate((0.3, 0.2999, float("nan"))):
        field.trust.of[UUID(int=n)] = trust
        found += await run(field, field.claim(UUID(int=n), spawns[n]))
    assert [code_of(one) for one in found] == ["ok", "low_trust", "low_trust"]
    assert found[1].public_fields() == {"collectible_id": spawns[1].id}


async def test_a_local_day_ends_at_midnight_where_the_player_is(field):
    """At 14 degrees east that is 57 minutes before midnight UTC; it is the middle of the level-5 cell that counts."""
    rules = replace(RULES, day="local", daily_cap=1)
    found = {}
    for hour in (12, 22, 22.8, 23.2, 24.5):
        field.clock.advance(timedelta(hours=12 + hour) + (DAY_0 - field.clock.now()))
        found[hour] = (await codes(field, field.claim(ANN, field.shared()[0]), rules=rules))[0]
    assert found == {12: "ok", 22: "cap_reached", 22.8: "cap_reached", 23.2: "ok", 24.5: "cap_reached"}
