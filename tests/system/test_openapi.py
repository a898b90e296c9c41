"""The description of the API is true of the running server, and what checks that sees when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy

import pytest
import pytest_asyncio

from bench.prove.openapi import ENVIRONMENT, described, question
from bench.prove.openapi_roles import question_by_role
from bench.prove.samples import sample_game
from tests.system.target import Target, under_attack
from tests.thinned import rounds

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

# They need Steam itself, a browser's cookies, an authenticator or an app of codes, or say where the socket really is;
# what PostHog's clients send has a form that others lay down, in several media types.
NEEDING_MORE = {
    "POST /batch",
    "POST /v1/auth/refresh/cookie",
    "POST /v1/auth/social/{provider}",
    "GET /v1/realtime",
    "DELETE /v1/auth/passkeys/{passkey_id}",
    "POST /v1/auth/passkey/register/finish",
    "POST /v1/auth/passkey/login/finish",
    "POST /v1/auth/totp",
    "POST /v1/auth/totp/confirm",
    "POST /v1/auth/totp/verify",
    "POST /v1/auth/totp/recovery",
    "POST /v1/auth/totp/remove",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    folder = tmp_path_factory.mktemp("openapi")
    game = sample_game(folder, club_is_free=True)
    async with under_attack(folder / "data", game=str(game), environment=ENVIRONMENT) as target:
        yield target


async def test_every_operation_answers_as_it_declares_and_all_that_can_succeed_do(target):
    document = await target.document()
    one_in = rounds(29, whole=1)
    outcome = await asyncio.to_thread(
        question, target.server, deepcopy(document), examples=1, seed=3, thorough_one_in=one_in
    )
    assert outcome.faults == []
    assert outcome.figures["operations"] == sum(len(item) for item in document["paths"].values())
    assert set(outcome.figures["never_succeeded"]) == NEEDING_MORE


async def test_every_role_gets_what_is_declared_and_nobody_more_than_their_scopes(target):
    """A few operations; `script/prove openapi` asks all of them, and tests/security has every route for every role."""
    outcome = await asyncio.to_thread(
        question_by_role,
        target.server,
        described(await target.document()),
        examples=1,
        chains=1,
        seed=3,
        who=("nobody", "moderator", "key"),
        operations_max=12,
    )
    assert outcome.faults == []
    assert outcome.figures["chained_requests"] > 2


async def test_a_route_that_declares_another_scope_than_it_asks_for_is_found_out(target):
    document = await target.document()
    operation = document["paths"]["/v1/admin/audit"]["get"] | {"x-scope": "users.read"}
    paths = {"/v1/admin/audit": {"get": operation}}
    outcome = await asyncio.to_thread(
        question_by_role,
        target.server,
        described(document | {"paths": paths}),
        examples=1,
        chains=0,
        seed=3,
        who=("moderator", "auditor"),
    )
    told = "\n".join(outcome.faults)
    assert "GET /v1/admin/audit as moderator: Kept out with users.read" in told
    assert "GET /v1/admin/audit as auditor: Let in without users.read" in told


async def test_a_description_that_is_not_true_is_found_out(target):
    document = await target.document()
    paths = {path: document["paths"][path] for path in ("/v1/tokens/balance", "/v1/users/me", "/v1/auth/login")}
    del paths["/v1/auth/login"]["post"]["responses"]["401"]
    paths["/v1/tokens/balance"]["get"]["responses"]["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    document["components"]["schemas"]["Me"]["properties"]["username"] = {"type": "integer"}
    document["components"]["schemas"]["LogIn"]["properties"]["email"]["minLength"] = 0
    outcome = await asyncio.to_thread(question, target.server, document | {"paths": paths}, examples=6, seed=3)
    told = "\n".join(outcome.faults)
    assert "POST /v1/auth/login: Undocumented status code Received: 401" in told
    assert "POST /v1/auth/login: The right shape is called wrong: 400" in told
    assert "GET /v1/tokens/balance: Undocumented Content-Type" in told
    assert "GET /v1/users/me: Response violates schema" in told
