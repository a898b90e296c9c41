"""Scope escalation: every route lets in who holds its scope, by role or by key, and nobody else."""

from __future__ import annotations

import pytest

from overworld.domains.accounts.types import Role
from overworld.kernel.identity import Scope
from tests.security.rules import EVERYBODY, NO_KEY, OWN_RULE, OWN_SCOPES, ROLES, ROUTES
from tests.security.stage import Operation, Stage
from tests.system.target import code_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

RULES = {route: scope for scope, routes in ROUTES.items() for route in routes}
VIEW = {"south": 46.04, "west": 14.49, "north": 46.06, "east": 14.52}
GRANTABLE = sorted(ROLES[Role.ADMIN] - NO_KEY)
UNKNOWN = {"no_such_parameter": "1"}


def address_of(operation: Operation) -> str:
    """An address of the operation's whose ids are of nothing."""
    of_no_text = {"id": 10**9 if operation.path.startswith("/v1/live/") else "0" * 32, "number": 10**9}
    ids = dict.fromkeys(operation.names("path"), "00000000-0000-7000-8000-000000000000")
    return operation.path.format(**ids | {name: of_no_text[name] for name in ids.keys() & of_no_text.keys()})


async def is_let_in(stage: Stage, operation: Operation, headers: dict[str, str]) -> bool:
    """Whether somebody comes past the gate, to be refused there for a parameter that no route has."""
    reply = await stage.http.request(operation.method, address_of(operation), params=UNKNOWN, headers=headers)
    code = code_of(reply)
    if code[0] == 400 and "query.no_such_parameter" in [each["path"] for each in reply.json()["errors"]]:
        return True
    expected = (403, "http.forbidden") if "Authorization" in headers else (401, "http.unauthenticated")
    assert code == expected, (operation.label, reply.text)
    return False


async def openings(stage: Stage, headers: dict[str, str]) -> set[str]:
    """The routes that let somebody in, of those whose gate judges."""
    gated = [each for each in stage.operations if RULES[each.label] != OWN_RULE]
    return {each.label for each in gated if await is_let_in(stage, each, headers)}


def allowed(*scopes: str) -> set[str]:
    """The routes that scopes open."""
    return {route for scope in (EVERYBODY, *scopes) for route in ROUTES.get(scope, ())}


async def test_every_route_has_a_rule_here_and_no_rule_is_without_its_route(stage):
    assert {each.label for each in stage.operations} == set(RULES)


async def test_the_document_says_what_the_rules_say(stage):
    said = {each.label: each.described.get("x-scope") for each in stage.operations}
    assert said == {route: None if scope in {EVERYBODY, OWN_RULE} else scope for route, scope in RULES.items()}


async def test_nobody_without_a_token_gets_in_where_one_is_needed(stage):
    assert await openings(stage, {"X-Forwarded-For": stage.address()}) == allowed()


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_its_own_routes_and_no_other(stage, role):
    person = await stage.staff(role)
    assert await openings(stage, person.headers) == allowed(*ROLES[role])


@pytest.mark.parametrize("scope", GRANTABLE)
async def test_an_api_key_opens_the_routes_of_its_scope_and_no_other(stage, scope):
    headers = {"Authorization": f"Bearer {await stage.api_key(scope)}"}
    assert await openings(stage, headers) == allowed(scope)


async def test_an_ingest_key_opens_the_way_in_for_telemetry_and_nothing_else(stage):
    headers = {"Authorization": f"Bearer {await stage.api_key(Scope.TELEMETRY_WRITE)}"}
    assert await openings(stage, headers) == allowed(Scope.TELEMETRY_WRITE)


@pytest.mark.parametrize("scope", [None, Scope.GAME_READ, Scope.TELEMETRY_WRITE])
async def test_posthog_bodies_come_in_with_an_ingest_key_alone(stage, scope):
    key = {} if scope is None else {"api_key": await stage.api_key(scope)}
    headers = {"X-Forwarded-For": stage.address()}
    reply = await stage.http.post("/batch", json={"batch": [{"event": "seen"}], **key}, headers=headers)
    assert reply.status_code == {None: 401, Scope.GAME_READ: 403, Scope.TELEMETRY_WRITE: 200}[scope]


async def test_an_api_key_with_every_scope_opens_no_account_and_makes_no_keys(stage):
    headers = {"Authorization": f"Bearer {await stage.api_key(*GRANTABLE)}"}
    assert await openings(stage, headers) == allowed(*GRANTABLE)


@pytest.mark.parametrize("scope", sorted(NO_KEY - {Scope.TELEMETRY_WRITE}))
async def test_a_scope_of_people_is_given_to_no_key(stage, scope):
    admin = await stage.staff(Role.ADMIN)
    for scopes in ([scope], [Scope.GAME_READ, scope], [Scope.TELEMETRY_WRITE, scope]):
        reply = await admin.ask("POST", "/v1/admin/keys", json={"name": "more", "scopes": scopes})
        assert code_of(reply) == (400, "accounts.bad_scopes")


@pytest.mark.parametrize("scopes", [["*"], ["admin"], ["game.*"], ["GAME.READ"], ["game.read keys.manage"], [""]])
async def test_a_scope_that_is_none_or_names_several_is_given_to_no_key(stage, scopes):
    reply = await (await stage.staff(Role.ADMIN)).ask("POST", "/v1/admin/keys", json={"name": "x", "scopes": scopes})
    assert reply.status_code == 400


async def test_a_key_that_was_made_before_a_demotion_ends_with_it(stage):
    boss, demoted = await stage.staff(Role.ADMIN), await stage.new_staff(Role.ADMIN)
    body = {"name": "kept", "scopes": [Scope.AUDIT_READ]}
    secret = (await demoted.done("POST", "/v1/admin/keys", body))["secret"]
    stage.learn(secret)
    await boss.done("PUT", f"/v1/admin/users/{demoted.id}/role", {"role": "player"})
    for headers in ({"Authorization": f"Bearer {secret}"}, demoted.headers):
        assert (await stage.http.get("/v1/admin/audit", headers=headers)).status_code == 401


@pytest.mark.parametrize("role", [None, *Role])
async def test_a_reload_needs_its_scope(stage, role):
    headers = {} if role is None else (await stage.staff(role)).headers
    reply = await stage.http.post("/v1/game/reload", headers=headers)
    may = role is not None and OWN_SCOPES["POST /v1/game/reload"] in ROLES[role]
    expected = {200} if may else {401} if role is None else {403}
    assert {reply.status_code} == expected, reply.text


@pytest.mark.parametrize("role", [None, *Role])
async def test_the_live_map_shows_strangers_nothing(stage, role):
    """Somebody elsewhere, as the proxy tells it, who may see the world or may not."""
    person = None if role is None else await stage.staff(role)
    headers = {"X-Forwarded-For": stage.address()} if person is None else person.headers
    may = role is not None and Scope.WORLD_READ in ROLES[role]
    asked = {"about": {}, "world": VIEW, "collectibles": VIEW, f"players/{10**9}": {}}
    for what, query in asked.items():
        reply = await stage.http.get(f"/v1/live/{what}", params=query, headers=headers)
        expected = (404 if what.startswith("players/") else 200) if may else 401 if role is None else 403
        assert reply.status_code == expected, (what, reply.text)


@pytest.mark.parametrize("name", ["Authorization", "Overworld-Key"])
async def test_a_header_that_is_sent_twice_adds_no_scope(stage, name):
    """A proxy may read the first and the server the last."""
    player, admin = await stage.player(), await stage.staff(Role.ADMIN)
    pair = [(name, "Bearer forged" if name == "Authorization" else "owdev_" + "A" * 43)]
    told = [("Authorization", player.headers["Authorization"]), *pair]
    assert (await stage.http.get("/v1/admin/audit", headers=told)).status_code in {400, 401, 403}
    assert (await admin.ask("GET", "/v1/admin/audit")).status_code == 200


async def test_staff_raise_nobody_above_themselves_and_nobody_raises_themself(stage):
    moderator, admin = await stage.staff(Role.MODERATOR), await stage.staff(Role.ADMIN)
    victim, developer = await stage.player(), await stage.new_staff(Role.DEVELOPER)
    role = f"/v1/admin/users/{victim.id}/role"
    assert (await moderator.ask("PUT", role, json={"role": "moderator"})).status_code == 403
    assert (await admin.ask("PUT", f"/v1/admin/users/{admin.id}/role", json={"role": "admin"})).status_code in {
        403,
        409,
    }
    for over in (admin, developer, moderator):
        for verb in ("suspend", "restore", "logout"):
            path = f"/v1/admin/users/{over.id}/{verb}"
            body = None if verb == "logout" else {"why": "an attack"}
            assert (await moderator.ask("POST", path, json=body)).status_code in {403, 409}
    roles = await stage.database.fetch("SELECT DISTINCT role FROM accounts.account WHERE id = $1", victim.id)
    assert [row["role"] for row in roles] == ["player"]
