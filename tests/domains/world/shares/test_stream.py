"""What a friend's socket hears: places that moved, at a modest pace, from any server, and nothing after the end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any

import pytest

from overworld.domains.world.shares.messages import HomeBody
from overworld.kernel.refusals import Fault
from tests.domains.world.joined import ANN, BOB, CARL
from tests.domains.world.journeys import HOME


@pytest.fixture
async def pair(start_server):
    """Ann's fixes go to the first server, and Bob listens on the second."""
    here, there = start_server(), start_server()
    there.heard.accounts = {BOB}
    return here, there


async def stand(server, east_m: float) -> None:
    """Ann's next fix, where other servers can read it."""
    assert (await server.field.stand(1, east_m)).accepted
    await server.field.parts.sharing.write()


def wait(servers, seconds: float) -> None:
    for server in servers:
        server.field.wait(seconds)


async def test_a_friend_on_another_server_hears_where_somebody_is_and_then_only_when_they_move(pair):
    here, there = pair
    await stand(here, 0)
    share = await here.share()
    await there.catch_up()
    [(viewer, message)] = await there.told()
    assert (viewer, message["type"]) == (BOB, "location.shared")
    assert (message["data"]["id"], message["data"]["player_id"]) == (str(share.id), str(ANN))
    assert (message["data"]["place"]["lat"], message["data"]["place"]["lng"]) == HOME
    assert await there.told() == []
    wait(pair, 5)
    await stand(here, 3)
    assert await there.told() == [], "less than 5 m is the receiver's noise"
    wait(pair, 5)
    await stand(here, 9)
    assert [message["type"] for _, message in await there.told()] == ["location.shared"]
    assert await here.told() == [], "nobody listens here"


async def test_who_comes_later_hears_of_shares_that_were_there_before(pair):
    here, there = pair
    there.heard.accounts = set()
    await stand(here, 0)
    await here.share()
    await there.catch_up()
    assert await there.told() == []
    there.heard.accounts = {BOB}
    assert len(await there.told()) == 1


async def test_who_stops_listening_and_comes_back_is_told_anew(pair):
    here, there = pair
    await stand(here, 0)
    await here.share()
    assert len(await there.told()) == 1
    there.heard.deaf = {BOB}
    assert await there.told() == []
    there.heard.deaf = set()
    assert len(await there.told()) == 1
    there.heard.accounts = set()
    assert await there.told() == []
    there.heard.accounts = {BOB}
    assert len(await there.told()) == 1


async def test_a_share_that_is_ended_tells_so_and_nothing_more(pair):
    here, there = pair
    await stand(here, 0)
    share = await here.share()
    await there.told()
    await here.shares.service.end(ANN, share.id)
    await there.catch_up()
    assert there.heard.taken() == [(BOB, {"data": {"id": str(share.id)}, "type": "location.share_ended"})]
    wait(pair, 5)
    await stand(here, 50)
    await there.catch_up()
    assert await there.told() == []


async def test_a_share_that_is_over_by_its_time_tells_so_and_nothing_more(pair):
    here, there = pair
    share = await here.share(expires_in_s=900)
    await stand(here, 0)
    await there.told()
    wait(pair, 900)
    await stand(here, 50)
    assert [message for _, message in await there.told()] == [
        {"data": {"id": str(share.id)}, "type": "location.share_ended"}
    ]
    assert await there.told() == []


async def test_a_share_ended_while_the_place_is_asked_for_is_not_told(pair, monkeypatch):
    """The news comes between the question and the answer."""
    here, there = pair
    await stand(here, 0)
    share = await here.share()
    places = there.world.places

    async def meanwhile(player_ids):
        found = await places(player_ids)
        await here.shares.service.end(ANN, share.id)
        await there.catch_up()
        return found

    monkeypatch.setattr(there.shares.stream, "_places", Meanwhile(meanwhile))
    assert [message["type"] for _, message in await there.told()] == ["location.share_ended"]


async def test_a_share_that_runs_out_while_the_place_is_asked_for_is_not_told(pair, monkeypatch):
    here, there = pair
    await here.share(expires_in_s=900)
    wait(pair, 899)
    await stand(here, 0)
    places = there.world.places

    async def late(player_ids):
        found = await places(player_ids)
        wait(pair, 1)
        return found

    monkeypatch.setattr(there.shares.stream, "_places", Meanwhile(late))
    assert await there.told() == []


class Meanwhile:
    """Places with something that happens before they are given."""

    def __init__(self, places) -> None:
        self.places = places


async def test_news_in_any_order_and_twice_ends_in_what_is_kept(pair):
    here, there = pair
    await stand(here, 0)
    await there.told()
    shares = [await here.share() for _ in range(3)]
    await here.shares.service.end(ANN, shares[-1].id)
    kept = await here.share("bob", sight="coarse")
    for _ in range(2):
        await there.shares.stream.follow(viewer_ids=[BOB])
    assert [(m["data"]["id"], m["data"]["sight"]) for _, m in await there.told()] == [(str(kept.id), "coarse")]


async def test_a_home_that_is_told_blurs_what_is_heard_on_every_server(pair):
    here, there = pair
    await stand(here, 0)
    await here.share()
    await there.catch_up()
    [(_, before)] = await there.told()
    await here.shares.service.set_home(ANN, HomeBody(lat=HOME[0], lng=HOME[1], radius_m=100))
    await there.catch_up()
    [(_, after)] = await there.told()
    assert (before["data"]["place"]["exact"], after["data"]["place"]["exact"]) == (True, False)
    wait(pair, 5)
    await stand(here, 40)
    assert await there.told() == [], "inside the zone nothing moves"


async def test_the_server_that_is_asked_follows_before_it_answers(pair):
    here, there = pair
    await stand(here, 0)
    share = await there.share()
    assert len(await there.told()) == 1
    await there.shares.service.set_home(ANN, HomeBody(lat=HOME[0], lng=HOME[1], radius_m=100))
    [(_, blurred)] = await there.told()
    await there.shares.service.forget_home(ANN)
    [(_, exact)] = await there.told()
    assert (blurred["data"]["place"]["exact"], exact["data"]["place"]["exact"]) == (False, True)
    await there.shares.service.end(ANN, share.id)
    assert [message["type"] for _, message in there.heard.taken()] == ["location.share_ended"]


async def test_news_is_not_passed_over_while_the_database_is_away(pair, monkeypatch):
    here, there = pair
    await stand(here, 0)
    share = await here.share()
    await there.told()
    await here.shares.service.end(ANN, share.id)
    tries, read = 0, there.database.read

    @asynccontextmanager
    async def away():
        nonlocal tries
        tries += 1
        if tries == 2:  # the first reads the log
            raise Fault("the database is gone")
        async with read() as tx:
            yield tx

    monkeypatch.setattr(there.database, "read", away)
    monkeypatch.setattr("overworld.domains.world.consumers._AGAIN_S", 0.0)
    await there.catch_up()
    assert tries == 3
    assert [message["type"] for _, message in there.heard.taken()] == ["location.share_ended"]


async def test_each_viewer_hears_only_what_it_is_shown(pair):
    here, there = pair
    there.heard.accounts = {BOB, CARL}
    await stand(here, 0)
    await here.share("carl")
    assert [viewer for viewer, _ in await there.told()] == [CARL]


async def test_a_server_without_viewers_asks_nobody_where_people_are(pair, monkeypatch):
    here, there = pair
    await here.share()
    asked: list[Any] = []
    monkeypatch.setattr(there.shares.stream, "_places", Meanwhile(asked.append))
    there.heard.accounts = {CARL}
    assert await there.told() == []
    assert asked == []
