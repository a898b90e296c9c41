"""The Python client's socket against the real gateway."""

import asyncio
import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from overworld.client import Closed, Fix, Refused, Socket, Unreachable
from overworld.client.packed import encode_fixes
from overworld.domains.realtime import Event
from overworld.kernel.clock import to_us
from tests.client import frames

FIX = Fix(lat=48.2, lng=16.37, accuracy_m=5.0, timestamp=datetime(2026, 11, 21, tzinfo=UTC))


async def connected(site, name="token", **options):
    if name not in site.house.principals:
        site.house.token(name)

    async def token():
        return name

    return await Socket.connect(f"ws://127.0.0.1:{site.gateway.port}/v1/realtime", token=token, **options)


@pytest.fixture
def judged(site, monkeypatch):
    """Fixes as the client sends them, accepted when they are north of the equator."""
    fixes = []

    class Verdict(msgspec.Struct):
        accepted: bool
        reason: str | None
        cell: str | None = None

    def report(player_id, data, *, own_timeline):
        fix = msgspec.json.decode(data, type=Fix)
        fixes.append(fix)
        future = asyncio.get_running_loop().create_future()
        future.set_result(Verdict(fix.lat > 0, None if fix.lat > 0 else "teleport"))
        return future

    monkeypatch.setattr(site.house, "report", report)
    return fixes


async def test_fixes_are_reported_and_judged_in_order(site, judged):
    async with await connected(site) as socket:
        south = msgspec.structs.replace(FIX, lat=-1.0)
        verdicts = await asyncio.gather(*(socket.report(fix) for fix in (FIX, south, FIX)))
    assert [verdict.accepted for verdict in verdicts] == [True, False, True]
    assert verdicts[1].reason == "teleport"
    assert judged == [FIX, south, FIX]


async def test_a_streamed_fix_is_heard_of_only_when_refused(site, judged):
    async with await connected(site) as socket:
        for lat in (1.0, -1.0, 1.0):
            socket.stream(msgspec.structs.replace(FIX, lat=lat))
        event = await socket.events.get()
        await socket.ask("ping")
        assert (event.type, event.data.reason) == ("location.verdict", "teleport")
        assert socket.events.waiting() == []


async def test_no_fix_is_streamed_into_a_line_that_has_ended(site):
    async with await connected(site) as socket:
        pass
    with pytest.raises(Closed):
        socket.stream(FIX)


async def test_an_action_gives_its_answer_or_raises_the_refusal(site):
    class Taken(msgspec.Struct):
        target: str

    async with await connected(site) as socket:
        acted = await socket.act("collect", target="coin", request_id="again", reply=Taken)
        assert (acted.value.target, acted.replayed) == ("coin", True)
        with pytest.raises(Refused, match="too_far") as caught:
            await socket.act("collect", target="far", request_id="1", reply=Taken)
        assert (caught.value.status, caught.value.members["reach_m"]) == (409, 40)


async def test_events_wait_in_a_bounded_queue_that_keeps_the_newest(site):
    async with await connected(site, events_max=2) as socket:
        granted = await socket.subscribe(["system", "chat:x"])
        assert (granted.channels, granted.refused[0].code) == (["system"], "realtime.channel_refused")
        for number in range(5):
            site.gateway.publish("system", Event(type="n", data=number))
        await socket.ask("ping")
        assert [(await socket.events.get()).data for _ in range(2)] == [3, 4]
        assert socket.events.dropped == 3
        assert (await socket.unsubscribe(["system"])).channels == []


@pytest.mark.slow
async def test_the_token_is_renewed_before_it_expires(site):
    account = uuid.uuid4()
    asked: list[str] = []

    async def token():
        name = f"t{len(asked)}"
        asked.append(name)
        life_us = 2_200_000 if len(asked) == 1 else 600_000_000
        site.house.token(name, account=account, expires_us=site.house.clock.now_us() + life_us)
        return name

    async with await Socket.connect(f"ws://127.0.0.1:{site.gateway.port}/v1/realtime", token=token) as socket:
        first = socket.auth.expires_at
        await site.until(lambda: socket.auth.expires_at != first)
    assert asked == ["t0", "t1"]


async def test_a_key_is_passed_on(site):
    async with await connected(site, key="dev") as socket:
        assert "world.replay" in socket.auth.scopes


async def test_a_refused_token_raises_the_refusal(site):
    async def forged():
        return "forged"

    with pytest.raises(Refused, match="forged"):
        await Socket.connect(f"ws://127.0.0.1:{site.gateway.port}/v1/realtime", token=forged)
    await site.until(lambda: site.gateway.connections == 0)


async def test_a_refused_handshake_raises_the_refusal(open_site):
    async with open_site(connections_max=1) as site, await connected(site):
        with pytest.raises(Refused, match="full"):
            await connected(site)


async def test_no_server_is_unreachable(site):
    async def token():
        return "never asked for"

    url = f"ws://127.0.0.1:{site.gateway.port}/v1/realtime"
    await site.gateway.drain(0)
    with pytest.raises(Unreachable):
        await Socket.connect(url, token=token)


async def test_when_the_server_hangs_up_commands_in_flight_raise_closed(site):
    site.house.gate.clear()
    socket = await connected(site)
    waiting = asyncio.create_task(socket.collect("coin", request_id="1"))
    await site.until(lambda: site.house.acting)
    mine = site.house.principals["token"]
    site.gateway.revoked(mine.account_id, mine.sid)
    with pytest.raises(Closed) as caught:
        await waiting
    assert caught.value.code == 4401
    assert (await socket.ended).code == 4401
    with pytest.raises(Closed):
        await socket.ask("ping")
    await socket.close()


async def test_closing_leaves_nothing_behind(site):
    socket = await connected(site)
    await socket.close()
    await site.until(lambda: site.gateway.connections == 0)
    assert site.gateway.counters.left == 1


@pytest.mark.parametrize("subprotocol", ["json", "msgpack"])
async def test_a_stream_goes_on_over_another_socket(site, subprotocol):
    first = await connected(site, subprotocol=subprotocol)
    await first.subscribe(["system"])
    site.gateway.publish("system", Event(type="n", data=0))
    assert (await first.events.get()).data == 0
    first.cut()
    await site.until(lambda: site.gateway.detached == 1)
    for number in (1, 2):
        site.gateway.publish("system", Event(type="n", data=number))
    async with await connected(site, subprotocol=subprotocol) as second:
        told = await second.resume(epoch=first.epoch, seq=first.seq)
        assert (told.type, told.channels, second.epoch) == ("resumed", ["system"], first.epoch)
        site.gateway.publish("system", Event(type="n", data=3))
        events = [await second.events.get() for _ in range(3)]
        assert [(event.seq, event.data) for event in events] == [(2, 1), (3, 2), (4, 3)]


async def test_a_stream_that_is_gone_is_begun_anew(site):
    async with await connected(site) as first:
        await first.subscribe(["system"])
    async with await connected(site) as second:
        told = await second.resume(epoch=first.epoch, seq=first.seq)
        assert (told.type, told.channels) == ("resync", [])
        await second.subscribe(["system"])
        site.gateway.publish("system", Event(type="n", data=1))
        event = await second.events.get()
        assert (event.data, event.seq, told.epoch) == (1, second.seq, second.epoch)


async def test_fixes_and_actions_are_the_same_in_messagepack(site, judged):
    class Taken(msgspec.Struct):
        target: str

    async with await connected(site, subprotocol="msgpack") as socket:
        assert (await socket.report(FIX)).accepted
        assert (await socket.act("collect", target="coin", request_id="1", reply=Taken)).value.target == "coin"
        with pytest.raises(Refused, match="too_far"):
            await socket.act("collect", target="far", request_id="2", reply=Taken)
    assert judged == [FIX]


async def test_packed_fixes_reach_the_world_as_they_were_encoded(site):
    async with await connected(site) as socket:
        verdicts = socket.report_packed([FIX, FIX])
        socket.stream_packed([FIX])
        await socket.ask("ping")
        [reporter] = site.house.reporters
        assert reporter.frames == [encode_fixes([FIX, FIX], ack=True), encode_fixes([FIX])]
        at = to_us(FIX.timestamp)
        reporter.tell(frames.verdicts((at, 1, 0, 5), (at, 0, 4, 5)))
        assert [verdict.reason for verdict in await verdicts] == [None, "time_order"]
