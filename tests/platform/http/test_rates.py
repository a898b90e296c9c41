"""How many requests a caller may make."""

from __future__ import annotations

from datetime import timedelta

from overworld.platform.http import LimitSettings

FEW = LimitSettings(account_per_min=4, admin_per_min=8, address_per_min=2)
LIST = "/v1/places?lat=1"


async def _statuses(client, count, path=LIST, **headers):
    return [(await client.get(path, headers=headers)).status_code for _ in range(count)]


async def test_an_address_without_a_token_has_its_own_limit(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client(address="203.0.113.1") as one, edge.client(address="203.0.113.2") as other:
        assert await _statuses(one, 3) == [200, 200, 429]
        assert await _statuses(other, 1) == [200]


async def test_an_account_has_one_limit_from_every_address(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client(address="203.0.113.1") as one, edge.client(address="203.0.113.2") as other:
        assert await _statuses(one, 3, authorization="Bearer player") == [200] * 3
        assert await _statuses(other, 2, authorization="Bearer player") == [200, 429]


async def test_an_administrator_may_more(make_edge):
    async with make_edge(limits=FEW).client(authorization="Bearer admin") as client:
        assert await _statuses(client, 9) == [200] * 8 + [429]


async def test_forged_tokens_count_against_the_address(make_edge):
    async with make_edge(limits=FEW).client() as client:
        assert await _statuses(client, 3, "/v1/names/x", authorization="Bearer forged") == [401, 401, 429]


async def test_another_spelling_of_a_path_counts_like_the_path(make_edge):
    async with make_edge(limits=FEW).client() as client:
        paths = [f"http://edge{path}" for path in (f"/{LIST}", LIST.replace("/places", "//places"), f"//{LIST}")]
        assert [(await client.get(path)).status_code for path in paths] == [200, 200, 429]


async def test_routes_with_limits_of_their_own_are_not_counted_and_others_are(make_edge):
    edge = make_edge(limits=FEW, polled=("/v1/places",))
    async with edge.client() as client:
        assert await _statuses(client, 4) == [200] * 4
        assert await _statuses(client, 3, "/v1/names/x") == [401, 401, 429]


async def test_a_home_of_ipv6_addresses_has_one_limit(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client(address="2001:db8:1:2::1") as one, edge.client(address="2001:db8:1:2:ffff::9") as neighbour:
        assert await _statuses(one, 2) == [200, 200]
        assert await _statuses(neighbour, 1) == [429]


async def test_replies_tell_what_is_left_and_when_it_is_full(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client() as client:
        first, _, refused = [await client.get(LIST) for _ in range(3)]
    names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
    assert [first.headers[name] for name in names] == ["2", "1", "30"]
    assert [refused.headers[name] for name in names] == ["2", "0", "60"]
    assert (refused.headers["retry-after"], refused.json()["code"]) == ("30", "http.too_many_requests")
    assert (refused.json()["retryable"], refused.json()["retry_after_s"]) == (True, 30)
    assert b'overworld_limiter_refusals_total{kind="address"} 1.0' in edge.metrics.render()


async def test_waiting_as_long_as_told_is_enough(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client() as client:
        assert await _statuses(client, 3) == [200, 200, 429]
        edge.clock.advance(timedelta(seconds=30))
        assert await _statuses(client, 2) == [200, 429]


async def test_new_limits_hold_at_once_and_count_what_was_spent(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client() as client:
        assert await _statuses(client, 3) == [200, 200, 429]
        edge.app.limit(LimitSettings(address_per_min=600))
        assert await _statuses(client, 1) == [429]
        edge.clock.advance(timedelta(seconds=1))
        assert await _statuses(client, 10) == [200] * 10


async def test_what_is_not_under_v1_is_not_limited(make_edge):
    async with make_edge(limits=FEW).client() as client:
        assert await _statuses(client, 5, "/openapi.json") == [200] * 5


async def test_a_developer_key_lifts_the_limit_on_this_machine_only(make_edge):
    edge = make_edge(limits=FEW)
    async with edge.client(address="127.0.0.1") as here, edge.client() as away:
        assert await _statuses(here, 5, **{"overworld-key": "owdev_key"}) == [200] * 5
        assert await _statuses(here, 3, **{"overworld-key": "owdev_guess"}) == [200, 200, 429]
        assert await _statuses(away, 3, **{"overworld-key": "owdev_key"}) == [200, 200, 429]


async def test_switched_off_nothing_is_limited_and_nothing_is_said(make_edge):
    async with make_edge(limits=LimitSettings(enabled=False, address_per_min=1)).client() as client:
        replies = [await client.get(LIST) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200] * 3
    assert "ratelimit-limit" not in replies[0].headers


async def test_a_forwarded_address_is_believed_from_trusted_proxies_only(make_edge):
    trusting = make_edge(trusted_proxies=("10.0.0.0/8",))
    forwarded = {"x-forwarded-for": "198.51.100.7, 192.0.2.1, 10.1.1.1"}
    async with trusting.client(address="10.0.0.5") as proxied, trusting.client(address="203.0.113.9") as direct:
        assert (await proxied.get(LIST, headers=forwarded)).json()["items"][1] == "192.0.2.1"
        assert (await direct.get(LIST, headers=forwarded)).json()["items"][1] == "203.0.113.9"
    async with make_edge().client(address="10.0.0.5") as client:
        assert (await client.get(LIST, headers=forwarded)).json()["items"][1] == "10.0.0.5"


async def test_proxies_that_each_add_a_line_of_their_own_are_gone_back_through_like_one_list(make_edge):
    lines = [("x-forwarded-for", line) for line in ("198.51.100.7", "192.0.2.1, 10.1.1.1", "10.1.1.2")]
    async with make_edge(trusted_proxies=("10.0.0.0/8",)).client(address="10.0.0.5") as client:
        assert (await client.get(LIST, headers=lines)).json()["items"][1] == "192.0.2.1"
