"""What becomes of a queue: done once, in order, by the rules of its time, and answered alike each time it is sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.errors import NotFound
from overworld.domains.gameplay.sync.once import Once
from overworld.domains.gameplay.sync.types import Place
from overworld.domains.gameplay.types import CollectibleType, GameplaySettings
from overworld.geo import cells
from overworld.kernel.identity import Answer
from overworld.kernel.refusals import Busy
from overworld.platform.postgres import Database
from tests.domains.gameplay.field import HOME, SECRET, spawns_of
from tests.domains.gameplay.field import RULES as GAME
from tests.domains.gameplay.sync.outing import ANN, action, body, call, principal_of, sync_of, told, walk

BEN = UUID(int=2)
HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
async def sync(field):
    parts = sync_of(field, await field.server())
    yield parts.service
    await parts.service.close()


def near(spawns):
    """Each after the one that is nearest to it: a way that can be walked."""
    return sorted(spawns, key=lambda spawn: (spawn.lat_deg, spawn.lng_deg))


async def test_what_was_collected_in_a_window_that_is_over_is_applied(field, sync):
    spawns = near(field.shared())[:3]
    actions = walk(field, spawns)
    field.clock.advance(2 * HALF_HOUR)
    synced = await sync.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(synced) == ["applied"] * 3
    assert [item.result.collectible_id for item in synced.items] == [spawn.id for spawn in spawns]
    assert synced.items[2].result.balance == str(await field.balance(ANN))
    assert synced.received_at == field.clock.now()


async def test_the_same_queue_again_gets_the_same_answers(field, sync):
    spawns = near(field.shared())[:4]
    actions = walk(field, [*spawns, spawns[0]])
    actions.append(action(field.clock.now(), spawns[1], lat=50.0, request_id="far"))
    first = await sync.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(first) == [*["applied"] * 4, "already_collected", "impossible_travel"]
    before = await field.counts()
    field.clock.advance(timedelta(hours=2))
    again = await sync.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(again) == [*["replayed"] * 4, "already_collected", "impossible_travel"]
    assert [item.result for item in again.items] == [item.result for item in first.items]
    assert await field.counts() == before


@pytest.mark.slow
async def test_five_hundred_actions_twice_give_the_same_result_on_any_server(field, databases):
    """Four windows of walking, some of it too fast; then to another server, and at that moment to the first again."""
    async with field.database.read() as tx:
        pool = await Database.open(databases.dsn_of(await tx.fetchval("SELECT current_database()")))
    rules = replace(GAME, mean_per_cell=30.0)
    settings = GameplaySettings(spawn_key=SECRET.decode(), batch_max=64)
    servers = [
        sync_of(field, await field.server(rules, settings=settings, database=database), database=database).service
        for database in (field.database, pool)
    ]
    actions = []
    for _ in range(4):
        spawns = near([one for one in lying(field, rules) if one.kind.currency.code == "coin"])[:125]
        actions += walk(field, spawns, every=timedelta(seconds=10))
        field.clock.advance(timedelta(minutes=10))
    assert len(actions) == 500
    sent = call(body(actions, sent_at=field.clock.now()))
    first = await servers[0].sync(sent)
    kinds = Counter(told(first))
    assert set(kinds) == {"applied", "impossible_travel"} and kinds["applied"] > 400
    again = await asyncio.gather(servers[1].sync(sent), servers[0].sync(sent))
    for synced in again:
        assert [one.replace("replayed", "applied") for one in told(synced)] == told(first)
        assert "applied" not in told(synced)
        assert [item.result for item in synced.items] == [item.result for item in first.items]
    assert (await field.counts())["ledger.transfer"] == kinds["applied"]
    assert await field.balance(ANN) == sum(int(item.result.amount) for item in first.items if item.result)
    for server in servers:
        await server.close()
    await pool.close()


def lying(field, rules):
    """What spawns at home and around it by other rules than the field's."""
    spawns = spawns_of(rules)
    return spawns.in_cells([HOME, *cells.neighbours(HOME)], window=spawns.window_at(field.clock.now_us()))


@pytest.mark.slow
async def test_twins_sent_to_two_servers_at_once_are_one(field):
    servers = [sync_of(field, await field.server()).service for _ in range(2)]
    actions = walk(field, near(field.shared())[:20])
    sent = call(body(actions, sent_at=field.clock.now()))
    one, other = await asyncio.gather(*(server.sync(sent) for server in servers))
    assert [item.result for item in one.items] == [item.result for item in other.items]
    pairs = Counter(tuple(sorted(pair)) for pair in zip(told(one), told(other), strict=True))
    assert set(pairs) <= {("applied", "replayed"), ("impossible_travel", "impossible_travel")}
    assert (await field.counts())["ledger.transfer"] == pairs["applied", "replayed"]


async def test_a_call_that_broke_off_is_taken_up_where_it_was(field):
    """The server dies after it has judged: what it found stands, and is done when the call comes again, hours later."""

    class Dying:
        async def __call__(self, principal, action, as_of):
            raise ZeroDivisionError

    gameplay = await field.server()
    dying, alive = sync_of(field, gameplay), sync_of(field, gameplay)
    dying.service._acts = {"collect": Dying()}
    actions = walk(field, near(field.shared())[:3])
    with pytest.raises(ZeroDivisionError):
        await dying.service.sync(call(body(actions, sent_at=field.clock.now())))
    field.clock.advance(timedelta(hours=11))
    synced = await alive.service.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(synced) == ["applied"] * 3


async def test_what_the_server_knows_goes_before_what_a_client_tells(field, sync):
    """Ann took it first by her own clock; Ben's claim reached the server first."""
    [spawn] = field.shared()[:1]
    actions = walk(field, [spawn])
    await (await field.server()).collect(field.claim(BEN, spawn))
    field.fixes.at.pop(BEN)
    synced = await sync.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(synced) == ["already_collected"]


async def test_one_thing_is_collected_once_whatever_it_is_called(field, sync):
    [spawn] = field.personal()[:1]
    actions = [replace(action(field.clock.now(), spawn), request_id=name) for name in ("a", "b", "a")]
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == [
        "applied",
        "already_collected",
        "replayed",
    ]


async def test_a_request_id_stands_for_one_action(field, sync):
    one, two = field.shared()[:2]
    actions = [replace(action(field.clock.now(), spawn), request_id="a") for spawn in (one, two)]
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == ["applied", "key_reused"]
    assert told(await sync.sync(call(body(actions[1:], sent_at=field.clock.now())))) == ["key_reused"]


async def test_a_claim_that_was_made_over_http_too_is_one(field, sync):
    [spawn] = field.shared()[:1]
    claim = field.claim(ANN, spawn, key="both")
    await (await field.server()).collect(claim)
    actions = [replace(action(field.clock.now(), spawn), request_id="both")]
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == ["replayed"]


async def test_where_it_was_done_has_to_be_in_reach(field, sync):
    [spawn] = field.shared()[:1]
    actions = [action(field.clock.now(), spawn, lat=spawn.lat_deg + 0.001)]
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == ["too_far"]


async def test_a_thing_that_was_not_open_then_is_not_there(field, sync):
    """It lies there now: who says that they took it half an hour ago cannot have seen it."""
    early = field.clock.now() - timedelta(minutes=1)
    later = field.clock.now() + HALF_HOUR
    field.clock.advance(HALF_HOUR)
    [spawn] = field.shared()[:1]
    actions = [action(early, spawn), action(later - timedelta(seconds=1), spawn)]
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == ["not_found", "not_found"]


async def test_a_stale_call_is_not_held_against_its_actions(field, sync):
    actions = walk(field, near(field.shared())[:2])
    stale = field.clock.now() - timedelta(minutes=2)
    sent = body(actions, sent_at=stale)
    assert told(await sync.sync(call(sent))) == ["clock_back"] * 2
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == ["applied"] * 2


async def test_a_tampered_clock_is_refused_for_good(field, sync):
    [spawn] = field.shared()[:1]
    now = field.clock.now()
    turned = [action(now, spawn, at=now + timedelta(hours=1))]
    assert told(await sync.sync(call(body(turned, sent_at=now)))) == ["clock_ahead"]
    field.clock.advance(timedelta(hours=1))
    assert told(await sync.sync(call(body(turned, sent_at=field.clock.now())))) == ["clock_ahead"]


async def test_two_devices_are_one_player(field, sync):
    """What the second tells is judged by where the first has been."""
    one, other = near(field.shared())[:2]
    now = field.clock.now()
    assert told(await sync.sync(call(body([action(now, one)], sent_at=now)))) == ["applied"]
    field.clock.advance(timedelta(minutes=1))
    now = field.clock.now()
    far, near_by = action(now, other, lat=47.0, request_id="far"), action(now, other)
    assert told(await sync.sync(call(body([far, near_by], sent_at=now, device="tablet")))) == [
        "impossible_travel",
        "applied",
    ]


async def test_a_day_that_ended_in_between_keeps_its_own_cap(field):
    """Two before midnight and two after, at two a day: the fast way would count all on one day."""
    sync = sync_of(field, await field.server(replace(GAME, daily_cap=2))).service
    field.clock.advance(timedelta(hours=11, minutes=59))
    actions = walk(field, near(field.shared())[:3], every=timedelta(seconds=15))
    field.clock.advance(timedelta(minutes=1))
    actions += walk(field, near(field.shared())[:3])
    synced = await sync.sync(call(body(actions, sent_at=field.clock.now())))
    assert told(synced) == ["applied", "applied", "cap_reached"] * 2


async def test_a_wait_between_two_of_a_kind_is_counted_from_when_they_were_taken(field):
    rules = replace(GAME, types={"copper": CollectibleType(weight=1, value="3", currency="coin", cooldown_s=60)})
    sync = sync_of(field, await field.server(rules)).service
    spawns = near(lying(field, rules))[:3]
    now = field.clock.now()
    actions = [action(now + timedelta(seconds=s), spawn) for s, spawn in zip((0, 30, 61), spawns, strict=True)]
    field.clock.advance(timedelta(minutes=5))
    assert told(await sync.sync(call(body(actions, sent_at=field.clock.now())))) == [
        "applied",
        "cooling_down",
        "applied",
    ]


async def test_what_cannot_be_done_without_a_network_is_told(field, sync):
    now = field.clock.now()
    synced = await sync.sync(call(body([action(now, action="trade")], sent_at=now)))
    assert (told(synced), synced.items[0].reason) == (["unknown_action"], "gameplay.unknown_action")


async def test_kinds_are_done_in_their_order_and_a_busy_one_may_be_sent_again(field):
    done, now = [], field.clock.now()

    class Noted:
        def __init__(self, name):
            self.name = name

        async def __call__(self, principal, action, as_of):
            done.append(self.name)
            await asyncio.sleep(0)
            if action.target == "busy":
                raise Busy
            return Answer(principal.account_id)

    sync = sync_of(field, await field.server()).service
    sync._acts = {name: Noted(name) for name in ("use", "upgrade")}
    names = ["use", "use", "upgrade", "use"]
    actions = [action(now, action=name, request_id=f"{i}") for i, name in enumerate(names)]
    busy = action(now, action="use", target="busy", request_id="x")
    synced = await sync.sync(call(body([*actions, busy], sent_at=now)))
    assert done == [*names, "use"]
    assert [(item.status, item.retryable) for item in synced.items][-2:] == [("applied", False), ("rejected", True)]
    assert principal_of().account_id == synced.items[0].result


async def test_an_act_whose_answers_nobody_keeps_is_done_once(field):
    done, now = [], field.clock.now()

    class Noted:
        async def __call__(self, principal, action, as_of):
            done.append(action.target)
            if action.target == "gone":
                raise NotFound
            return Answer(Place(1.0, 2.0, len(done)))

    sync = sync_of(field, await field.server()).service
    sync._acts = {"start": Once(Noted(), answer=Place, database=field.database, clock=field.clock)}
    actions = [action(now, action="start", target=target, request_id=target) for target in ("there", "gone")]
    first, again = [await sync.sync(call(body(actions, sent_at=now))) for _ in range(2)]
    assert (told(first), told(again)) == (["applied", "not_found"], ["replayed", "not_found"])
    assert first.items[0].result == again.items[0].result == Place(1.0, 2.0, 1)
    assert done == ["there", "gone"]


async def test_devices_that_have_long_been_silent_are_forgotten(field, sync):
    now = field.clock.now()
    await sync.sync(call(body([action(now)], sent_at=now)))
    field.clock.advance(timedelta(hours=23))
    assert await sync.forget_devices(rows_max=10) == 0
    field.clock.advance(timedelta(hours=1))
    assert await sync.forget_devices(rows_max=10) == 1
