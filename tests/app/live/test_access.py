"""Who may look at the live map, and who only looks as if they might."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from litestar.datastructures import Headers

from overworld.app.live.access import Viewers
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import Caller
from overworld.platform.http.errors import Forbidden, TooManyRequests, Unauthenticated
from overworld.platform.limiter import MemoryLimiter

HERE = {"host": "127.0.0.1:7400"}
PLAYER = Principal(account_id=UUID(int=1), role="player", scopes=frozenset({Scope.GAME_PLAY}))


def viewers(**more: Any) -> Viewers:
    limiter = MemoryLimiter(monotonic_s=SystemClock().monotonic_s)
    terms: dict[str, Any] = {"everybody": False, "machine": True, "limits_enabled": True}
    return Viewers(limiter=limiter, **terms | more)


def caller(address: str = "127.0.0.1", principal: Principal | None = None, scopes: frozenset[str] = frozenset()):
    held = scopes | (principal.scopes if principal else frozenset())
    return Caller(maybe=principal, address=address, user_agent="", scopes=held, trace_id="t")


async def outcome(who: Caller, headers: dict[str, str], at: Viewers, *, looks: int = 1) -> str:
    try:
        await at.admit(who, Headers(headers), looks=looks)
    except (Unauthenticated, Forbidden, TooManyRequests) as refusal:
        return refusal.code
    return "in"


@pytest.mark.parametrize("host", ["127.0.0.1:7400", "localhost:7400", "localhost", "[::1]:7400", "127.3.2.1"])
async def test_who_is_on_the_machine_may_look(host):
    assert await outcome(caller(), {"host": host}, viewers()) == "in"


@pytest.mark.parametrize(
    ("who", "headers"),
    [
        (caller("203.0.113.7"), HERE),
        (caller("unknown"), HERE),
        (caller(), {"host": "rebound.example:7400"}),
        (caller(), {}),
        (caller(), {"host": "["}),
        (caller(), HERE | {"x-forwarded-for": "203.0.113.7"}),
        (caller(), HERE | {"forwarded": "for=203.0.113.7"}),
        (caller(), HERE | {"via": "1.1 proxy"}),
        (caller(), HERE | {"origin": "https://elsewhere.example"}),
        (caller(), HERE | {"origin": "null"}),
    ],
    ids=[
        *("elsewhere", "unknown", "a name that resolves here", "no host", "no host name", *["passed on"] * 3),
        *("a page of elsewhere", "a page of nowhere"),
    ],
)
async def test_who_only_looks_like_a_neighbour_may_not(who, headers):
    assert await outcome(who, headers, viewers()) == "http.unauthenticated"


async def test_a_page_of_this_machine_may_look():
    assert await outcome(caller(), HERE | {"origin": "http://localhost:5173"}, viewers()) == "in"


async def test_who_names_two_hosts_may_not_look():
    hosts = Headers([(b"host", b"127.0.0.1:7400"), (b"host", b"play.example")])
    with pytest.raises(Unauthenticated):
        await viewers().admit(caller(), hosts)


async def test_in_production_nobody_may_for_being_on_the_machine():
    assert await outcome(caller(), HERE, viewers(machine=False)) == "http.unauthenticated"


async def test_a_players_token_is_not_enough_elsewhere():
    assert await outcome(caller("203.0.113.7", PLAYER), HERE, viewers()) == "http.forbidden"


async def test_a_key_with_the_scope_is_enough_without_a_token():
    holder = caller("203.0.113.7", scopes=frozenset({Scope.WORLD_READ}))
    assert await outcome(holder, {"host": "play.example"}, viewers(machine=False)) == "in"


async def test_in_a_demo_everybody_may_look():
    assert await outcome(caller("203.0.113.7"), {"host": "play.example"}, viewers(everybody=True)) == "in"


async def test_looking_is_limited_by_address():
    at = viewers(everybody=True)
    seen = [await outcome(caller("203.0.113.7"), HERE, at) for _ in range(101)]
    assert (seen[0], seen[-1]) == ("in", "http.too_many_requests")
    assert await outcome(caller("203.0.113.8"), HERE, at) == "in"


async def test_what_is_more_work_is_spent_sooner():
    at = viewers(everybody=True)
    seen = [await outcome(caller("203.0.113.7"), HERE, at, looks=5) for _ in range(21)]
    assert (seen[19], seen[20]) == ("in", "http.too_many_requests")


@pytest.mark.parametrize(
    ("who", "told"),
    [
        (caller(), "in"),
        (caller("203.0.113.7"), "http.unauthenticated"),
        (caller("203.0.113.7", PLAYER), "http.forbidden"),
        (caller("203.0.113.7", scopes=frozenset({Scope.WORLD_READ})), "in"),
    ],
    ids=["on the machine", "a stranger", "a player", "with the scope"],
)
async def test_a_demo_shows_everybody_where_players_are_and_not_what_they_hold(who, told):
    demo = viewers(everybody=True)
    assert await outcome(who, HERE, demo) == "in"
    assert demo.trusts(who, Headers(HERE)) == (told == "in")
    if told == "in":
        await demo.admit_to_follow(who, Headers(HERE), looks=1)
    else:
        with pytest.raises((Unauthenticated, Forbidden)) as refused:
            await demo.admit_to_follow(who, Headers(HERE), looks=1)
        assert refused.value.code == told
