"""The description of the API, and the page to try it."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

import pytest
from litestar import Litestar, get, post
from litestar.params import Parameter
from litestar.testing import AsyncTestClient
from msgspec import Meta, Struct

from overworld.platform.http import open_to_all
from overworld.platform.http.docs import docs_routes


class Rest(Struct, forbid_unknown_fields=True):
    hours: Annotated[float, Meta(ge=0)] | None = None


@post("/v1/rest", opt=open_to_all())
async def rest(data: Rest | None = None) -> None:
    """Rests."""


@pytest.fixture
async def document(ask):
    return (await ask.get("/openapi.json")).json()


async def test_it_is_openapi_3_1_and_names_the_game(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"] == {"title": "Sample", "version": "1.2.3"}


async def test_operations_have_stable_ids_that_follow_the_address(document):
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert "post_v1_moves_by_move_id" in ids
    assert len(ids) == len(set(ids)) == 14


async def test_an_operation_is_summed_up_by_the_first_line_of_its_docstring(document):
    assert document["paths"]["/v1/moves/{move_id}"]["post"]["summary"] == "Moves a piece"


async def test_a_guarded_operation_names_its_scope_and_an_open_one_asks_nothing(document):
    move = document["paths"]["/v1/moves/{move_id}"]["post"]
    assert (move["security"], move["x-scope"]) == ([{"bearer": []}, {"cookie": [], "csrf": []}], "game.play")
    assert document["paths"]["/v1/moves"]["get"]["security"] == [{"bearer": []}, {"cookie": []}]
    assert document["paths"]["/v1/places"]["get"]["security"] == []
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


async def test_a_keyed_operation_asks_for_the_key(document):
    (key,) = [each for each in _parameters(document, "/v1/moves/{move_id}", "post") if each["in"] == "header"]
    assert (key["name"], key["required"]) == ("Idempotency-Key", True)


async def test_what_the_edge_brings_is_no_parameter(document):
    names = {each["name"] for each in _parameters(document, "/v1/places", "get")}
    assert names == {"lat", "radius_m", "kinds", "limit", "cursor"}


async def test_refusals_are_declared_with_their_codes(document):
    responses = document["paths"]["/v1/moves/{move_id}"]["post"]["responses"]
    assert list(responses) == ["201", "400", "401", "403", "409", "413", "415", "429", "default"]
    assert "`test.too_far`: Too far away." in responses["409"]["description"]
    assert responses["409"]["content"]["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"


async def test_a_page_is_named_after_its_items(document):
    reply = document["paths"]["/v1/moves"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert reply["$ref"] == "#/components/schemas/PageOfMoved"
    assert "items" in document["components"]["schemas"]["PageOfMoved"]["properties"]


async def test_parameters_that_may_be_left_out_carry_their_bounds(make_edge):
    @get("/v1/since", opt=open_to_all())
    async def since(
        *,
        after: Annotated[int | None, Parameter(ge=0, le=9)] = None,
        within: Annotated[float | None, Parameter(gt=0, lt=9)] = None,
    ) -> None: ...

    async with make_edge(extra=[since]).client() as client:
        document = (await client.get("/openapi.json")).json()
        assert (await client.get("/v1/since?after=-1")).status_code == 400
        assert (await client.get("/v1/since?within=0")).status_code == 400
    after, within = (each["schema"] for each in document["paths"]["/v1/since"]["get"]["parameters"])
    assert (after["minimum"], after["maximum"]) == (0, 9)
    assert (within["exclusiveMinimum"], within["exclusiveMaximum"]) == (0, 9)


async def test_bodies_carry_their_bounds(document):
    move = document["components"]["schemas"]["Move"]["properties"]
    assert (move["lat"]["minimum"], move["lat"]["maximum"], move["note"]["maxLength"]) == (-90, 90, 200)


async def test_a_body_takes_no_other_field_and_may_be_left_out_where_the_route_says_so(document, make_edge):
    assert document["components"]["schemas"]["Move"]["additionalProperties"] is False
    assert document["paths"]["/v1/moves/{move_id}"]["post"]["requestBody"]["required"] is True

    async with make_edge(extra=[rest]).client() as ask:
        resting = (await ask.get("/openapi.json")).json()
    body = resting["paths"]["/v1/rest"]["post"]["requestBody"]
    assert body["required"] is False
    assert {"$ref": "#/components/schemas/Rest"} in body["content"]["application/json"]["schema"]["anyOf"]
    hours = resting["components"]["schemas"]["Rest"]["properties"]["hours"]["anyOf"]
    assert {"type": "number", "minimum": 0} in hours


async def test_it_is_made_once_however_many_ask_at_the_same_time():
    made = []

    def document() -> dict[str, str]:
        made.append(1)
        return {"openapi": "3.1.0"}

    async with AsyncTestClient(Litestar(docs_routes(document), openapi_config=None)) as client:
        replies = await asyncio.gather(*(client.get("/openapi.json") for _ in range(4)))
    assert {reply.text for reply in replies} == {'{"openapi":"3.1.0"}'}
    assert made == [1]


async def test_every_reference_leads_somewhere(document, ask):
    text = (await ask.get("/openapi.json")).text
    references = set(re.findall(r'"\$ref":"#/([^"]+)"', text))
    assert references
    for reference in references:
        at = document
        for part in reference.split("/"):
            at = at[part]


async def test_the_page_and_its_parts_are_served_and_load_nothing_from_elsewhere(ask):
    page = await ask.get("/docs")
    parts = [await ask.get(path) for path in re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text)]
    assert [part.headers["content-type"].split(";")[0] for part in parts] == ["text/css", "text/javascript"]
    for part in [page, *parts]:
        assert part.status_code == 200
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}/", part.text)
        assert "script-src 'self'" in part.headers["content-security-policy"]


async def test_the_page_writes_text_never_html(ask):
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|eval\(", (await ask.get("/docs/page.js")).text)


def _parameters(document, path, method):
    return document["paths"][path][method]["parameters"]
