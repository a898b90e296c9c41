"""Mass assignment: no route takes a field that it does not name, and none of them changes who somebody is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from overworld.domains.accounts.types import Role
from tests.security.stage import Operation, Person, Stage
from tests.system.target import faults
from tests.system.test_bad_input_http import example

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

FIELDS: dict[str, Any] = {
    "role": "admin",
    "is_admin": True,
    "scopes": ["users.manage"],
    "id": "00000000-0000-7000-8000-000000000000",
    "account_id": "00000000-0000-7000-8000-000000000000",
    "security_version": 0,
    "email_verified": True,
    "email": "other@example.org",
    "balance": "1000000",
    "level": 99,
    "experience": 10**9,
    "memberships": ["founder"],
    "__proto__": {"role": "admin"},
}
FOREIGN = (
    "/v1/admin/fences/import",
    "/ofrep/v1/evaluate/flags",
    "/ofrep/v1/evaluate/flags/{flag}",
    "/graphql",
    "/graphql/stream",
)
"""What may hold members that nobody names, and passes over them: GeoJSON (RFC 7946, section 6.1), OFREP and GraphQL."""
# What authenticators send beside what is read; level 2 of Web Authentication lets them add members.
OPEN_PARTS = ("credential",)
FREE = frozenset({"settings", "openid", "items", "tokens", "geometry", "data", "attributes", "properties"})
"""Parts whose names are the sender's: settings, a provider's fields, counts by the names of things, GeoJSON."""
STATE = """
SELECT (to_jsonb(a) - 'signed_in_at')::text, (
    SELECT jsonb_agg(to_jsonb(b) ORDER BY b.id)::text FROM ledger.account AS b WHERE b.owner_id = a.id
)
FROM accounts.account AS a WHERE a.id = $1"""


def address_of(operation: Operation) -> str:
    ids = dict.fromkeys(operation.names("path"), "00000000-0000-7000-8000-000000000000")
    return operation.path.format(**ids)


def parts_of(body: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where there are objects in a body, outermost first."""
    if isinstance(body, dict):
        yield path
    if isinstance(body, (dict, list)):
        for name, value in body.items() if isinstance(body, dict) else enumerate(body):
            yield from parts_of(value, (*path, name))


def with_field(body: dict[str, Any], path: tuple[str | int, ...], name: str, value: Any) -> dict[str, Any]:
    """A copy of a body with one more field in one of its objects."""
    copied: dict[str, Any] = json.loads(json.dumps(body))
    part: Any = copied
    for step in path:
        part = part[step]
    part[name] = value
    return copied


def takes_a_body(stage: Stage) -> list[Operation]:
    return [each for each in stage.operations if each.has_body]


async def state_of(stage: Stage, person: Person) -> tuple[Any, ...]:
    """Who somebody is, as the database has it."""
    [row] = await stage.database.fetch(STATE, person.id)
    return tuple(row)


async def test_every_body_refuses_fields_that_it_does_not_name(stage):
    """Asked for by an administrator, so that nothing else is refused before."""
    admin = await stage.staff(Role.ADMIN)
    before = await state_of(stage, admin)
    taken = []
    for each in takes_a_body(stage):
        body = example(each.path)
        for name, value in FIELDS.items():
            if name in body or each.path in FOREIGN:
                continue
            reply = await admin.ask(each.method, address_of(each), json=body | {name: value})
            assert faults(reply) == [], reply.text
            taken += [] if reply.status_code == 400 else [(each.label, name, reply.status_code)]
    assert taken == []
    assert await state_of(stage, admin) == before


async def test_no_part_of_a_body_takes_more_than_its_fields(stage):
    """In every object inside every body, but those whose form others have laid down."""
    admin = await stage.staff(Role.ADMIN)
    taken = []
    for each in takes_a_body(stage):
        body = example(each.path)
        for path in parts_of(body):
            if not path or path[0] in OPEN_PARTS or each.path in FOREIGN or path[-1] in FREE:
                continue
            for name in ("role", "security_version", "__proto__"):
                wrong = with_field(body, path, name, FIELDS[name])
                reply = await admin.ask(each.method, address_of(each), json=wrong)
                taken += [] if is_refused(reply) else [(each.label, path, name, reply.status_code)]
    assert taken == []


def is_refused(reply: httpx.Response) -> bool:
    """The whole body, or the one event of it that has the field."""
    return reply.status_code == 400 or (reply.status_code == 202 and reply.json().get("refused") == 1)


@pytest.mark.parametrize("name", ["role", "security_version", "email_verified", "level"])
async def test_what_is_ones_own_to_say_stays_a_saying(stage, name):
    """Settings hold any names; none of them is read as anything else."""
    person = await stage.player()
    row = "SELECT role, security_version, email_verified_at FROM accounts.account WHERE id = $1"
    before = await stage.database.fetchrow(row, person.id)
    mine = await person.get("/v1/users/me")
    body = {"locale": None, "settings": {name: FIELDS[name]}, "privacy": mine["privacy"]}
    after = await person.done("PUT", "/v1/users/me", body)
    assert after["settings"] == {name: FIELDS[name]}
    assert {key: after[key] for key in after if key != "settings"} == {
        key: mine[key] for key in mine if key != "settings"
    }
    assert await stage.database.fetchrow(row, person.id) == before
    assert (await person.ask("GET", "/v1/admin/users")).status_code == 403


@pytest.mark.parametrize("route", ["register", "device"])
async def test_nobody_becomes_staff_by_saying_so_when_they_come_in(stage, route):
    body = example(f"/v1/auth/{route}")
    before = await stage.database.fetchval("SELECT count(*) FROM accounts.account")
    for name in ("role", "is_admin", "scopes", "id", "security_version"):
        headers = {"X-Forwarded-For": stage.address()}
        reply = await stage.http.post(f"/v1/auth/{route}", json=body | {name: FIELDS[name]}, headers=headers)
        assert reply.status_code == 400
    assert await stage.database.fetchval("SELECT count(*) FROM accounts.account") == before


async def test_a_field_in_the_query_or_as_a_form_is_no_field_of_the_body(stage):
    person = await stage.player()
    mine = await person.get("/v1/users/me")
    body = {"locale": "sl", "settings": {}, "privacy": mine["privacy"]}
    assert (await person.ask("PUT", "/v1/users/me", json=body, params={"role": "admin"})).status_code == 400
    assert (await person.ask("PUT", "/v1/users/me", data={"role": "admin"})).status_code == 415
    assert await person.get("/v1/users/me") == mine
