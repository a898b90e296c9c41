"""Queries over HTTP: what is answered, in which type and status, and how errors are told."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from overworld.platform.http import LimitSettings

RESPONSE = "application/graphql-response+json"


async def asked(client: httpx.AsyncClient, query: str, *, accept: str = RESPONSE, **more: Any) -> httpx.Response:
    return await client.post("/graphql", json={"query": query} | more, headers={"accept": accept})


def code(reply: httpx.Response) -> str:
    found: str = reply.json()["errors"][0]["extensions"]["code"]
    return found


async def test_structs_are_answered_field_by_field(play):
    reply = await asked(
        play, "{ purse { owner tags coins(first: 1) { edges { node { id faceValue foundAt colour } } } } }"
    )
    assert (reply.status_code, reply.headers["content-type"]) == (200, RESPONSE)
    [edge] = reply.json()["data"]["purse"].pop("coins")["edges"]
    assert edge["node"] == {
        "id": "00000000-0000-0000-0000-000000000001",
        "faceValue": None,
        "foundAt": "2026-01-01T00:00:00Z",
        "colour": "red",
    }


async def test_arguments_become_the_struct_of_the_field(desk, play):
    query = "query ($who: String!, $at: DateTime) { purse(owner: $who, since: $at, colours: [red, green]) { owner } }"
    variables = {"who": "bob", "at": "2026-06-01T12:00:00Z"}
    assert (await asked(play, query, variables=variables)).json() == {"data": {"purse": {"owner": "bob"}}}
    [got] = desk.purses.asked
    assert (got.owner, got.since.isoformat(), [each.value for each in got.colours]) == (
        "bob", "2026-06-01T12:00:00+00:00", ["red", "green"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ('owner: "much too long"', "owner"),
        ('since: "yesterday"', "since"),
        ('owner: "\\u0000"', "owner"),
    ],
)
async def test_an_argument_out_of_bounds_fails_its_field_alone(play, arguments, path):
    reply = await asked(play, f"{{ purse({arguments}) {{ owner }} myOwn {{ owner }} }}")
    assert reply.status_code == 200
    [error] = reply.json()["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["purse"], "graphql.bad_argument")
    assert error["extensions"]["errors"][0]["path"] == path
    assert reply.json()["data"]["purse"] is None
    assert reply.json()["data"]["myOwn"] is not None


async def test_a_list_is_gone_through_by_cursors(play):
    query = """query ($after: String) { purse { coins(first: 5, after: $after) {
        edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
    seen: list[str] = []
    after: str | None = None
    for page in range(3):
        told = (await asked(play, query, variables={"after": after})).json()["data"]["purse"]["coins"]
        seen += [edge["node"]["id"] for edge in told["edges"]]
        info, after = told["pageInfo"], told["pageInfo"]["endCursor"]
        assert (info["startCursor"], after) == (told["edges"][0]["cursor"], told["edges"][-1]["cursor"])
        assert (info["hasNextPage"], info["hasPreviousPage"]) == (page < 2, page > 0)
    assert len(set(seen)) == 11
    broken = await asked(play, query, variables={"after": "kA"})
    assert code(broken) == "http.bad_cursor"
    too_many = await asked(play, "{ purse { coins(first: 201) { edges { cursor } } } }")
    assert code(too_many) == "graphql.bad_argument"


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("{", "graphql.syntax"),
        ("{ nothing { here } }", "graphql.invalid"),
        ("{ purse { owner } } query b { purse { owner } }", "graphql.invalid"),
        ("query a { purse { owner } } query b { purse { owner } }", "graphql.no_operation"),
        ("query ($n: Int!) { purse { coins(first: $n) { edges { cursor } } } }", "graphql.invalid"),
        ("subscription { figures { count } }", "graphql.other_route"),
        ("mutation { a }", "graphql.invalid"),
        ("", "graphql.syntax"),
    ],
)
async def test_a_document_that_is_not_executed_is_400_or_for_old_clients_200(play, query, wrong):
    """Source: GraphQL over HTTP, sections 6.4.1 and 6.4.2."""
    reply = await asked(play, query)
    assert (reply.status_code, reply.headers["content-type"], code(reply)) == (400, RESPONSE, wrong)
    assert "data" not in reply.json()
    old = await asked(play, query, accept="application/json")
    assert (old.status_code, old.headers["content-type"], code(old)) == (200, "application/json", wrong)


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("application/json", "application/json"),
        ("*/*", RESPONSE),
        ("text/html", RESPONSE),
        (f"{RESPONSE}, application/json;q=0.9", RESPONSE),
        (f"{RESPONSE};q=0.5, application/json", "application/json"),
        ("application/json;q=none", RESPONSE),
    ],
)
async def test_the_type_is_the_one_that_is_accepted_rather(play, accept, given):
    assert (await asked(play, "{ __typename }", accept=accept)).headers["content-type"] == given


@pytest.mark.parametrize(
    "body",
    [b"[]", b'[{"query":"{ __typename }"}]', b"{}", b'{"query":1}', b'{"query":"{ a }","variables":[]}', b"{", b"null"],
)
async def test_a_body_of_another_shape_is_refused_by_the_edge(play, body):
    """A batch of documents is one of them: each would be counted as one request together."""
    reply = await play.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_request")


async def test_a_query_may_stand_in_the_address(play):
    variables = json.dumps({"who": "eve"})
    query = "query a($who: String!) { purse(owner: $who) { owner } } query b { __typename }"
    reply = await play.get("/graphql", params={"query": query, "variables": variables, "operationName": "a"})
    assert reply.json() == {"data": {"purse": {"owner": "eve"}}}
    for wrong in ({}, {"query": "{ __typename }", "variables": "[]"}, {"query": "{ __typename }", "other": "1"}):
        assert (await play.get("/graphql", params=wrong)).json()["code"] == "http.bad_request"


async def test_each_field_asks_for_its_own_scope(desk):
    query = "{ secret { owner } myOwn { owner } }"
    async with desk.client("player") as play, desk.client("staff") as staff, desk.client(None) as nobody:
        reply = await asked(play, query)
        assert reply.status_code == 200
        [error] = reply.json()["errors"]
        assert (error["path"], error["extensions"]["code"]) == (["secret"], "http.forbidden")
        assert error["extensions"]["scope"] == "analytics.read"
        assert reply.json()["data"]["myOwn"] == {"owner": "00000000-0000-0000-0000-000000000007"}
        assert "errors" not in (await asked(staff, query)).json()
        codes = [each["extensions"]["code"] for each in (await asked(nobody, query)).json()["errors"]]
        assert codes == ["http.unauthenticated"] * 2
    async with desk.client(None, **{"overworld-key": "owdev_key"}) as keyed:
        assert (await asked(keyed, "{ secret { owner } }")).json()["errors"][0]["extensions"]["code"] == (
            "http.unauthenticated"
        ), "the key opens the field, and nobody is there whose purse it could be"


async def test_a_token_that_is_no_good_is_401_before_anything_is_read(desk):
    async with desk.client("forged") as client:
        for reply in (await asked(client, "{"), await client.post("/graphql/stream", json={"query": "{"})):
            assert (reply.status_code, reply.json()["code"]) == (401, "test.token_ended")


async def test_refusals_and_bugs_of_a_field_are_told_as_everywhere(play, capsys):
    reply = await asked(play, "{ busy { owner } bug { owner } }")
    busy, bug = reply.json()["errors"]
    assert (busy["extensions"]["code"], busy["extensions"]["retryable"]) == ("platform.busy", True)
    assert (bug["extensions"]["code"], bug["message"]) == ("http.internal", "Something is broken on our side")
    assert "hunter2" not in reply.text
    assert reply.json()["data"] == {"busy": None, "bug": None}
    assert bug["extensions"]["trace_id"] == reply.headers["x-request-id"]


async def test_the_schema_tells_of_itself_to_anybody(desk):
    from graphql import build_client_schema, get_introspection_query

    async with desk.client(None) as nobody:
        first = await asked(nobody, get_introspection_query())
        assert (await asked(nobody, get_introspection_query())).json() == first.json()
    schema = build_client_schema(first.json()["data"])
    assert schema.query_type is not None
    assert set(schema.query_type.fields) == {"purse", "myOwn", "secret", "busy", "bug"}
    coin: Any = schema.type_map["Coin"]
    assert coin.description == "A coin; `faceValue` is what it is worth."
    assert {name: str(each.type) for name, each in coin.fields.items()} == {
        "id": "UUID!",
        "faceValue": "Float",
        "foundAt": "DateTime!",
        "colour": "Colour!",
    }
    assert str(schema.query_type.fields["purse"].args["colours"].type) == "[Colour!]!"


async def test_requests_count_against_the_callers_limit(make_desk):
    desk = make_desk(limits=LimitSettings(account_per_min=2, address_per_min=1))
    async with desk.client() as client:
        statuses = [(await asked(client, "{ __typename }")).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


async def test_the_log_names_codes_and_never_what_was_asked(desk, play, capsys):
    await asked(play, '{ purse(owner: "hunter2hunter2") { owner } }')
    await asked(play, "{ hunter2 }", variables={"password": "hunter2"})
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert b'overworld_http_refusals_total{code="graphql.bad_argument"} 1.0' in desk.metrics.render()
