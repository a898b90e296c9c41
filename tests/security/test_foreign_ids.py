"""Insecure direct object references: whatever id of somebody's things is asked for, others get nothing and change
nothing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from overworld.domains.accounts.types import Role
from tests.domains.accounts.authenticator import Authenticator
from tests.security.rules import IDS, OWN, STAFF
from tests.security.stage import LJUBLJANA, Person, Stage
from tests.system.target import faults
from tests.system.test_bad_input_http import example

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

RULES = {route: kind for kind, routes in IDS.items() for route in routes}
SEEN = (
    *("/v1/users/me", "/v1/auth/sessions", "/v1/auth/passkeys", "/v1/auth/totp", "/v1/auth/link"),
    *("/v1/tokens/balance", "/v1/tokens/history", "/v1/location/shares", "/v1/location/home"),
    *("/v1/location/visibility", "/v1/game/inventory", "/v1/game/tools", "/v1/game/boosts", "/v1/game/badges"),
    *("/v1/game/quests", "/v1/users/me/standing"),
)
PAGED = ("/v1/game/inventory", "/v1/location/history", "/v1/location/shared", "/v1/tokens/history")


# Say when it was looked at.
_PASSING = {"at": None, "judged_until": None}


async def added_passkey(person: Person) -> str:
    """The id of a passkey that a person has made."""
    begun = await person.done("POST", "/v1/auth/passkey/register/begin")
    made = Authenticator(credential_id=uuid4().bytes).create(begun["public_key"])
    body = {"ceremony": begun["ceremony"], "credential": made, "name": "Phone"}
    return str((await person.done("POST", "/v1/auth/passkey/register/finish", body))["id"])


async def things_of(stage: Stage, person: Person) -> dict[str, str]:
    """Ids of what a person has, by the names of the parameters that take them; a share is at `share`."""
    admin = await stage.staff(Role.ADMIN)
    grant = {"to": person.id, "items": {"cookie": 2}, "tools": ["chisel"], "badges": ["baker"]}
    got = (await admin.done("POST", "/v1/game/items", grant))["obtained"]
    name = f"q{uuid4().hex[:16]}"
    quest = {"title": "Walk", "starts": "assigned", "objectives": [{"kind": "collect", "count": 1}]}
    await admin.done("POST", "/v1/game/quests", {"id": name, "quest": quest, "players": [person.id]})
    fix = {"lat": LJUBLJANA[0], "lng": LJUBLJANA[1], "accuracy_m": 5, "timestamp": "2026-06-01T12:00:00Z"}
    await person.ask("POST", "/v1/location/update", json=fix)
    await person.done("PUT", "/v1/location/home", {"lat": LJUBLJANA[0], "lng": LJUBLJANA[1], "radius_m": 200})
    friend = await stage.player()
    share = await person.done("POST", "/v1/location/share", {"to": friend.id, "sight": "live", "expires_in_s": 3_600})
    assert person.device_id is not None
    await stage.player(device_id=person.device_id)
    sessions = (await person.get("/v1/auth/sessions"))["items"]
    return {
        "session_id": next(each["id"] for each in sessions if not each["current"]),
        "passkey_id": await added_passkey(person),
        "tool_id": got["tools"][0]["id"],
        "item_id": "cookie",
        "quest": name,
        "share": share["id"],
    }


async def things_of_staff(stage: Stage, victim: Person) -> dict[str, str]:
    """Ids of what staff have made, and of the person they look at."""
    admin = await stage.staff(Role.ADMIN)
    for old in (await admin.get("/v1/admin/webhooks"))["items"]:
        await admin.done("DELETE", f"/v1/admin/webhooks/{old['id']}")
    hook = {"url": "https://example.org/hook", "topics": ["events.level.reached"], "active": True}
    made = await admin.done("POST", "/v1/admin/webhooks", hook)
    stage.learn(made["secret"])
    webhook_id = made["webhook"]["id"]
    delivery = await admin.done("POST", f"/v1/admin/webhooks/{webhook_id}/ping")
    place = {"type": "Point", "coordinates": [14.5, 46.0]}
    fence = {"name": "Square", "geometry": place, "radius_m": 50, "dwell_s": 60}
    coin = example("/v1/game/coins")
    coin["items"][0].pop("payer_id")
    key = await admin.done("POST", "/v1/admin/keys", {"name": "a shop", "scopes": ["game.read"]})
    stage.learn(key["secret"])
    return {
        "webhook_id": webhook_id,
        "delivery_id": delivery["id"],
        "fence_id": (await admin.done("POST", "/v1/admin/fences", fence))["id"],
        "key": (await admin.done("POST", "/v1/admin/flags", example("/v1/admin/flags")))["key"],
        "id": (await admin.done("POST", "/v1/game/coins", coin))["items"][0]["id"],
        "key_id": key["key"]["id"],
        "player": victim.id,
        "player_id": victim.id,
        "user_id": victim.id,
    }


async def seen_by(person: Person) -> dict[str, Any]:
    """All that a person sees of their own."""
    replies = {path: await person.ask("GET", path) for path in SEEN}
    return {path: reply.raise_for_status().json() | _PASSING for path, reply in replies.items()}


def path_of(route: str, things: dict[str, str]) -> str:
    """The address of a route with somebody's ids in it."""
    path = route.partition(" ")[2]
    id_ = things.get("share" if "/share/" in path else "quest" if "/quests/" in path else "id", "")
    return path.format(**things | {"id": id_})


def body_of(route: str) -> dict[str, Any] | None:
    method, _, path = route.partition(" ")
    return (
        example(path)
        if method in {"POST", "PUT", "PATCH"} and not path.endswith(("/ping", "/logout", "/redeliver"))
        else None
    )


async def sent(person: Person, route: str, things: dict[str, str]) -> int:
    """The status of a route asked for with somebody's ids."""
    body = body_of(route)
    more = {} if body is None else {"json": body}
    reply = await person.ask(route.partition(" ")[0], path_of(route, things), **more)
    assert faults(reply) == [], reply.text
    return reply.status_code


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def victim(stage: Stage) -> tuple[Person, dict[str, str]]:
    person = await stage.player()
    return person, await things_of(stage, person)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owned_by_staff(stage: Stage, victim: tuple[Person, dict[str, str]]) -> dict[str, str]:
    return await things_of_staff(stage, victim[0])


async def test_every_route_that_takes_an_id_has_a_rule_here(stage):
    assert {each.label for each in stage.operations if each.names("path")} == set(RULES)


@pytest.mark.parametrize("route", IDS[OWN])
async def test_what_is_anothers_is_not_there_and_stays_as_it_is(stage, victim, route):
    person, things = victim
    before = await seen_by(person)
    attacker = await stage.player()
    assert await sent(attacker, route, things) in {403, 404}
    assert await seen_by(person) == before


@pytest.mark.parametrize("route", IDS[OWN])
async def test_what_is_ones_own_is_there(stage, route):
    """So each attack above fails because of who asks."""
    person = await stage.player()
    assert await sent(person, route, await things_of(stage, person)) not in {403, 404}


async def test_a_quest_of_anothers_is_neither_begun_nor_ended_nor_shown(stage, victim):
    person, things = victim
    before = await seen_by(person)
    attacker = await stage.player()
    path = f"/v1/game/quests/{things['quest']}"
    assert things["quest"] not in (await attacker.ask("GET", "/v1/game/quests")).text
    assert (await attacker.get(f"{path}/history"))["items"] == []
    for verb in ("start", "complete"):
        assert (await attacker.ask("POST", f"{path}/{verb}", json={})).status_code == 409
    assert await seen_by(person) == before


@pytest.mark.parametrize("route", IDS[STAFF])
async def test_nothing_of_staff_is_touched_by_a_player_who_knows_its_id(stage, victim, owned_by_staff, route):
    person, _ = victim
    before = await seen_by(person)
    assert await sent(await stage.player(), route, owned_by_staff) == 403
    assert await sent(person, route, owned_by_staff) == 403
    assert await seen_by(person) == before


async def test_after_all_that_everything_of_staff_is_still_there(stage, owned_by_staff):
    admin = await stage.staff(Role.ADMIN)
    for route in (route for route in IDS[STAFF] if route.startswith("GET ")):
        assert await sent(admin, route, owned_by_staff) == 200, route
    for route in (route for route in IDS[STAFF] if route.startswith("DELETE ")):
        path = path_of(route, owned_by_staff)
        assert (await admin.ask("DELETE", path)).status_code == 204, route


async def test_an_administrator_gets_no_secret_of_anothers_key(stage):
    admin, other = await stage.staff(Role.ADMIN), await stage.new_staff(Role.ADMIN)
    made = await admin.done("POST", "/v1/admin/keys", {"name": "own", "scopes": ["audit.read"]})
    stage.learn(made["secret"])
    reply = await other.ask("POST", f"/v1/admin/keys/{made['key']['id']}/rotate", json={})
    assert reply.status_code == 404
    headers = {"Authorization": f"Bearer {made['secret']}"}
    assert (await stage.http.get("/v1/admin/audit", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", PAGED)
async def test_a_cursor_of_anothers_list_shows_nothing_of_it(stage, path):
    """Somebody who has nothing sees nothing, whatever cursor they bring."""
    owner, attacker, admin = await stage.player(), await stage.player(), await stage.staff(Role.ADMIN)
    await admin.done("POST", "/v1/game/items", {"to": owner.id, "items": {"cookie": 2}, "tools": ["chisel"] * 2})
    page = await owner.get(path, limit=1)
    cursors = [page["cursor"]] if page.get("cursor") else []
    foreign = [(await admin.get("/v1/admin/users", limit=1, q="player"))["cursor"], *cursors]
    for cursor in foreign:
        reply = await attacker.ask("GET", path, params={"cursor": cursor})
        assert reply.status_code == 400 or reply.json()["items"] == [], reply.text


async def test_a_players_public_side_shows_nothing_of_the_private_one(stage):
    email, owner = await stage.registered()
    shown = await (await stage.player()).ask("GET", f"/v1/users/{owner.id}")
    assert shown.status_code == 200
    for private in (email, "email", "settings", "wallet", "did:", "role", "security"):
        assert private not in shown.text


async def test_an_unknown_id_and_one_of_somebody_elses_get_the_same_answer(stage, victim):
    """Else a list of ids could be tried for those that are somebody's."""
    _, things = victim
    attacker = await stage.player()
    for route in (route for route in IDS[OWN] if "{id}" not in route and "item_id" not in route):
        unknown = {name: str(uuid4()) for name in things}
        answers = [
            await attacker.ask(
                route.partition(" ")[0],
                path_of(route, ids),
                **({} if (body := body_of(route)) is None else {"json": body}),
            )
            for ids in (things, unknown)
        ]
        told = [{name: value for name, value in each.json().items() if not name.endswith("_id")} for each in answers]
        assert told[0] == told[1], route
