"""What each message does, and that no message can break the gateway."""

import pytest


@pytest.mark.parametrize(("number", "ack", "told"), [(1, False, False), (1, True, True), (-1, False, True)])
async def test_a_verdict_is_sent_on_refusal_or_when_asked_for(site, number, ack, told):
    peer = await site.player()
    peer.send({"type": "location.update", "data": {"number": number}, "cid": "8", "ack": ack})
    await site.until(lambda: site.house.reports)
    verdict = {"type": "location.verdict", "data": {"accepted": number > 0, "number": number}, "cid": "8"}
    assert await peer.settled() == ([verdict] if told else [])


async def test_fixes_reach_the_world_in_their_order(site):
    peer = await site.player()
    for number in range(100):
        peer.send({"type": "location.update", "data": {"number": number}})
    await peer.settled()
    account = site.house.principals["token"].account_id
    assert site.house.reports == [(account, number, False) for number in range(100)]


async def test_only_the_replay_scope_lets_a_connection_keep_its_own_time(site):
    peer = await site.player()
    await peer.ask({"type": "location.update", "ack": True, "data": {"number": 1}})
    await peer.ask({"type": "auth", "token": "token", "key": "dev"})
    await peer.ask({"type": "location.update", "ack": True, "data": {"number": 2}})
    assert [own for _, _, own in site.house.reports] == [False, True]


@pytest.mark.parametrize("data", ['{"number":"x"}', '{"x":1}', "[]", "null", '{"number":NaN}', '{"number":"\\ud800"}'])
async def test_a_malformed_position_is_refused_and_the_connection_goes_on(site, data):
    peer = await site.player()
    peer.send('{"type":"location.update","cid":"1","data":' + data + "}")
    reply = await peer.receive()
    assert reply["type"] == "error"
    assert reply["error"]["code"] in {"fake.bad_position", "realtime.bad_frame"}
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_a_report_that_is_given_up_is_an_error(site):
    """The world may cancel what waits when it stops."""
    site.house.judge_at_once = False
    peer = await site.player()
    peer.send({"type": "location.update", "data": {"number": 1}, "cid": "1"})
    await site.until(lambda: site.house.verdicts)
    site.house.verdicts[0].cancel()
    reply = await peer.receive()
    assert (reply["error"]["code"], reply["cid"]) == ("realtime.failed", "1")


async def test_an_action_answers_with_its_result(site):
    peer = await site.player()
    data = {"action": "collect", "target": "coin", "request_id": "r1", "extra": [1]}
    reply = await peer.ask({"type": "game.action", "data": data, "cid": "9"})
    assert reply == {"type": "game.result", "data": {"target": "coin", "request_id": "r1"}, "cid": "9"}


async def test_a_replayed_answer_says_so(site):
    peer = await site.player()
    data = {"action": "collect", "target": "coin", "request_id": "again"}
    assert (await peer.ask({"type": "game.action", "data": data}))["replayed"] is True


async def test_a_refusal_says_so_too_and_only_then(site):
    peer = await site.player()
    for request_id, marks in (("first", set()), ("again", {"replayed"})):
        data = {"action": "collect", "target": "far", "request_id": request_id}
        reply = await peer.ask({"type": "game.action", "data": data})
        assert (reply["type"], set(reply) - {"type", "cid", "error"}) == ("error", marks)


async def test_a_refused_action_is_a_problem_with_its_public_fields(site):
    peer = await site.player()
    reply = await peer.ask({"type": "game.action", "data": {"action": "collect", "target": "far"}})
    problem = reply["error"]
    assert reply["type"] == "error"
    assert (problem["code"], problem["status"], problem["reach_m"]) == ("fake.too_far", 409, 40)
    assert len(problem["trace_id"]) == 32


async def test_an_unknown_action_is_refused(site):
    peer = await site.player()
    reply = await peer.ask({"type": "game.action", "data": {"action": "fly"}})
    assert reply["error"]["code"] == "realtime.unknown_action"


async def test_a_bug_in_an_action_is_hidden_from_the_client_and_logged(site, caplog):
    peer = await site.player()
    reply = await peer.ask({"type": "game.action", "data": {"action": "fail"}})
    assert (reply["error"]["code"], reply["error"]["status"]) == ("realtime.failed", 500)
    assert "bug" not in str(reply)
    logged = [record for record in caplog.records if record.exc_info]
    assert [record.trace_id for record in logged] == [reply["error"]["trace_id"]]


async def test_a_bug_in_a_port_is_an_error_and_the_connection_goes_on(site):
    peer = await site.player()
    reply = await peer.ask({"type": "location.update", "data": {"number": 666}})
    assert reply["error"]["code"] == "realtime.failed"
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_a_slow_action_does_not_hold_up_the_next(site):
    site.house.gate.clear()
    peer = await site.player()
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "slow"}, "cid": "1"})
    assert (await peer.ask({"type": "game.action", "data": {"action": "fly"}, "cid": "2"}))["cid"] == "2"
    site.house.gate.set()
    assert (await peer.receive("game.result"))["cid"] == "1"


async def test_actions_in_flight_are_bounded_per_connection(open_site):
    async with open_site(in_flight_max=2) as site:
        site.house.gate.clear()
        peer, other = await site.player("a"), await site.player("b")
        action = {"type": "game.action", "data": {"action": "collect", "target": "x"}}
        for cid in ("1", "2"):
            peer.send(action | {"cid": cid})
        refused = await peer.ask(action | {"cid": "3"})
        assert (refused["error"]["code"], refused["error"]["retryable"]) == ("realtime.too_many_in_flight", True)
        other.send(action)
        await site.until(lambda: site.house.acting == 3)
        site.house.gate.set()
        assert {(await peer.receive("game.result"))["cid"] for _ in range(2)} == {"1", "2"}
        assert (await peer.ask(action))["type"] == "game.result"


async def test_an_action_waits_for_the_fix_sent_before_it(site):
    """Who walks up to a coin and takes it sends both at once; the claim must see the fix."""
    site.house.judge_at_once = False
    peer = await site.player()
    peer.send({"type": "location.update", "data": {"number": 1}})
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "coin"}, "cid": "1"})
    assert await peer.settled() == []
    assert site.house.acted == []
    site.house.verdicts[0].cancel()
    assert (await peer.receive("game.result"))["cid"] == "1"


async def test_an_action_ends_although_its_connection_is_gone(site):
    site.house.gate.clear()
    peer = await site.player()
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "coin"}})
    await site.until(lambda: site.house.acting)
    peer.transport.disconnect()
    await site.until(lambda: site.gateway.connections == 0)
    site.house.gate.set()
    await site.until(lambda: site.gateway.in_flight == 0)
    assert site.house.acted == ["coin"]


@pytest.mark.parametrize("scope", ["location.write", "game.play"])
async def test_each_command_needs_its_scope(site, scope):
    peer = await site.player(scopes=frozenset({"realtime.connect"}))
    message = (
        {"type": "location.update", "data": {}} if scope == "location.write" else {"type": "game.action", "data": {}}
    )
    problem = (await peer.ask(message))["error"]
    assert (problem["code"], problem["scope"]) == ("realtime.scope_missing", scope)


async def test_an_unknown_type_is_an_error_with_its_cid(site):
    peer = await site.player()
    for _ in range(10):
        reply = await peer.ask({"type": "chat.whisper", "data": {}, "cid": "5"})
        assert (reply["error"]["code"], reply["cid"]) == ("realtime.unknown_type", "5")


async def test_frames_and_refusals_are_counted(site):
    peer = await site.player()
    before = site.gateway.counters.frames_in
    await peer.ask({"type": "ping"})
    await peer.ask({"type": "nonsense"})
    counters = site.gateway.counters
    assert counters.frames_in - before == 2
    assert counters.refusals == {"realtime.unknown_type": 1}
