"""Every operation as everybody: each role, a key and nobody get what is declared, one by one and in chains of calls."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import requests
from hypothesis.errors import Unsatisfiable
from msgspec import Struct
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bench.prove.outcome import Outcome, Steps
from bench.servers import ServerProcess

STAFF = ("moderator", "advertiser", "sponsor", "auditor", "government", "developer", "admin")
NOBODY, PLAYER, KEY = "nobody", "player", "key"
EVERYBODY = (NOBODY, PLAYER, *STAFF, KEY)
CHAINS_BY = ("player", "admin")
CHAIN_STEPS = 12
# The others are of who comes with a cookie that chance has made, and from no page of ours.
_FORBIDDEN = frozenset({"http.forbidden", "http.not_our_page", "http.bad_csrf_token"})
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# No key has them; see docs/concepts/staff.md.
_OF_PEOPLE = frozenset({"account.self", "keys.manage", "users.manage", "realtime.connect", "telemetry.write"})
_TEXT_MAX = 300


class Somebody(Struct):
    """Whose requests are sent: the headers that they carry, and the scopes that they give."""

    who: str
    headers: dict[str, str]
    scopes: frozenset[str]


class People:
    """Signs in whoever is needed, staff by the developer key."""

    def __init__(self, client: httpx.Client, *, key: str) -> None:
        self._client = client
        self._staff_key = {"Overworld-Key": key}

    def new(self, who: str) -> Somebody:
        """Somebody of that kind whose session nobody has ended."""
        if who == NOBODY:
            return Somebody(who, {}, frozenset())
        if who == KEY:
            return self._with_key()
        device = {"device_id": f"role-{uuid4()}"}
        grant = self._post("/v1/auth/device", device, {})
        if who != PLAYER:
            path = f"/v1/admin/users/{grant['user']['id']}/role"
            # Nobody gives themself a role: somebody else with the developer key does.
            other = self._post("/v1/auth/device", {"device_id": f"role-{uuid4()}"}, {})
            headers = self._bearer(other) | self._staff_key
            self._client.put(path, json={"role": who}, headers=headers).raise_for_status()
            grant = self._post("/v1/auth/device", device, {})
        return Somebody(who, self._bearer(grant), _scopes(grant["access_token"]))

    def _with_key(self) -> Somebody:
        """An API key with all that an administrator may give to one."""
        maker = self.new("admin")
        scopes = maker.scopes - _OF_PEOPLE
        keys = self._client.get("/v1/admin/keys", headers=maker.headers).raise_for_status().json()["items"]
        for key in keys:
            self._client.delete(f"/v1/admin/keys/{key['id']}", headers=maker.headers)
        body = {"name": "every scope", "scopes": sorted(scopes)}
        made = self._post("/v1/admin/keys", body, maker.headers)
        return Somebody(KEY, {"Authorization": f"Bearer {made['secret']}"}, scopes)

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        answer: dict[str, Any] = self._client.post(path, json=body, headers=headers).raise_for_status().json()
        return answer

    @staticmethod
    def _bearer(grant: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {grant['access_token']}"}


class Examiner:
    """Sends requests as somebody and keeps what was wrong with the answers, one of a kind and status."""

    def __init__(self, *, http: str, session: requests.Session) -> None:
        self.faults: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._sent_with: dict[str, Any] = {"base_url": http, "session": session}
        self._told: set[tuple[str, str, str, int]] = set()

    def examine(
        self, operation: APIOperation[Any, Any, Any, Any], anew: Callable[[], Somebody], *, examples: int, seed: int
    ) -> None:
        """Requests of the right shape and of the wrong one, as somebody: `anew`, again when one has signed them out."""
        somebody = anew()

        def ask(case: Case[Any]) -> None:
            nonlocal somebody
            reply = self.send(case, somebody)
            if reply.status_code == httpx.codes.UNAUTHORIZED and reply.json()["code"] == "accounts.token_revoked":
                somebody = anew()
                reply = self.send(case, somebody)
            self.judge(case, reply, somebody)

        for mode in GenerationMode:
            given = hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            settings = hypothesis.settings(
                max_examples=examples,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            with suppress(Unsatisfiable):  # nothing can be wrong with a request that has no parts
                hypothesis.seed(seed)(settings(given(ask)))()

    def send(self, case: Case[Any], somebody: Somebody) -> Response:
        """The answer to one request of somebody's."""
        return case.call(headers=somebody.headers, **self._sent_with)

    def judge(self, case: Case[Any], reply: Response, somebody: Somebody) -> None:
        """Notes what is not as it is declared, and who is let in that should not be, or the other way round."""
        self.statuses[reply.status_code] += 1
        try:
            case.validate_response(reply, checks=_CHECKS, headers=somebody.headers, transport_kwargs=self._sent_with)
        except FailureGroup as group:
            for failure in group.exceptions:
                self._tell(str(failure), case, reply, somebody)
        scope = case.operation.definition.raw.get("x-scope")
        if scope is None or case.method.upper() != case.operation.method.upper():
            return
        is_refused = reply.status_code == httpx.codes.UNAUTHORIZED or (
            reply.status_code == httpx.codes.FORBIDDEN and reply.json()["code"] in _FORBIDDEN
        )
        is_elsewhere = reply.status_code == httpx.codes.NOT_FOUND and reply.json()["code"] == "http.not_found"
        if scope not in somebody.scopes and not (is_refused or is_elsewhere):
            self._tell(f"Let in without {scope}", case, reply, somebody)
        # A request of the wrong shape may bring a token that is none, or leave it out.
        is_right = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
        if scope in somebody.scopes and is_refused and is_right:
            self._tell(f"Kept out with {scope}", case, reply, somebody)

    def _tell(self, what: str, case: Case[Any], reply: Response, somebody: Somebody) -> None:
        kind = case.operation.label, somebody.who, what.partition("\n")[0], reply.status_code
        if kind not in self._told:
            self._told.add(kind)
            asked = f"{case.operation.label} as {somebody.who}: {' '.join(what.split())}"
            self.faults.append(f"{asked}: {reply.status_code} for {repr(case)[:_TEXT_MAX]}: {reply.text[:_TEXT_MAX]}")


def question_by_role(
    server: ServerProcess,
    schema: BaseSchema,
    *,
    examples: int,
    chains: int,
    seed: int,
    who: tuple[str, ...] = EVERYBODY,
    operations_max: int | None = None,
) -> Outcome:
    """Sends requests to every operation as everybody, then chains of calls, each of which takes what came before.

    `examples` are those of each shape, role and operation; `chains` those of each of `CHAINS_BY`. Of more than
    `operations_max` operations some are chosen by the seed.
    """
    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    if operations_max is not None and len(operations) > operations_max:
        operations = random.Random(seed).sample(operations, operations_max)
    with httpx.Client(base_url=server.http, timeout=30) as client, requests.Session() as session:
        people = People(client, key=server.key)
        examiner = Examiner(http=server.http, session=session)
        with Steps("roles", len(who)) as steps:
            for each in who:
                started_s = perf_counter()
                for operation in operations:
                    examiner.examine(operation, partial(people.new, each), examples=examples, seed=seed)
                steps.done(f"{each} {perf_counter() - started_s:.1f} s")
        links = 0
        for each in CHAINS_BY if chains else ():
            links += chained(examiner, schema, partial(people.new, each), chains=chains, seed=seed)
    figures = {
        "roles": list(who),
        "role_requests": examiner.statuses.total(),
        "role_statuses": {str(status): examiner.statuses[status] for status in sorted(examiner.statuses)},
        "chained_requests": links,
    }
    return Outcome(figures, examiner.faults)


def chained(examiner: Examiner, schema: BaseSchema, somebody: Callable[[], Somebody], *, chains: int, seed: int) -> int:
    """Follows the links that follow from the description; gives how many requests that were."""
    before = examiner.statuses.total()

    class Chain(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def setup(self) -> None:
            self.somebody = somebody()

        def call(self, case: Case[Any], **_: Any) -> Response:
            return examiner.send(case, self.somebody)

        def validate_response(self, response: Response, case: Case[Any], *_: Any, **__: Any) -> None:
            # Within a chain somebody may sign out, and is let in nowhere then: declared it has to be all the same.
            scopes = self.somebody.scopes if response.status_code != httpx.codes.UNAUTHORIZED else frozenset()
            examiner.judge(case, response, Somebody(self.somebody.who, self.somebody.headers, scopes))

    settings = hypothesis.settings(
        max_examples=chains,
        stateful_step_count=CHAIN_STEPS,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.seed(seed)(Chain)
    Chain.run(settings=settings)
    return examiner.statuses.total() - before


def _scopes(token: str) -> frozenset[str]:
    """What an access token says that it opens."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return frozenset(claims["scope"].split())
