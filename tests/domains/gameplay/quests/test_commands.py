"""Beginning, completing, and what players read of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.gameplay.quests.errors import BadQuest, NoSuchQuest, QuestNameTaken
from overworld.domains.gameplay.quests.messages import CompleteQuest, QuestBody
from overworld.geo import cells
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate
from tests.audited import staff
from tests.domains.gameplay.field import HOME
from tests.domains.gameplay.quests.hall import ANN, BEN, CID, LAT, LNG, STAFF, rules

TWO = {"kind": "collect", "count": 2}
DAILY = rules(TWO, type="daily")
TODAY = 20605
DAY = timedelta(days=1)


async def test_completing_gives_the_rewards_once_with_one_event(hall):
    server = await hall.server(daily=DAILY)
    assert await hall.complete(server, ANN, "daily") == "quest_not_met"
    await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
    assert [await hall.complete(server, ANN, "daily", key) for key in ("k", "k", "l")] == ["ok", "ok*", "quest_ended"]
    assert await hall.balance(ANN) == 5
    told = [event.topic.rpartition(".")[2] for event in await hall.told()]
    assert told == ["started", "progressed", "completed"]
    [seen] = (await hall.seen(server, ANN)).values()
    assert (seen.state, seen.met, seen.objectives[0].progress, seen.rewards.experience) == ("completed", True, 2, 40)
    assert seen.completed_at is not None


async def test_completing_many_times_at_once_gives_once(hall):
    """Eight servers, two keys: each key gets one answer, and one of them is yes."""
    servers = [await hall.server(daily=DAILY) for _ in range(8)]
    await servers[0].folding.fold([hall.collects(ANN), hall.collects(ANN)])
    codes = await asyncio.gather(
        *(hall.complete(server, ANN, "daily", key) for server in servers for key in ("one", "two"))
    )
    assert await hall.balance(ANN) == 5
    won = [code for code in codes if code.startswith("ok")]
    lost = [code for code in codes if code.startswith("quest_ended")]
    assert len(won) == len(lost) == 8 and won.count("ok") == lost.count("quest_ended") == 1
    assert [event.topic for event in await hall.told()].count("events.quest.completed") == 1


async def test_a_batch_answers_each_command_as_if_it_were_alone(hall):
    server = await hall.server(daily=DAILY)
    await server.folding.fold([hall.collects(player) for player in (ANN, BEN) for _ in range(2)])
    asked = [(ANN, "daily", "k"), (ANN, "daily", "k"), (ANN, "daily", "l"), (BEN, "daily", "k"), (CID, "daily", "k"),
             (CID, "nothing", "l"), (ANN, "nothing", "k")]  # fmt: skip
    codes = await asyncio.gather(*(hall.complete(server, *one) for one in asked))
    assert codes == ["ok", "ok*", "quest_ended", "ok", "quest_not_met", "no_such_quest", "key_reused"]
    assert [await hall.balance(player) for player in (ANN, BEN)] == [5, 5]


async def test_yesterdays_quest_that_was_met_is_completed_before_todays(hall):
    server = await hall.server(daily=DAILY)
    for _ in range(2):
        await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
        hall.clock.advance(DAY)
    hall.clock.advance(-DAY)
    shown = await server.showing.of(ANN, memberships=())
    assert [(one.run, one.met) for one in shown] == [(TODAY, True), (TODAY + 1, True)]
    assert [await hall.complete(server, ANN, "daily") for _ in range(3)] == ["ok", "ok", "quest_ended"]
    assert [run.run for run in await server.showing.history(ANN, "daily", before_run=2**31 - 1, limit=5)] == [
        TODAY + 1,
        TODAY,
    ]


async def test_a_frozen_wallet_leaves_the_quest_met(hall):
    server = await hall.server(daily=DAILY)
    await server.folding.fold([hall.collects(ANN) for _ in range(2)] + [hall.collects(BEN) for _ in range(2)])
    assert await hall.complete(server, BEN, "daily") == "ok"
    async with hall.database.transaction() as tx:
        await tx.execute("UPDATE ledger.account SET frozen = true WHERE owner_id = $1", BEN)
    hall.clock.advance(DAY)
    await server.folding.fold([hall.collects(BEN) for _ in range(2)])
    codes = await asyncio.gather(*(hall.complete(server, player, "daily") for player in (ANN, BEN)))
    assert codes == ["ok", "quest_unpaid"]
    async with hall.database.transaction() as tx:
        await tx.execute("UPDATE ledger.account SET frozen = false WHERE owner_id = $1", BEN)
    assert await hall.complete(server, BEN, "daily") == "ok"
    assert await hall.balance(BEN) == 10


@pytest.mark.parametrize(
    ("asks", "missing"),
    [
        ({"level": 2}, "level"),
        ({"quests": ["daily"]}, "quest"),
        ({"membership": "founder"}, "membership"),
        ({"zone": {"cell": cells.token(HOME)}}, "zone"),
    ],
)
async def test_a_quest_opens_to_who_has_what_it_asks_for(hall, asks, missing):
    """It is not shown before, and its start says what is missing."""
    server = await hall.server(story=rules(TWO, requires=asks), daily=DAILY)
    with pytest.raises(Refusal) as refused:
        await server.starting.start(_start(ANN, "story"))
    assert refused.value.public_fields() == {"quest": "story", "missing": missing}
    assert "story" not in await hall.seen(server, ANN)
    await hall.at_level(ANN, 2)
    await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
    await hall.complete(server, ANN, "daily")
    hall.fixes.at[ANN] = (LAT, LNG, hall.clock.now_us())
    assert (await hall.seen(server, ANN, "founder"))["story"].state == "available"
    assert await hall.start(server, ANN, "story", "founder") == "active"
    assert await hall.start(server, ANN, "story") == "active"
    assert (await hall.seen(server, ANN))["story"].state == "active"


async def test_what_begins_by_itself_is_active_before_anything_counted_and_nothing_is_written_for_it(hall):
    server = await hall.server(daily=DAILY, high=rules(TWO, type="daily", requires={"level": 2}))
    seen = await hall.seen(server, ANN)
    assert {name: one.state for name, one in seen.items()} == {"daily": "active"}
    assert seen["daily"].closes_at == hall.clock.now() + timedelta(hours=12)
    assert await hall.rows() == {}


async def test_a_level_asked_for_counts_from_when_it_was_reached(hall):
    server = await hall.server(high=rules(TWO, type="daily", requires={"level": 2}))
    early = hall.collects(ANN)
    await server.folding.fold([early])
    await hall.at_level(ANN, 2)
    hall.clock.advance(timedelta(seconds=1))
    await server.folding.fold([hall.collects(ANN)])
    await server.folding.fold([early])
    assert await hall.rows() == {(ANN, "high", TODAY): (1, [1])}


async def test_a_level_the_player_has_meets_the_objective_at_the_start(hall):
    server = await hall.server(up=rules({"kind": "reach", "level": 2}))
    await hall.at_level(ANN, 3)
    assert await hall.start(server, ANN, "up") == "active"
    assert await hall.complete(server, ANN, "up") == "ok"
    assert await hall.start(server, ANN, "up") == "quest_ended"


async def test_what_repeats_always_is_begun_anew_and_has_its_own_time(hall):
    server = await hall.server(run=rules(TWO, repeats="always", within_s=60))
    for _ in range(2):
        assert await hall.start(server, ANN, "run") == "active"
        await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
        assert await hall.complete(server, ANN, "run") == "ok"
    assert await hall.start(server, ANN, "run") == "active"
    late = hall.collects(ANN, at=hall.clock.now() + timedelta(seconds=60))
    await server.folding.fold([late, hall.collects(ANN, at=hall.clock.now() + timedelta(seconds=59.9))])
    hall.clock.advance(timedelta(seconds=60))
    assert await server.ending.fail_due(closed_by=hall.clock.now()) == 1
    rows = await hall.rows()
    assert rows[ANN, "run", 2] == (3, [1]) and {row[0] for row in rows.values()} == {2, 3}
    assert await hall.start(server, ANN, "run") == "active"


async def test_a_dated_quest_is_open_on_its_dates_only(hall):
    opens_at = hall.clock.now() + DAY
    server = await hall.server(fest=rules(TWO, opens_at=opens_at.isoformat(), closes_at=(opens_at + DAY).isoformat()))
    codes: list[str] = []
    for _ in range(3):
        codes.append(await hall.start(server, ANN if len(codes) < 2 else BEN, "fest"))
        hall.clock.advance(DAY)
    assert codes == ["quest_not_open", "active", "quest_not_open"]


async def test_a_quest_in_hand_keeps_the_definition_it_began_with(hall):
    """Also on a server that never knew the old one; the next run is by the new one."""
    old = await hall.server(daily=DAILY)
    await old.folding.fold([hall.collects(ANN)])
    new = await hall.server(daily=rules({"kind": "collect", "count": 9}, type="daily"))
    await new.folding.fold([hall.collects(ANN), hall.collects(BEN), hall.collects(BEN)])
    assert (await hall.seen(new, ANN))["daily"].objectives[0].goal == 2
    assert await hall.complete(new, ANN, "daily") == "ok"
    assert await hall.complete(new, BEN, "daily") == "quest_not_met"
    await old.folding.fold([hall.collects(BEN)])
    assert (await hall.rows())[BEN, "daily", TODAY] == (1, [3])
    back = await hall.server(daily=DAILY)
    assert back.catalogue.in_force["daily"].number == old.catalogue.in_force["daily"].number


async def test_all_together_meet_a_community_quest_and_each_contributor_is_rewarded_once(hall):
    """Two consumers at once; who did nothing, and who comes when it is done, gets nothing."""
    servers = [await hall.server(all=rules({"kind": "collect", "count": 100}, type="community")) for _ in range(2)]
    assert await hall.start(servers[0], STAFF, "all") == "active"
    crowd = [UUID(int=n) for n in range(100, 125)]
    events = [hall.collects(player) for player in crowd for _ in range(4)]
    halves = (events[:60], events[40:])
    await asyncio.gather(*(server.folding.fold(half) for server, half in zip(servers, halves, strict=True)))
    await servers[0].folding.fold([hall.collects(ANN)])
    assert await hall.totals() == [[100]]
    first = crowd[0]
    assert await hall.complete(servers[1], first, "all") == "ok"
    assert (await servers[0].ending.tell_met(), await servers[1].ending.tell_met()) == (24, 0)
    codes = await asyncio.gather(
        *(hall.complete(server, player, "all") for player in (*crowd[1:], ANN, STAFF) for server in servers)
    )
    assert sorted(codes) == ["ok"] * 24 + ["quest_ended"] * 26 + ["quest_not_met"] * 2
    assert {await hall.balance(player) for player in crowd} == {5}
    assert {await hall.balance(player) for player in (ANN, STAFF)} == {0}
    assert await hall.start(servers[0], BEN, "all") == "quest_ended"
    seen = (await hall.seen(servers[0], first))["all"]
    assert (seen.state, seen.objectives[0].progress, seen.objectives[0].own) == ("completed", 100, 4)


async def test_a_community_quest_counts_its_zone_alone(hall):
    quest = rules(TWO, {"kind": "walk", "metres": 10}, type="community", starts="auto", shared=True)
    zoned = rules(TWO, type="community", starts="asked", requires={"zone": {"cell": cells.token(HOME)}})
    server = await hall.server(all=quest, here=zoned)
    hall.fixes.at[ANN] = (LAT, LNG, hall.clock.now_us())
    assert await hall.start(server, ANN, "here") == "active"
    await server.folding.fold([hall.collects(ANN), hall.collects(ANN, lat=LAT + 1)])
    rows = await hall.rows()
    assert (rows[ANN, "here", 0][1], rows[ANN, "all", 0][1]) == ([1], [2, 0])


async def test_staff_make_and_assign_quests_that_every_server_learns_of(hall):
    one, other = [await hall.server(daily=DAILY) for _ in range(2)]
    body = QuestBody(id="hunt", quest=rules(TWO, starts="assigned"), players=(ANN, BEN))
    made = await one.starting.make(body, by=STAFF, staff=staff(STAFF))
    assert made.assigned == 2
    assert hall.audit.did == [
        ("gameplay.make_quest", "hunt"),
        ("gameplay.assign_quest", f"{ANN}"),
        ("gameplay.assign_quest", f"{BEN}"),
    ]
    assert (await one.starting.make(body, by=STAFF, staff=staff(STAFF))).assigned == 0
    assert await hall.start(other, CID, "hunt") == "quest_locked"
    await other.folding.fold([hall.collects(ANN), hall.collects(ANN), hall.collects(CID)])
    assert (await hall.seen(other, ANN))["hunt"].met and "hunt" not in await hall.seen(other, CID)
    assert await hall.complete(other, ANN, "hunt") == "ok"
    with pytest.raises(QuestNameTaken):
        await one.starting.make(QuestBody(id="daily", quest=DAILY), by=STAFF, staff=staff(STAFF))
    with pytest.raises(NoSuchQuest):
        await one.starting.make(QuestBody(id="nothing", players=(ANN,)), by=STAFF, staff=staff(STAFF))
    worthless = rules({"kind": "collect", "value": "1", "currency": "shell"})
    with pytest.raises(BadQuest):
        await one.starting.make(QuestBody(id="shells", quest=worthless), by=STAFF, staff=staff(STAFF))


@pytest.mark.parametrize("rewards", [{"tokens": {"coin": "0"}}, {"tokens": {"shell": "1"}}, {"items": {"sword": 1}}])
async def test_staff_cannot_make_a_quest_whose_rewards_nobody_can_be_given(hall, rewards):
    """They hear of it at once, not their players when they have met it."""
    server = await hall.server()
    body = QuestBody(id="hunt", quest=rules(TWO, rewards=rewards), players=(ANN,))
    with pytest.raises(BadQuest):
        await server.starting.make(body, by=STAFF, staff=staff(STAFF))
    assert await hall.rows() == {}


async def test_a_quest_that_an_older_build_let_staff_make_for_nothing_is_refused_and_fails_nobody(hall):
    server = await hall.server()
    written = rules(TWO, rewards={"tokens": {"coin": "0"}}, starts="asked")
    async with hall.database.transaction() as tx:
        await server.catalogue.made(tx, "hunt", written, by=STAFF, at=hall.clock.now())
    await server.catalogue.look()
    assert await hall.start(server, ANN, "hunt") == "active"
    await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
    assert await hall.complete(server, ANN, "hunt") == "quest_unpaid"


def _start(player_id, quest):
    from overworld.domains.gameplay.quests.messages import StartQuest

    return StartQuest(player_id=player_id, quest=quest)


@pytest.mark.parametrize("gate", [Gate.REVIEW, Gate.REFUSED])
async def test_who_is_not_trusted_completes_it_later_under_the_same_key(hall, gate):
    """Nothing is lost: the run stays met, and the refusal is not the answer of the key."""
    server = await hall.server(daily=DAILY)
    hall.trust.gates[ANN] = gate
    assert await hall.complete(server, ANN, "daily", "k") == "quest_not_met"
    await server.folding.fold([hall.collects(ANN), hall.collects(ANN)])
    assert [await hall.complete(server, ANN, "daily", key) for key in ("l", "l")] == ["low_trust"] * 2
    assert await hall.balance(ANN) == 0
    hall.trust.gates[ANN] = Gate.NORMAL
    assert [await hall.complete(server, ANN, "daily", key) for key in ("l", "l")] == ["ok", "ok*"]
    hall.trust.gates[ANN] = gate
    assert await hall.complete(server, ANN, "daily", "l") == "ok*"
    assert await hall.balance(ANN) == 5


async def test_who_is_trusted_less_gets_a_share_of_the_tokens_and_all_of_the_rest(hall):
    server = await hall.server(daily=DAILY)
    hall.trust.gates[ANN] = Gate.REDUCED
    await server.folding.fold([hall.collects(player) for player in (ANN, BEN) for _ in range(2)])
    done = [
        (await server.completing.complete(CompleteQuest(player_id=player, quest="daily", key="k"))).value.obtained
        for player in (ANN, BEN)
    ]
    assert [(got.tokens[0].amount, got.experience, got.reduced) for got in done] == [("2", 40, True), ("5", 40, False)]
    assert [await hall.balance(player) for player in (ANN, BEN)] == [2, 5]
