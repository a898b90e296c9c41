"""Shutting down without losing what has started."""

import asyncio

import picows
import pytest


async def draining(site, seconds=5.0):
    task = asyncio.create_task(site.gateway.drain(seconds))
    await asyncio.sleep(0)
    return task


async def test_clients_are_told_to_reconnect_each_after_its_own_delay_and_then_closed(open_site):
    async with open_site(reconnect_spread_s=2.0) as site:
        peers = [await site.player(name) for name in "abcd"]
        await site.gateway.drain(1.0)
        delays = [(await peer.receive("reconnect"))["data"]["after_ms"] for peer in peers]
        assert delays == [0, 500, 1000, 1500]
        assert {await peer.end() for peer in peers} == {(4503, "draining")}
        assert (site.gateway.connections, site.gateway.counters.closes) == (0, {4503: 4})


async def test_actions_in_flight_finish_and_new_ones_are_refused(site):
    site.house.gate.clear()
    peer = await site.player()
    action = {"type": "game.action", "data": {"action": "collect", "target": "coin"}}
    peer.send(action | {"cid": "before"})
    await site.until(lambda: site.house.acting)
    drained = await draining(site)
    refused = await peer.ask(action | {"cid": "after"})
    assert (refused["error"]["code"], refused["error"]["retryable"]) == ("realtime.draining", True)
    site.house.gate.set()
    assert (await peer.receive("game.result"))["cid"] == "before"
    assert (await peer.end())[0] == 4503
    await drained


async def test_a_hanging_action_holds_the_drain_up_only_so_long(site):
    site.house.gate.clear()
    peer = await site.player()
    peer.send({"type": "game.action", "data": {"action": "collect", "target": "coin"}})
    await site.until(lambda: site.house.acting)
    await site.gateway.drain(0.01)
    assert (await peer.end())[0] == 4503
    assert site.gateway.in_flight == 1


async def test_nobody_new_gets_in(site):
    port = site.gateway.port
    await site.player()
    await site.gateway.drain(0)
    with pytest.raises(OSError):
        await picows.ws_connect(picows.WSListener, f"ws://127.0.0.1:{port}/v1/realtime")


async def test_a_peer_that_never_answers_does_not_hold_the_drain_up(open_site):
    async with open_site(close_s=0.02) as site:
        peer = await site.player()
        peer.transport.underlying_transport.pause_reading()
        await site.gateway.drain(0)
        assert site.gateway.connections == 0


async def test_draining_twice_is_the_same_as_once(site):
    await site.player()
    await site.gateway.drain(0)
    await site.gateway.drain(0)
    assert site.gateway.counters.closes == {4503: 1}
