"""Documents that ask for too much are refused before anything of them is answered, each by a clear code."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pytest

from tests.platform.graphql.test_answers import asked, code

CHAIN = (
    " ".join(f"fragment f{n} on Purse {{ owner ...f{n + 1} }}" for n in range(60)) + " fragment f60 on Purse { owner }"
)
DOUBLING = (
    " ".join(f"fragment f{n} on Purse {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40))
    + " fragment f40 on Purse { tags }"
)
COINS = "coins(first: 200) { edges { cursor node { id faceValue foundAt colour } } }"

REFUSED: dict[str, tuple[str, str]] = {
    "deep": ("{ purse " * 20 + "{ owner }" + "}" * 20, "graphql.too_deep"),
    "deeper than a parser goes": ("{ a" * 330 + "}" * 330, "graphql.too_deep"),
    "a deep list": ("{ purse(colours: " + "[" * 480 + "]" * 480 + ") { owner } }", "graphql.too_deep"),
    "inline fragments": ("{ purse { " + "... { " * 300 + "owner" + " }" * 302, "graphql.too_deep"),
    "aliases": ("{ " + " ".join(f"a{n}: purse {{ owner }}" for n in range(31)) + " }", "graphql.too_many_aliases"),
    "the same again": ("{ " + "purse { owner } " * 126 + "}", "graphql.too_many_fields"),
    "fields": ("{ purse { " + "owner " * 251 + "} }", "graphql.too_many_fields"),
    "tokens": ("{ purse { owner" + " @include(if: true)" * 200 + " } }", "graphql.too_long"),
    "a long list": ("{ purse(colours: [" + "red " * 1_000 + "]) { owner } }", "graphql.too_long"),
    "characters": ("#" * 16_000 + "\n" * 400 + "{ purse { owner } }", "http.bad_request"),
    "directives": ("{ purse { owner " + "@skip(if: false) " * 120 + "} }", "graphql.invalid"),
    "unknown directives": ("{ purse { owner " + "@a " * 300 + "} }", "graphql.invalid"),
    "variables": ("query (" + " ".join(f"$v{n}: Int" for n in range(150)) + ") { purse { owner } }", "graphql.invalid"),
    "a fragment of itself": ("{ purse { ...f } } fragment f on Purse { owner ...f }", "graphql.invalid"),
    "fragments in a circle": (
        "{ purse { ...a } } fragment a on Purse { ...b } fragment b on Purse { ...c } fragment c on Purse { ...a }",
        "graphql.invalid",
    ),
    "cost": ("{ " + " ".join(f"a{n}: purse {{ {COINS} }}" for n in range(9)) + " }", "graphql.too_costly"),
    "cost by a fragment": (
        "{ " + " ".join(f"a{n}: purse {{ ...f }}" for n in range(9)) + f" }} fragment f on Purse {{ {COINS} }}",
        "graphql.too_costly",
    ),
    "types of types": (
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "graphql.invalid",
    ),
    "much of the schema": (
        "{ __schema { types { fields { args { name } type { fields { "
        + "args { name type { name } } " * 40
        + "} } } } } }",
        "graphql.too_costly",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_hostile_document_is_refused(desk, play, name):
    query, refusal = REFUSED[name]
    begun_s = perf_counter()
    reply = await asked(play, query)
    took_s = perf_counter() - begun_s
    assert reply.status_code == 400
    assert (reply.json()["code"] if refusal == "http.bad_request" else code(reply)) == refusal
    assert desk.purses.asked == []
    assert took_s < 5.0, "no document holds the server up"


@pytest.mark.parametrize(
    "query", ["{ purse { ...f0 } } " + CHAIN, "{ purse { ...f0 } } " + DOUBLING], ids=["a chain", "two to the fortieth"]
)
async def test_fragments_are_measured_once_however_often_they_are_spread(desk, play, query):
    reply = await asked(play, query)
    assert reply.status_code in {200, 400}
    if reply.status_code == 400:
        assert code(reply) == "graphql.too_costly"


async def test_what_is_within_bounds_is_answered(play):
    query = (
        "{ " + " ".join(f"a{n}: purse {{ owner coins(first: 3) {{ edges {{ cursor }} }} }}" for n in range(30)) + " }"
    )
    assert len((await asked(play, query)).json()["data"]) == 30


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query ($n: Int!) { purse { coins(first: $n) { edges { node { id } } } } }", {"n": 200}),
        ("query ($n: Int! = 200) { purse { coins(first: $n) { edges { node { id } } } } }", {}),
        ("{ purse { coins(first: 200) { edges { node { id } } } } }", {}),
    ],
    ids=["by a variable", "by its default", "by a number"],
)
async def test_the_cost_of_a_list_grows_with_what_is_asked_of_it(make_desk, query, variables):
    async def answer(cost_max: int) -> Any:
        async with make_desk(cost_max=cost_max).client() as client:
            return (await asked(client, query, variables=variables)).json()

    refused = (await answer(600))["errors"][0]["extensions"]
    # 10 for the purse, 1 for the list, and 3 fields for each of 200 items.
    assert (refused["code"], refused["cost"], refused["cost_max"]) == ("graphql.too_costly", 611, 600)
    assert "errors" not in await answer(611)


async def test_a_number_longer_than_any_is_no_bug(desk, play):
    reply = await asked(play, "query ($n: Float = " + "9" * 5_000 + ") { purse(worth: $n) { owner } }")
    assert reply.status_code == 200
    told = await asked(play, "query ($n: Float = " + "9" * 50 + ") { purse(worth: $n) { owner } }")
    assert told.json()["data"] == {"purse": {"owner": "ada"}}
    assert desk.purses.asked[-1].worth == 1e50


async def test_bounds_are_settings(make_desk):
    wide = make_desk(depth_max=30, aliases_max=100, tokens_max=4_000)
    async with wide.client() as client:
        many = "{ " + " ".join(f"a{n}: purse {{ owner }}" for n in range(31)) + " }"
        assert len((await asked(client, many)).json()["data"]) == 31


async def test_documents_are_kept_within_a_bound():
    from overworld.platform.graphql.engine import Asked, Engine
    from overworld.platform.graphql.settings import GraphqlSettings
    from overworld.platform.graphql.ticker import Ticker
    from overworld.platform.http import Caller
    from tests.platform.graphql.conftest import Purses, catalogue

    async def nothing() -> Any:
        return None

    engine = Engine(catalogue(Purses(), Ticker(nothing, every_s=1.0)), GraphqlSettings())
    from overworld.platform.graphql import Asker

    asker = Asker(Caller(maybe=None, address="", user_agent="", scopes=frozenset(), trace_id=""))
    for number in range(50):
        # A list: that fields do not contradict each other is looked at for every two of them.
        query = f"query q{number} {{ purse(colours: [{'red ' * 500}]) {{ owner }} }}"
        await engine.answer(Asked(query=query), asker, trace_id="")
        assert engine.kept_tokens <= 20_000
    assert engine.kept_tokens > 10_000
