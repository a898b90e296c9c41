"""Every operation of the server's own description gets what it allows and what it forbids, and answers as declared."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any
from uuid import uuid4

import httpx
import hypothesis
import requests
from cyclopts import Parameter
from cyclopts.validators import Number
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode, Response
from schemathesis.core import NOT_SET
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from bench.prove import ways_in
from bench.prove.openapi_player import PICTURE, PICTURE_TYPE, STAFF_ONLY, Player
from bench.prove.openapi_roles import question_by_role
from bench.prove.outcome import Outcome, Steps, conclude
from bench.prove.samples import sample_game
from bench.servers import ServerProcess

ENVIRONMENT = {
    "OVERWORLD_GAMEPLAY__SPAWN_KEY": "openapi",
    "OVERWORLD_ACCOUNTS__NEW_DEVICES_MAX": "100000",
    "OVERWORLD_LEDGER__SEAL_INTERVAL_S": "0.01",
} | ways_in.ENVIRONMENT
# The edge's own words for a request of the wrong shape; a domain may refuse the right shape for reasons of its own.
WRONG_SHAPE = frozenset({"http.bad_request", "http.malformed"})
# What has to fit another parameter, or is JSON itself, for which a schema has no word.
RELATED = re.compile(
    r"query\.(south|lat|west|bbox|variables|extensions)|body\.quest(\.(objectives\[\d+\]|requires|zone|place))*"
)
# To a schema 2.0 is an integer; bodies are decoded strictly, and a client that writes 2.0 does not mean a count.
INTEGRAL = re.compile(r"Expected `int( \| null)?`, got `float`")
# They refuse what is wrong too.
_TOO_LONG = frozenset({httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.REQUEST_URI_TOO_LONG})
_TEXT_MAX = 300

Count = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]


def openapi(*, examples: Count = 20, role_examples: Count = 2, chains: Count = 20, seed: int = 1) -> int:
    """Each operation of /openapi.json answers what it is sent, right or wrong, in a way that it declares.

    A server of this run's own gets, from a player who is signed in: a request that should succeed, twice; every bound
    of every parameter and field, from both sides; and requests made at random. An answer is a fault when it is a 5xx,
    when its status, media type, headers or body are not the declared ones, when a request of the wrong shape is taken
    or one of the right shape is called wrong, and when a token is not asked for where one is declared.

    Then each operation is asked by nobody, a player, every role of staff and an API key, who have to be let in by the
    scope that is declared and by nothing else; and in chains of calls, each of which takes what one before answered.

    Parameters
    ----------
    examples
        How many requests of the right shape are made at random for each operation, and as many of the wrong one.
    role_examples
        How many of each are made as each role.
    chains
        How many chains of calls are made as a player, and as an administrator.
    seed
        Of everything that is chosen by chance.
    """
    with tempfile.TemporaryDirectory(prefix="overworld-openapi-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs as another user
        proved = prove(Path(folder), examples=examples, role_examples=role_examples, chains=chains, seed=seed)
        return conclude("openapi", asyncio.run(proved), seed=seed)


async def prove(folder: Path, *, examples: int, role_examples: int, chains: int, seed: int) -> Outcome:
    """Questions a server in a folder of its own."""
    game = str(sample_game(folder, club_is_free=True))
    async with (
        ServerProcess(folder / "data", game=game, environment=ENVIRONMENT) as server,
        httpx.AsyncClient(timeout=60) as client,
    ):
        document = (await client.get(f"{server.http}/openapi.json")).json()
        asked = await asyncio.to_thread(question, server, deepcopy(document), examples=examples, seed=seed)
        by_role = await asyncio.to_thread(
            question_by_role, server, described(document), examples=role_examples, chains=chains, seed=seed
        )
        return Outcome(asked.figures | by_role.figures, [*asked.faults, *by_role.faults])


def question(
    server: ServerProcess, document: dict[str, Any], *, examples: int, seed: int, thorough_one_in: int = 1
) -> Outcome:
    """Sends requests to every operation in a description of a server that runs with `ENVIRONMENT`.

    All get what is asked every day; one in `thorough_one_in` gets it from two players, and also what lies at its bounds
    and what is made at random.
    """
    faults: list[str] = []
    statuses: Counter[int] = Counter()
    never_succeeded: list[str] = []
    with httpx.Client(base_url=server.http, timeout=30) as client, requests.Session() as session:
        player = Player(client, key=server.key, mails=server.data / "mail")
        schema = described(document)
        operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        with Steps("operations", len(operations)) as steps:
            for i, operation in enumerate(operations):
                started_s = perf_counter()
                examined = Examination(operation, player, http=server.http, session=session)
                thorough = i % thorough_one_in == 0
                examined.usual(players=2 if thorough else 1)
                if thorough:
                    examined.bounds()
                    examined.random(examples, seed=seed)
                faults += examined.faults
                statuses += examined.statuses
                if not examined.succeeded:
                    never_succeeded.append(operation.label)
                steps.done(f"{operation.label} {perf_counter() - started_s:.1f} s")
    figures = {
        "operations": len(operations),
        "requests": statuses.total(),
        "statuses": {str(status): statuses[status] for status in sorted(statuses)},
        "never_succeeded": never_succeeded,
    }
    return Outcome(figures, faults)


def described(document: dict[str, Any]) -> BaseSchema:
    """The server's description as a source of requests, held to the statuses it names one by one.

    Its "any other refusal or failure" would make every status a declared one, a 500 too. U+0000 is left out: no text
    may hold it, which a schema has no word for.
    """
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)
    schema = from_dict(document)
    schema.config.generation.update(allow_x00=False)
    return schema


class Examination:
    """One operation under question: whether it ever did what it is for, and `faults`, one of a kind and status."""

    def __init__(
        self, operation: APIOperation[Any, Any, Any, Any], player: Player, *, http: str, session: requests.Session
    ) -> None:
        self.faults: list[str] = []
        self.statuses: Counter[int] = Counter()
        self.succeeded = False
        self._operation = operation
        self._player = player
        self._http = http
        self._session = session
        self._told: set[tuple[str, int]] = set()
        player.renew()

    def usual(self, *, players: int) -> None:
        """What is asked every day, by each of them and then again: a twin, which names the `ETag` that it was given."""
        for _ in range(players):
            self._player.renew()
            case = self._usual()
            reply = self._ask(case, keep_player=True)
        if "etag" in reply.headers:
            case.headers["If-None-Match"] = reply.headers["etag"][0]
        self._ask(case)

    def bounds(self) -> None:
        """Every bound of every parameter and field, from both sides; also other methods, and parts left out."""
        schema = self._operation.schema
        for case in schema.iter_coverage_cases(
            self._operation,
            generation_modes=list(GenerationMode),
            generation_config=schema.config.generation_for(operation=self._operation, phase="coverage"),
        ):
            self._ask(case)

    def random(self, examples: int, *, seed: int) -> None:
        """Requests of the right shape and of the wrong one, where there is a wrong one; the same for the same seed."""
        for mode in GenerationMode:
            given = hypothesis.given(case=self._operation.as_strategy(generation_mode=mode))
            settings = hypothesis.settings(
                max_examples=examples,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            with suppress(Unsatisfiable):  # nothing can be wrong with a request that has no parts
                hypothesis.seed(seed)(settings(given(self._ask_at_random)))()

    def _ask_at_random(self, case: Case[Any]) -> None:
        self._ask(case)

    def _usual(self) -> Case[Any]:
        operation, truths = self._operation, self._truths()

        def known(parameters: Iterable[Any]) -> dict[str, Any]:
            return {each.name: truths[each.name] for each in parameters if each.name in truths}

        is_picture = operation.path == "/v1/users/avatar" and bool(operation.body)
        return operation.Case(
            path_parameters=known(operation.path_parameters),
            headers=known(operation.headers),
            query=known(operation.query),
            body=PICTURE if is_picture else self._player.body(operation.path) if operation.body else NOT_SET,
            media_type=PICTURE_TYPE if is_picture else None,
        )

    def _truths(self) -> dict[str, Any]:
        """What the parts of an address may truthfully be, which is made where it is not there."""
        path, truths = self._operation.path, self._player.truths()
        if path in STAFF_ONLY and path.startswith("/v1/game/"):
            truths["id"] = self._player.placed()
        if "/quests/{id}" in path:
            truths["id"] = self._player.quest(met=path.endswith("/complete"))
        if "/location/" in path:
            truths |= {"player": self._player.id, "from": "2026-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}
        if path == "/v1/location/home":
            self._player.live_somewhere()
        if path == "/v1/live/players/{id}":
            truths["id"] = self._player.in_view()
        if path == "/v1/users/{id}":
            truths["id"] = self._player.id
        if path == "/avatars/{name}":
            truths["name"] = self._player.avatar()
        if path == "/v1/location/share/{id}":
            truths["id"] = self._player.share()
        if "/flags/{" in path:
            truths |= dict.fromkeys(("key", "flag"), self._player.flag())
        if "{fence_id}" in path:
            truths["fence_id"] = self._player.fence()
        if "{item_id}" in path:
            truths["item_id"] = self._player.cookie()
        if "{tool_id}" in path:
            truths["tool_id"] = self._player.chisel(worn=path.endswith("/repair"))
        return truths | self._truths_of_staff() | self._truths_of_ways_in()

    def _truths_of_staff(self) -> dict[str, Any]:
        path = self._operation.path
        if path.startswith("/v1/admin/webhooks"):
            return self._player.webhook()
        if path.startswith("/v1/admin/keys"):
            return {"key_id": self._player.api_key()}
        if path.startswith("/v1/admin/users"):
            return {"user_id": self._player.stranger()}
        if path == "/v1/admin/events/dead-letters":
            return {"topic": "events.quest.completed"}
        if path == "/v1/admin/audit":
            return {"from": "2026-01-01T00:00:00Z", "to": "2126-01-01T00:00:00Z"}
        return {}

    def _truths_of_ways_in(self) -> dict[str, Any]:
        operation = self._operation
        if operation.path == "/v1/auth/email/send":
            self._player.registers()
        if operation.path == "/v1/auth/passkeys/{passkey_id}":
            return {"passkey_id": str(uuid4())}  # a real one takes an authenticator
        if operation.path.startswith("/v1/auth/"):
            return ways_in.truths(operation.method.upper(), operation.path, self._player.post)
        return {}

    def _ask(self, case: Case[Any], *, keep_player: bool = False) -> Response:
        """The answer, whose faults are noted. Whoever did something may have ended the session with it."""
        headers = self._player.headers_for(self._operation.path)
        reply = case.call(base_url=self._http, session=self._session, headers=headers)
        self.statuses[reply.status_code] += 1
        is_other = reply.status_code in _TOO_LONG or _is_right_when_sent(case)
        sent_with = {"session": self._session, "base_url": self._http, "headers": headers}
        try:
            case.validate_response(
                reply,
                headers=headers,
                transport_kwargs=sent_with,
                excluded_checks=[positive_data_acceptance, *[negative_data_rejection] * is_other],
            )
        except FailureGroup as group:
            for failure in group.exceptions:
                self._tell(str(failure), case, reply)
        if _is_right(case) and _is_called_wrong(reply):
            self._tell("The right shape is called wrong", case, reply)
        if reply.status_code < httpx.codes.BAD_REQUEST and case.method.upper() == self._operation.method.upper():
            self.succeeded = True
            if not keep_player and case.method.upper() != "GET":
                self._player.renew()
        return reply

    def _tell(self, what: str, case: Case[Any], reply: Response) -> None:
        kind = what.partition("\n")[0], reply.status_code
        if kind not in self._told:
            self._told.add(kind)
            asked = f"{self._operation.label}: {' '.join(what.split())}"
            self.faults.append(f"{asked}: {reply.status_code} for {repr(case)[:_TEXT_MAX]}: {reply.text[:_TEXT_MAX]}")


def _is_right_when_sent(case: Case[Any]) -> bool:
    """Whether a list of one stands where one text is asked for: in an address they are the same."""
    return any(isinstance(given, list) and len(given) == 1 for given in (case.query or {}).values())


def _is_right(case: Case[Any]) -> bool:
    return case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE


def _is_called_wrong(reply: Response) -> bool:
    if reply.status_code != httpx.codes.BAD_REQUEST:
        return False
    problem = reply.json()
    if "code" not in problem:  # GraphQL read the document, and has its own words
        return False
    errors = problem.get("errors", ())
    if errors and all(INTEGRAL.fullmatch(each["reason"]) for each in errors):
        return False
    places = {each["path"] for each in errors}
    return problem["code"] in WRONG_SHAPE and not (places and all(map(RELATED.fullmatch, places)))
