"""A player whose line breaks: what is said first when it comes back, what is said again, and when it stays away."""

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from overworld.client import Closed, Event, Fix, Player, Reconnect, Refused, Unreachable
from overworld.client.pacing import Pauses
from tests.client.scripted import WAIT_S, until

FIX = Fix(lat=48.2, lng=16.37, accuracy_m=5.0, timestamp=datetime(2026, 11, 21, tzinfo=UTC))
# A cell that the server listens to of its own accord, around the player, is none of the channels asked for.
HELD = ["system", "location:cell:89c25a314"]
BUSY = {"code": "realtime.too_many_in_flight", "status": 429, "title": "Busy", "retryable": True}
FAR = {"code": "gameplay.too_far", "status": 409, "title": "Far", "retryable": False}


class Taken(Struct):
    target: str


def player(gateway, **options):
    usual: dict[str, Any] = {"pause_s": 0.0, "patience_s": WAIT_S, "messages_per_s": 1e6}
    return Player(gateway.http.url, **usual | {"sign_in": lambda api: api.device("device-1")} | options)


def told(line, seq, **data):
    line.send({"type": "n", "seq": seq, "data": data})


def resumed(line, message):
    return {"type": "resumed", "epoch": message["epoch"], "seq": 3, "channels": ["system", "chat:global"]}


async def numbers(ada, count):
    async with asyncio.timeout(WAIT_S):
        return [(await ada.events.get()).seq for _ in range(count)]


async def test_a_stream_goes_on_where_it_broke_after_the_server_learned_where_the_player_stands(gateway):
    def resume(line, message):
        line.send(resumed(line, message) | {"cid": message["cid"]})
        for seq in (2, 3):
            told(line, seq)

    gateway.handlers["resume"] = resume
    async with player(gateway) as ada:
        await ada.listen({"system", "chat:global"})
        assert (await ada.report(FIX)).accepted
        gateway.handlers["location.update"] = lambda *_: {"type": "location.verdict", "data": {"accepted": False}}
        await ada.report(replace(FIX, lat=0.0))
        first = gateway.lines[0]
        told(first, 1)
        assert await numbers(ada, 1) == [1]
        first.cut()
        assert await numbers(ada, 2) == [2, 3]
        await ada.report(FIX)
    again = gateway.lines[1]
    assert again.types() == ["auth", "location.update", "resume", "location.update"]
    assert again.heard[1]["data"]["lat"] == FIX.lat
    assert (again.heard[2]["epoch"], again.heard[2]["seq"]) == ("e0", 1)
    assert (ada.drops, ada.resumed) == (1, 1)


async def test_an_event_that_is_told_again_is_heard_once(gateway):
    def resume(line, message):
        line.send(resumed(line, message) | {"cid": message["cid"]})
        for seq in (1, 2):
            told(line, seq)

    gateway.handlers["resume"] = resume
    async with player(gateway) as ada:
        told(gateway.lines[0], 1)
        await numbers(ada, 1)
        gateway.lines[0].cut()
        assert await numbers(ada, 1) == [2]


async def test_what_a_new_stream_lacks_is_subscribed_to_anew(gateway):
    gateway.handlers["resume"] = lambda *_: {"type": "resync", "epoch": "e9", "seq": 7, "channels": HELD}
    async with player(gateway) as ada:
        await ada.listen({"system", "location:around"}, positions="packed", radius_m=300.0)
        gateway.lines[0].cut()
        line = await gateway.line(1)
        await until(lambda: "subscribe" in line.types())
        told(line, 8)
        assert await numbers(ada, 1) == [8]
        assert await ada.listen({"system", "location:around"}, positions="packed", radius_m=300.0) == set()
        assert "unsubscribe" not in line.types()
        line.cut()
        await until(lambda: ada.drops == 2)
    assert [message for message in line.heard if message["type"] == "subscribe"] == [
        {"type": "subscribe", "cid": "3", "channels": ["location:around"], "positions": "packed", "radius_m": 300.0}
    ]
    asked = gateway.lines[2].heard[1]
    assert (asked["epoch"], asked["seq"], ada.resumed) == ("e9", 8, 0)


async def test_a_line_that_breaks_while_coming_back_loses_nothing(gateway):
    def resume(line, message):
        line.send(resumed(line, message) | {"cid": message["cid"], "channels": ["system"]})
        if line.number == 1:
            told(line, 2)

    def subscribe(line, message):
        return line.cut() if line.number == 1 else {"type": "subscribed", "channels": message["channels"]}

    gateway.handlers |= {"resume": resume, "subscribe": subscribe}
    async with player(gateway) as ada:
        await ada.listen({"system", "chat:global"})
        told(gateway.lines[0], 1)
        gateway.lines[0].cut()
        assert await numbers(ada, 2) == [1, 2]
        await until(lambda: ada.drops == 1)
    first, second = gateway.lines[1:]
    assert [(line.heard[1]["epoch"], line.heard[1]["seq"]) for line in (first, second)] == [("e0", 1), ("e0", 2)]
    assert [line.heard[2]["channels"] for line in (first, second)] == [["chat:global"]] * 2


async def test_an_action_whose_answer_was_lost_is_asked_again_under_its_id(gateway):
    def act(line, message):
        if line.number == 0:
            line.cut()
            return None
        return {"type": "game.result", "data": {"target": message["data"]["target"]}, "replayed": True}

    gateway.handlers["game.action"] = act
    async with player(gateway) as ada:
        acted = await ada.act("take", target="coin", reply=Taken)
    asked = [line.heard[-1]["data"] for line in gateway.lines]
    assert (acted.value.target, acted.replayed, ada.replayed) == ("coin", True, 1)
    assert asked[0] == asked[1]


async def test_a_refusal_for_the_moment_is_asked_again_and_another_is_not(gateway):
    answers = [{"type": "error", "error": BUSY}, {"type": "error", "error": FAR}]
    gateway.handlers["game.action"] = lambda *_: answers.pop(0)
    async with player(gateway) as ada:
        with pytest.raises(Refused, match="too_far"):
            await ada.collect("coin")
        assert answers == []
    assert len(gateway.lines) == 1


async def test_what_is_said_in_a_chat_is_said_once(gateway):
    gateway.handlers["chat.message"] = lambda line, _: line.cut()
    async with player(gateway) as ada:
        with pytest.raises(Closed):
            await ada.chat("chat:global", "hello")
        await until(lambda: ada.drops == 1)
        assert (await ada.report(FIX)).accepted
    assert [line.types().count("chat.message") for line in gateway.lines] == [1, 0]


@pytest.mark.parametrize("code", [4400, 4403, 4409, 4413])
async def test_after_some_ends_a_player_does_not_come_back(gateway, code):
    async with player(gateway) as ada:
        gateway.lines[0].close(code)
        with pytest.raises(Closed) as caught:
            async for _ in ada.events:
                pass
        assert caught.value.code == code
        with pytest.raises(Closed):
            await ada.report(FIX)
    assert len(gateway.lines) == 1


@pytest.mark.parametrize("code", [4401, 4408, 4429, 4503, 1011])
async def test_after_other_ends_it_does(gateway, code):
    async with player(gateway) as ada:
        gateway.lines[0].close(code)
        await until(lambda: ada.drops == 1)
        assert (await ada.report(FIX)).accepted


async def test_a_token_that_is_no_longer_taken_makes_it_sign_in_again(gateway):
    async with player(gateway) as ada:
        refused = {"code": "realtime.session_revoked", "status": 401, "title": "Revoked"}
        welcome = gateway.handlers["auth"]

        def doubt(line, message):
            if message["token"] == "a1":
                return {"type": "auth_result", "success": False, "error": refused}
            return welcome(line, message)

        gateway.handlers["auth"] = doubt
        gateway.lines[0].close(4401)
        await until(lambda: ada.drops == 1)
    assert [path for _, path, *_ in gateway.http.asked].count("/v1/auth/device") == 2


async def test_a_server_that_leaves_says_when_to_come_back(gateway):
    """The pause of an hour is not waited for."""
    async with player(gateway, pause_s=3_600.0) as ada:
        gateway.lines[0].send({"type": "reconnect", "seq": 1, "data": {"after_ms": 20}})
        event = await ada.event(timeout_s=WAIT_S)
        asked_s = asyncio.get_running_loop().time()
        assert isinstance(event, Reconnect)
        gateway.lines[0].close(4503)
        await until(lambda: ada.drops == 1)
        assert asyncio.get_running_loop().time() - asked_s >= 0.018


async def test_a_server_that_stays_away_is_given_up(gateway):
    async with player(gateway, patience_s=0.0) as ada:
        await gateway.stop()
        with pytest.raises((Unreachable, Closed)):
            await ada.report(FIX)
        with pytest.raises((Unreachable, Closed)):
            await ada.events.get()


async def test_a_command_waits_for_a_server_that_comes_back(gateway):
    async with player(gateway) as ada:
        await gateway.stop()
        verdict = asyncio.create_task(ada.report(FIX))
        await until(lambda: not gateway.open)
        await gateway.listen(gateway.port)
        assert (await verdict).accepted
        assert ada.drops == 1


async def test_a_channel_that_was_taken_away_is_asked_for_again(gateway):
    async with player(gateway) as ada:
        assert await ada.listen({"a", "b"}) == {"a", "b"}
        data = {"channels": ["a"], "code": "world.out_of_sight"}
        gateway.lines[0].send({"type": "unsubscribed", "seq": 1, "data": data})
        assert await numbers(ada, 1) == [1]
        assert await ada.listen({"a", "b"}) == {"a"}
        assert await ada.listen({"b"}) == set()
        assert await ada.listen({"b"}, anew=True) == {"b"}
        assert await ada.listen({"b"}, positions="packed") == {"b"}
        assert await ada.listen({"b"}, positions="packed") == set()
    asked = [(message["type"], message["channels"]) for message in gateway.lines[0].heard[1:]]
    assert (
        asked == [("subscribe", ["a", "b"]), ("subscribe", ["a"]), ("unsubscribe", ["a"])] + [("subscribe", ["b"])] * 2
    )


async def test_leaving_ends_the_events_quietly(gateway):
    async with player(gateway) as ada:
        told(gateway.lines[0], 1)
        await until(lambda: "auth" in gateway.lines[0].types())
        first = await ada.events.get()
    assert first == Event(type="n", seq=1, data={})
    assert [event async for event in ada.events] == []
    await until(lambda: not gateway.open)


async def test_a_bug_while_coming_back_is_told_to_who_waits(gateway):
    times = []

    async def sign_in(api):
        times.append(1)
        if len(times) > 1:
            raise ZeroDivisionError
        return await api.device("device-1")

    async with player(gateway, sign_in=sign_in) as ada:
        gateway.handlers["auth"] = lambda *_: {"type": "auth_result", "success": False, "error": {"status": 401}}
        gateway.lines[0].cut()
        with pytest.raises(ZeroDivisionError):
            await ada.events.get()


async def test_pauses_grow_to_ten_seconds_and_are_never_the_same_for_all():
    pauses = Pauses(1.0, random=Random(1))
    row = [pauses.next_s() for _ in range(7)]
    bounds = [(0, 1), (1, 2), (2, 4), (4, 8), (5, 10), (5, 10), (5, 10)]
    assert all(least <= pause_s <= most for pause_s, (least, most) in zip(row, bounds, strict=True))
    assert row != [Pauses(1.0, random=Random(2)).next_s() for _ in range(7)]
    pauses.begin()
    assert pauses.next_s() <= 1
