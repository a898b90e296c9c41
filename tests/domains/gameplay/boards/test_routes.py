"""Leaderboards as clients read them, behind the real edge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.geo import cells
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http, encode_cursor
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.gameplay.boards.stadium import Take

PATH = "/v1/game/leaderboard"


class Tokens:
    """A verifier whose tokens are account numbers; number 9 may not read the game."""

    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.GAME_PLAY if token == "9" else Scope.GAME_READ})
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes, memberships=())


class NoKeys:
    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
async def client(stadium, clock):
    """Reads as player 3 of ten, who have 10, 9, ... 1 coins."""
    await stadium.fold([Take(UUID(int=n), 11 - n, clock.now() - timedelta(seconds=n)) for n in range(1, 11)])
    app: Any = build_http(
        routes=stadium.parts.routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"authorization": "Bearer 3"}) as c:
        yield c


async def test_a_board_shows_its_places_and_the_callers_own(client):
    reply = await client.get(PATH, params={"limit": 2})
    assert reply.status_code == 200
    body = reply.json()
    assert body | {"cursor": None} == {
        "board": "global",
        "counts": "coin",
        "starts_at": None,
        "ends_at": None,
        "archived": False,
        "players": 10,
        "me": {"rank": 3, "player_id": str(UUID(int=3)), "score": "8", "reached_at": "2026-06-01T11:59:57Z"},
        "items": [
            {"rank": 1, "player_id": str(UUID(int=1)), "score": "10", "reached_at": "2026-06-01T11:59:59Z"},
            {"rank": 2, "player_id": str(UUID(int=2)), "score": "9", "reached_at": "2026-06-01T11:59:58Z"},
        ],
        "cursor": None,
    }
    assert body["cursor"]


async def test_pages_join_to_the_whole_board(client):
    ranks: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(PATH, params={"limit": 3, **cursor})).json()
        ranks += [item["rank"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert ranks == list(range(1, 11))


@pytest.mark.parametrize(
    ("limit", "ranks"), [(1, [3]), (2, [3, 4]), (3, [2, 3, 4]), (5, [1, 2, 3, 4, 5]), (9, [1, 2, 3, 4, 5, 6, 7])]
)
async def test_around_me_shows_as_many_above_as_below(client, limit, ranks):
    body = (await client.get(PATH, params={"around": "me", "limit": limit})).json()
    assert [item["rank"] for item in body["items"]] == ranks
    assert body["cursor"] is None


async def test_windows_regions_and_memberships_answer_by_their_names(client, stadium, clock):
    stadium.clubs.of["founders"] = [UUID(int=n) for n in (9, 4)]
    region = cells.token(Take(UUID(int=1), 1, clock.now()).region)
    for board, players in {"daily": 10, "weekly": 10, region: 10, "founders": 2}.items():
        body = (await client.get(PATH, params={"board": board})).json()
        assert (body["board"], body["players"]) == (board, players)
    daily = (await client.get(PATH, params={"board": "daily", "at": "2026-05-31T23:59:59.999999Z"})).json()
    times = ("2026-05-31T00:00:00Z", "2026-06-01T00:00:00Z")
    assert (daily["starts_at"], daily["ends_at"], daily["items"]) == (*times, [])


@pytest.mark.parametrize(
    ("at", "players"),
    [("2026-06-01T12:00:00", 10), ("9999-12-31T23:59:59Z", 10), ("0001-01-01T00:00:00+14:00", 0)],
)
async def test_any_instant_names_a_window(client, at, players):
    """Without a zone it is UTC; the future is now, and before 1970 nothing was collected."""
    body = (await client.get(PATH, params={"board": "weekly", "at": at})).json()
    assert body["players"] == players


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"board": "nobody"}, 404, "gameplay.no_board"),
        ({"board": "region"}, 404, "gameplay.no_board"),
        ({"board": ""}, 400, "http.bad_request"),
        ({"board": "x" * 65}, 400, "http.bad_request"),
        ({"around": "you"}, 400, "http.bad_request"),
        ({"at": "yesterday"}, 400, "http.bad_request"),
        ({"limit": 0}, 400, "http.bad_request"),
        ({"limit": 201}, 400, "http.bad_request"),
        ({"cursor": "???"}, 400, "http.bad_cursor"),
        ({"cursor": encode_cursor(-1)}, 400, "http.bad_cursor"),
        ({"cursor": encode_cursor(2**64 - 1)}, 400, "http.bad_cursor"),
        ({"cursor": encode_cursor("1")}, 400, "http.bad_cursor"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client, wrong, status, code):
    reply = await client.get(PATH, params=wrong)
    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_a_cursor_beyond_the_end_gives_an_empty_page(client):
    body = (await client.get(PATH, params={"cursor": encode_cursor(10_000)})).json()
    assert (body["items"], body["cursor"]) == ([], None)


async def test_who_may_not_read_the_game_sees_no_board(client):
    for headers, status in (({"authorization": "Bearer 9"}, 403), ({"authorization": ""}, 401)):
        assert (await client.get(PATH, headers=headers)).status_code == status
