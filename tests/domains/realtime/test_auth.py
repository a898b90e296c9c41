"""Who a connection is, and until when."""

import uuid

import pytest


def in_us(site, seconds):
    return site.house.clock.now_us() + int(seconds * 1e6)


async def test_a_token_opens_the_socket(site):
    site.house.token()
    peer = await site.connect()
    result = await peer.ask({"type": "auth", "token": "token"})
    assert result["success"]
    assert result["user_id"] == str(site.house.principals["token"].account_id)
    assert result["epoch"]


async def test_two_connections_have_two_epochs(site):
    site.house.token()
    epochs = {(await (await site.connect()).ask({"type": "auth", "token": "token"}))["epoch"] for _ in range(2)}
    assert len(epochs) == 2


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "channels": ["system"]},
        {"type": "unsubscribe", "channels": ["system"]},
        {"type": "location.update", "data": {"number": 1}},
        {"type": "game.action", "data": {"action": "collect"}},
    ],
)
async def test_before_auth_only_auth_and_ping_are_served(site, message):
    peer = await site.connect()
    reply = await peer.ask(message)
    assert (reply["type"], reply["error"]["code"]) == ("error", "realtime.unauthenticated")
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"
    assert site.house.reports == []


async def test_a_forged_token_is_told_and_closed(site):
    peer = await site.connect()
    result = await peer.ask({"type": "auth", "token": "forged"})
    assert (result["success"], result["error"]["code"]) == (False, "fake.forged")
    assert (await peer.end())[0] == 4401


async def test_a_token_without_the_scope_is_told_and_closed_as_forbidden(site):
    site.house.token(scopes=frozenset())
    peer = await site.connect()
    result = await peer.ask({"type": "auth", "token": "token"})
    assert result["error"]["code"] == "realtime.scope_missing"
    assert (await peer.end())[0] == 4403


async def test_who_does_not_authenticate_in_time_is_closed(open_site):
    async with open_site(auth_s=0.02) as site:
        peer = await site.connect()
        assert await peer.end() == (4401, "not authenticated in time")


async def test_an_expired_token_is_told_and_closed(site):
    peer = await site.player(expires_us=in_us(site, 0.05))
    assert (await peer.receive())["error"]["code"] == "realtime.token_expired"
    assert await peer.end() == (4401, "token expired")


async def test_a_fresh_token_on_the_same_socket_extends_it(site):
    account = uuid.uuid4()
    peer = await site.player("short", account=account, expires_us=in_us(site, 0.05))
    site.house.token("long", account=account, expires_us=in_us(site, 600))
    assert (await peer.ask({"type": "auth", "token": "long"}))["success"]
    watcher = await site.player("other", expires_us=in_us(site, 0.06))
    assert (await watcher.end())[0] == 4401
    assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_a_failed_second_auth_leaves_the_connection_as_it_was(site):
    peer = await site.player()
    site.house.token("stranger")
    forged = await peer.ask({"type": "auth", "token": "forged"})
    other = await peer.ask({"type": "auth", "token": "stranger"})
    assert [forged["error"]["code"], other["error"]["code"]] == ["fake.forged", "realtime.other_account"]
    assert (await peer.ask({"type": "location.update", "ack": True, "data": {"number": 1}}))["data"]["accepted"]
    assert site.house.reports[0][0] == site.house.principals["token"].account_id


async def test_a_revoked_session_is_closed_and_others_stay(site):
    account = uuid.uuid4()
    ended, kept = await site.player("a", account=account), await site.player("b", account=account)
    site.gateway.revoked(site.house.principals["a"].account_id, site.house.principals["a"].sid)
    assert (await ended.receive())["error"]["code"] == "realtime.session_revoked"
    assert (await ended.end())[0] == 4401
    assert (await kept.ask({"type": "ping"}))["type"] == "pong"


async def test_a_revoked_account_loses_every_socket(site):
    account = uuid.uuid4()
    peers = [await site.player(name, account=account) for name in "ab"]
    site.gateway.account_revoked(account)
    assert [(await peer.end())[0] for peer in peers] == [4401, 4401]


async def test_the_sixth_socket_of_an_account_replaces_the_oldest(site):
    peers = [await site.player() for _ in range(6)]
    assert (await peers[0].end())[0] == 4409
    for peer in peers[1:]:
        assert (await peer.ask({"type": "ping"}))["type"] == "pong"


async def test_authenticating_again_does_not_count_as_another_socket(open_site):
    async with open_site(sockets_per_account_max=2) as site:
        first, second = await site.player(), await site.player()
        for _ in range(3):
            assert (await second.ask({"type": "auth", "token": "token"}))["success"]
        assert (await first.ask({"type": "ping"}))["type"] == "pong"


async def test_a_socket_that_left_makes_room(open_site):
    async with open_site(sockets_per_account_max=1) as site:
        for _ in range(3):
            peer = await site.player()
            peer.transport.disconnect()
            await site.until(lambda: site.gateway.connections == 0)
        assert site.gateway.counters.closes == {}


async def test_a_key_adds_its_scopes_and_a_wrong_one_adds_none(site):
    site.house.token()
    peer = await site.connect()
    wrong = await peer.ask({"type": "auth", "token": "token", "key": "guess"})
    right = await peer.ask({"type": "auth", "token": "token", "key": "dev"})
    assert "world.replay" not in wrong["scopes"]
    assert "world.replay" in right["scopes"]
