"""Packed fixes on their way in, and packed frames on their way out."""

import uuid

import numpy as np
import picows
import pytest

from overworld.domains.realtime.connection import Connection
from overworld.kernel.identity import Scope
from overworld.kernel.packed import HEADER, POSITION, POSITIONS, VERDICTS, VERSION
from overworld.kernel.refusals import Busy, Fault

from .conftest import MSGPACK, PLAYER_SCOPES, BadPosition

VERDICT = HEADER.pack(VERDICTS, VERSION, 1) + bytes(16)


def fixes(count=1, *, kind=POSITIONS, version=VERSION, extra=0):
    return HEADER.pack(kind, version, count) + bytes(np.zeros(count, POSITION).tobytes()) + bytes(extra)


@pytest.mark.parametrize("subprotocol", [None, MSGPACK])
async def test_fixes_reach_the_world_as_they_are_and_in_order(site, subprotocol):
    peer = await site.player(subprotocol=subprotocol)
    sent = [fixes(1), fixes(8), fixes(128)]
    for frame in sent:
        peer.send_packed(frame)
    assert await peer.settled() == []
    [reporter] = site.house.reporters
    assert reporter.frames == sent
    assert reporter.player_id == site.house.principals["token"].account_id
    assert not reporter.own_timeline


@pytest.mark.parametrize("subprotocol", [None, MSGPACK])
async def test_verdicts_come_back_as_they_are(site, subprotocol):
    peer = await site.player(subprotocol=subprotocol)
    peer.send_packed(fixes())
    await peer.settled()
    site.house.reporters[0].tell(VERDICT)
    await peer.settled()
    assert peer.packed == [VERDICT]


MALFORMED = {
    "unknown kind": fixes(kind=15),
    "a kind of the server": fixes(kind=VERDICTS),
    "unknown version": fixes(version=2),
    "no fix": fixes(0),
    "one too many": fixes(129),
    "too short": fixes(2)[:-1],
    "too long": fixes(2, extra=1),
    "a count that does not fit": HEADER.pack(POSITIONS, VERSION, 3) + fixes(2)[4:],
    "a huge count": HEADER.pack(POSITIONS, VERSION, 65_535),
    "half a header": b"\x01",
}


@pytest.mark.parametrize("subprotocol", [None, MSGPACK])
@pytest.mark.parametrize("frame", MALFORMED.values(), ids=MALFORMED)
async def test_bad_packed_frames_are_malformed(site, frame, subprotocol):
    peer = await site.player(subprotocol=subprotocol)
    for _ in range(3):
        peer.send_packed(frame)
        problem = (await peer.receive())["error"]
        assert (problem["status"], problem["code"] in {"realtime.bad_frame", "fake.bad_position"}) == (400, True)
    assert await peer.end() == (4400, "malformed frames")
    assert not any(reporter.frames for reporter in site.house.reporters)


async def test_a_bound_of_its_own_holds(open_site):
    async with open_site(positions_per_frame_max=4) as site:
        peer = await site.player()
        peer.send_packed(fixes(4))
        peer.send_packed(fixes(5))
        assert (await peer.receive())["error"]["code"] == "realtime.bad_frame"
        assert len(site.house.reporters[0].frames) == 1


async def test_before_auth_no_fix_is_taken(site):
    peer = await site.connect()
    peer.send_packed(fixes())
    assert (await peer.receive())["error"]["code"] == "realtime.unauthenticated"
    assert site.house.reporters == []


async def test_fixes_need_their_scope(site):
    peer = await site.player(scopes=frozenset({Scope.REALTIME_CONNECT}))
    peer.send_packed(fixes())
    assert (await peer.receive())["error"]["code"] == "realtime.scope_missing"


@pytest.mark.parametrize(
    ("refusal", "code", "ends"), [(Busy(), "platform.busy", False), (BadPosition(), "fake.bad_position", True)]
)
async def test_what_the_world_refuses_is_told_and_what_it_cannot_read_is_malformed(site, refusal, code, ends):
    site.house.packed_refusal = refusal
    peer = await site.player()
    for _ in range(3):
        peer.send_packed(fixes())
        assert (await peer.receive())["error"]["code"] == code
    if ends:
        assert (await peer.end())[0] == 4400
    else:
        assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_a_bug_in_the_world_is_an_error_and_the_connection_goes_on(site, caplog):
    site.house.packed_refusal = RuntimeError("secret")
    peer = await site.player()
    peer.send_packed(fixes())
    reply = await peer.receive()
    assert reply["error"]["code"] == "realtime.failed"
    assert "secret" not in str(reply)
    assert [record.trace_id for record in caplog.records if record.exc_info] == [reply["error"]["trace_id"]]


async def test_what_a_fault_says_of_itself_is_in_the_log_and_told_nobody(site, caplog):
    site.house.packed_refusal = Fault("cannot connect to 10.0.0.5:5432")
    peer = await site.player()
    peer.send_packed(fixes())
    reply = await peer.receive()
    assert reply["error"]["code"] == "platform.unavailable"
    assert "10.0.0.5" not in str(reply)
    assert "answered platform.unavailable: cannot connect to 10.0.0.5:5432" in caplog.text


async def test_an_action_waits_for_the_packed_fixes_sent_before_it(site):
    site.house.judge_at_once = False
    peer = await site.player()
    peer.send_packed(fixes())
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "coin"}, "cid": "1"})
    peer.send({"type": "subscribe", "channels": ["system"], "cid": "2"})
    assert await peer.settled() == []
    assert site.house.acted == []
    site.house.reporters[0].settle()
    assert {(await peer.receive())["cid"] for _ in range(2)} == {"1", "2"}


async def test_the_way_in_is_closed_with_its_connection_and_when_the_scopes_change(site):
    account = uuid.uuid4()
    site.house.token("again", account=account)
    site.house.token("developer", account=account, scopes=PLAYER_SCOPES | {Scope.WORLD_REPLAY})
    peer = await site.player("first", account=account)
    peer.send_packed(fixes())
    await peer.ask({"type": "auth", "token": "again"})
    peer.send_packed(fixes())
    await peer.ask({"type": "auth", "token": "developer"})
    peer.send_packed(fixes())
    await peer.settled()
    first, second = site.house.reporters
    assert (len(first.frames), first.closed, first.own_timeline) == (2, True, False)
    assert (len(second.frames), second.closed, second.own_timeline) == (1, False, True)
    peer.drop()
    await site.until(lambda: second.closed)


async def test_an_action_waits_for_fixes_sent_before_the_scopes_changed(site):
    account = uuid.uuid4()
    site.house.judge_at_once = False
    site.house.token("more", account=account, scopes=PLAYER_SCOPES | {Scope.WORLD_REPLAY})
    peer = await site.player("first", account=account)
    peer.send_packed(fixes())
    await peer.ask({"type": "auth", "token": "more"})
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "coin"}, "cid": "1"})
    assert await peer.settled() == []
    site.house.reporters[0].settle()
    assert (await peer.receive())["cid"] == "1"


async def test_a_verdict_for_somebody_who_left_is_dropped(site):
    peer = await site.player()
    peer.send_packed(fixes())
    await peer.settled()
    peer.drop()
    await site.until(lambda: site.gateway.connections == 0)
    sent = site.gateway.counters.frames_out
    site.house.reporters[0].tell(VERDICT)
    assert site.gateway.counters.frames_out == sent


async def test_packed_frames_count_against_the_rate(open_site):
    async with open_site(frames_burst=20, frames_per_s=0.001) as site:
        peer = await site.player()
        for _ in range(20):
            peer.send_packed(fixes())
        assert (await peer.end())[0] == 4429
        assert len(site.house.reporters[0].frames) == 19


async def test_a_packed_frame_may_come_in_fragments_and_is_bounded(site):
    peer = await site.player()
    whole = fixes(3)
    peer.transport.send(picows.WSMsgType.BINARY, whole[:1], fin=False)
    peer.transport.send(picows.WSMsgType.CONTINUATION, whole[1:])
    assert await peer.settled() == []
    assert site.house.reporters[0].frames == [whole]
    peer.send_packed(b"\x01" * 16_385)
    assert (await peer.end())[0] == 4413


@pytest.mark.parametrize("wrapped", [bytes, bytearray, memoryview])
async def test_positions_are_written_unless_the_reader_is_slow(site, wrapped):
    peer = await site.player()
    [connection] = site.gateway._roster.connections
    assert isinstance(connection, Connection)
    assert connection.positions(wrapped(b"\x03one"))
    connection.pause_writing()
    assert not connection.positions(wrapped(b"\x03two"))
    connection.resume_writing()
    assert connection.positions(wrapped(b"\x03three"))
    await peer.settled()
    assert peer.packed == [b"\x03one", b"\x03three"]
    assert site.gateway.counters.positions_dropped == 1
    peer.drop()
    await site.until(lambda: site.gateway.connections == 0)
    assert not connection.positions(wrapped(b"\x03four"))
