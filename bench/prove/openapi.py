"""Every operation of the server's own description gets what it allows and what it forbids, and answers as declared."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from time import monotonic, perf_counter, sleep
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
from schemathesis.core.file_samples import MEDIA_TYPE_FILE_SAMPLES
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from bench.prove import ways_in
from bench.prove.openapi_roles import question_by_role
from bench.prove.outcome import Outcome, Steps, conclude
from bench.prove.samples import sample_game
from bench.servers import ServerProcess

LJUBLJANA = {"lat": 46.0511, "lng": 14.5051}
VIEW = {"south": 46.04, "west": 14.49, "north": 46.06, "east": 14.52}
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
WEBHOOK_ROUTES = tuple(
    f"/{{webhook_id}}/{rest}" for rest in ("rotate", "ping", "deliveries", "deliveries/{delivery_id}/redeliver")
)
HANDLING = ("suspend", "restore", "role", "logout", "notes")
STAFF_ONLY = frozenset(
    [
        *(f"/v1/game/{noun}{rest}" for noun in ("collectibles", "coins") for rest in ("", "/{id}")),
        "/v1/game/items",
        "/v1/game/quests",
        "/v1/game/reload",
        "/v1/admin/location/{player}/history",
        "/v1/admin/location/{player}/shares",
        "/v1/admin/trust",
        *(f"/v1/admin/trust/{{player}}{rest}" for rest in ("", "/decide", "/held")),
        "/v1/admin/audit",
        *(f"/v1/admin/events/{what}" for what in ("topics", "lag", "dead-letters", "dead-letters/replay")),
        *(f"/v1/admin/keys{rest}" for rest in ("", "/{key_id}", "/{key_id}/rotate")),
        *(f"/v1/admin/users{rest}" for rest in ("", "/{user_id}", *(f"/{{user_id}}/{verb}" for verb in HANDLING))),
        *(f"/v1/admin/webhooks{rest}" for rest in ("", "/{webhook_id}", *WEBHOOK_ROUTES)),
        *(f"/v1/admin/fences{rest}" for rest in ("", "/import", "/{fence_id}")),
        *(f"/v1/admin/flags{rest}" for rest in ("", "/{key}", "/{key}/report", "/{key}/report.html")),
        "/v1/flags/bulk",
        *(f"/v1/analytics/{what}" for what in ("global", "events", "realtime", "funnel", "retention", "heatmap")),
        "/v1/analytics/users/{player_id}/metrics",
    ]
)
FLAG = {
    "variants": [{"name": "off", "value": False}, {"name": "on", "value": True}],
    "default": "off",
    "rules": [{}],
    "experiment": {"control": "off", "primary": {"name": "collections"}},
}
# Bodies that are the same every time.
_CREDENTIAL = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
PLAIN: dict[str, dict[str, Any]] = {
    "/v1/admin/flags/{key}": FLAG,
    "/v1/flags": {"attributes": {"country": "SI"}},
    **{f"/graphql{rest}": {"query": "{ __typename }"} for rest in ("", "/stream")},
    **{f"/ofrep/v1/evaluate/flags{rest}": {"context": {"country": "SI"}} for rest in ("", "/{flag}")},
    "/v1/admin/events/dead-letters/replay": {"topic": "events.quest.completed"},
    "/v1/events": {"event": "shop_opened"},
    "/v1/events/batch": {"events": [{"event": "shop_opened"}]},
    "/v1/admin/keys": {"name": "a shop", "scopes": ["game.read"]},
    "/v1/admin/users/{user_id}/suspend": {"why": "bots"},
    "/v1/admin/users/{user_id}/restore": {"why": "a mistake"},
    "/v1/admin/users/{user_id}/role": {"role": "moderator"},
    "/v1/admin/users/{user_id}/notes": {"text": "look again"},
    "/v1/location/visibility": {"visible": True},
    "/v1/location/home": LJUBLJANA | {"radius_m": 200},
    "/v1/auth/passkey/register/finish": {
        "ceremony": "x",
        "credential": _CREDENTIAL | {"response": {"clientDataJSON": "e30", "attestationObject": "oA"}},
    },
    "/v1/auth/passkey/login/finish": {
        "ceremony": "x",
        "credential": _CREDENTIAL
        | {"response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA"}},
    },
    **{f"/v1/auth/totp/{what}": {"code": "123456"} for what in ("confirm", "verify", "recovery", "remove")},
    "/v1/users/me": {
        "locale": "sl",
        "settings": {"volume": 0.5},
        "privacy": {"findable": True, "progress": True, "badges": True, "memberships": True},
    },
}
# To a schema 2.0 is an integer; bodies are decoded strictly, and a client that writes 2.0 does not mean a count.
INTEGRAL = re.compile(r"Expected `int( \| null)?`, got `float`")
TOKEN = re.compile(r"^([\w-]{43})$", re.MULTILINE)
PICTURE = MEDIA_TYPE_FILE_SAMPLES["image/png"]
PICTURE_TYPE = "image/png"
_PASSWORD = "a password"  # noqa: S105 - of accounts that live as long as the proof
_TEXT_MAX = 300
_SEALED_S = 10.0

Count = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]


def openapi(*, examples: Count = 200, role_examples: Count = 5, chains: Count = 50, seed: int = 1) -> int:
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
        httpx.AsyncClient() as client,
    ):
        document = (await client.get(f"{server.http}/openapi.json")).json()
        asked = await asyncio.to_thread(question, server, deepcopy(document), examples=examples, seed=seed)
        by_role = await asyncio.to_thread(
            question_by_role, server, described(document), examples=role_examples, chains=chains, seed=seed
        )
        return Outcome(asked.figures | by_role.figures, [*asked.faults, *by_role.faults])


def question(server: ServerProcess, document: dict[str, Any], *, examples: int, seed: int) -> Outcome:
    """Sends requests to every operation in a description of a server that runs with `ENVIRONMENT`."""
    faults: list[str] = []
    statuses: Counter[int] = Counter()
    never_succeeded: list[str] = []
    with httpx.Client(base_url=server.http, timeout=30) as client, requests.Session() as session:
        player = Player(client, key=server.key, mails=server.data / "mail")
        schema = described(document)
        operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        with Steps("operations", len(operations)) as steps:
            for operation in operations:
                started_s = perf_counter()
                examined = Examination(operation, player, http=server.http, session=session)
                examined.usual()
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


class Player:
    """Somebody who is signed in and stands on a collectible; `renew` becomes somebody else, on another one."""

    def __init__(self, client: httpx.Client, *, key: str, mails: Path) -> None:
        self._client = client
        self._key = key
        self._mails = mails
        self.renew()
        self._friend = self.registers()["username"]
        self.renew()
        self._transfer = self._sealed()

    def renew(self) -> None:
        """Becomes somebody whose session nobody has ended."""
        self._name = uuid4().hex
        grant = self._client.post("/v1/auth/device", json={"device_id": self._name}).raise_for_status().json()
        self.id = grant["user"]["id"]
        self.headers = {"Authorization": f"Bearer {grant['access_token']}"}

    def registers(self) -> dict[str, Any]:
        """Becomes somebody who has just registered, with an address that is not confirmed; what was sent."""
        sent = self.body("/v1/auth/register")
        grant = self._client.post("/v1/auth/register", json=sent).raise_for_status().json()
        self.headers = {"Authorization": f"Bearer {grant['access_token']}"}
        self._account = {"email": sent["email"], "password": sent["password"]}
        return sent

    def _mailed(self, email: str, subject: str) -> str:
        """The token of the mail to an address; the server writes it into a file, for it has no mail server."""
        until_s = monotonic() + _SEALED_S
        while True:
            for file in self._mails.glob("*.eml"):
                text = file.read_text()
                token = TOKEN.search(text)
                if email in text and subject in text and token:
                    return token[1]
            if monotonic() > until_s:
                raise TimeoutError("a mail was not written")
            sleep(0.05)

    def body(self, path: str) -> dict[str, Any]:  # noqa: PLR0912 - one case for each path
        """What a POST or PUT to a path may truthfully hold; nothing where nothing is known."""
        body = PLAIN.get(path) or self._of_standing(path) or self._of_mail(path) or ways_in.body(path, self.post)
        match path:
            case "/v1/auth/register":
                name = uuid4().hex[:16]
                body = {"email": f"{name}@example.org", "username": name, "password": _PASSWORD}
            case "/v1/auth/login":
                body = self._account
            case "/v1/auth/device":
                body = {"device_id": uuid4().hex}
            case "/v1/auth/refresh":
                grant = self.post("/v1/auth/device", {"device_id": self._name})
                body = {"refresh_token": grant["refresh_token"]}
            case "/v1/location/update":
                body = LJUBLJANA | {"accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()}
            case "/v1/location/share":
                body = {"to": self._friend, "sight": "live", "expires_in_s": 3_600}
            case "/v1/admin/fences" | "/v1/admin/fences/{fence_id}":
                place = {"type": "Point", "coordinates": [LJUBLJANA["lng"], LJUBLJANA["lat"]]}
                body = {"name": "Square", "geometry": place, "radius_m": 50, "dwell_s": 60}
            case "/v1/admin/fences/import":
                place = {"type": "Point", "coordinates": [LJUBLJANA["lng"], LJUBLJANA["lat"]]}
                feature = {"type": "Feature", "geometry": place, "properties": {"name": "Square", "radius_m": 50}}
                body = {"type": "FeatureCollection", "features": [feature]}
            case "/v1/admin/flags":
                body = FLAG | {"key": f"f{uuid4().hex[:16]}"}
            case "/v1/flags/bulk":
                body = {"flags": [self.flag()], "players": [{"player_id": self.id}]}
            case "/v1/game/collectibles" | "/v1/game/coins":
                closes_at = datetime.now(UTC) + timedelta(hours=1)
                body = {"items": [LJUBLJANA | {"type": "gold", "closes_at": closes_at.isoformat()}]}
            case "/v1/game/quests":
                quest = {"title": "Walk", "objectives": [{"kind": "walk", "metres": 100}]}
                body = {"id": f"q{uuid4().hex[:16]}", "quest": quest}
            case "/v1/game/items":
                body = {"to": self._friend, "items": {"cookie": 1}, "badges": ["baker"]}
            case "/v1/admin/webhooks":
                body = {"url": "https://example.org/hook", "topics": ["events.level.reached"], "active": False}
            case "/v1/game/sync":
                now = datetime.now(UTC).isoformat()
                action = LJUBLJANA | {"action": "collect", "target": "x", "at": now, "monotonic_ms": 1}
                actions = [action | {"request_id": uuid4().hex}]
                body = {"device": "phone", "boot": "1", "sent_at": now, "sent_monotonic_ms": 1, "actions": actions}
            case "/v1/tokens/transfer":
                self._collect()
                body = {"to": self._friend, "currency": "coin", "amount": "1"}
        return body

    def headers_for(self, path: str) -> dict[str, str]:
        """What a request to a path brings along; the developer key where only staff get in."""
        return self.headers | ({"Overworld-Key": self._key} if path in STAFF_ONLY else {})

    def _of_standing(self, path: str) -> dict[str, Any]:
        if path == "/v1/users/me/standing/appeal":
            self._suspected()
            return {"text": "I ride a train to work"}
        is_decision = path == "/v1/admin/trust/{player}/decide"
        return {"decision": "clear", "note": "A train, indeed."} if is_decision else {}

    def _of_mail(self, path: str) -> dict[str, Any]:
        match path:
            case "/v1/auth/password":
                return {"current_password": self.registers()["password"], "password": uuid4().hex}
            case "/v1/auth/password/forgot" | "/v1/auth/email":
                return {"email": f"{uuid4().hex[:16]}@example.org"}
            case "/v1/auth/password/reset":
                email = self.registers()["email"]
                self._client.post("/v1/auth/password/forgot", json={"email": email}).raise_for_status()
                return {"token": self._mailed(email, "a new password"), "password": uuid4().hex}
            case "/v1/auth/email/confirm":
                return {"token": self._mailed(self.registers()["email"], "confirm your e-mail address")}
        return {}

    def _suspected(self) -> None:
        """Has staff set the player's gate, so that there is something to appeal against."""
        until = datetime.now(UTC) + timedelta(hours=1)
        body = {"decision": "set", "gate": "review", "until": until.isoformat(), "note": "We are looking."}
        path = "/v1/admin/trust/{player}/decide"
        answer = self._client.post(path.format(player=self.id), json=body, headers=self.headers_for(path))
        answer.raise_for_status()

    def _collect(self) -> None:
        """Takes what lies under the player's feet, where `truths` has put them."""
        [coin] = self._get("/v1/game/collectibles/nearby", LJUBLJANA | {"radius_m": 1_500, "limit": 1})
        headers = self.headers | {"Idempotency-Key": uuid4().hex}
        self._client.post(f"/v1/game/collectibles/{coin['id']}/collect", json={}, headers=headers).raise_for_status()

    def placed(self) -> str:
        """The id of a collectible that was placed just now."""
        path = "/v1/game/collectibles"
        headers = self.headers_for(path) | {"Idempotency-Key": uuid4().hex}
        placed = self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()
        return str(placed["items"][0]["id"])

    def webhook(self) -> dict[str, str]:
        """The ids of a webhook that was made just now, the only one, and of a delivery to it."""
        path = "/v1/admin/webhooks"
        headers = self.headers_for(path)
        for known in self._get(path, {}):
            self._client.delete(f"{path}/{known['id']}", headers=headers).raise_for_status()
        body = self.body(path) | {"active": True}
        made = self._client.post(path, json=body, headers=headers).raise_for_status().json()["webhook"]["id"]
        pinged = self._client.post(f"{path}/{made}/ping", headers=headers).raise_for_status().json()
        return {"webhook_id": str(made), "delivery_id": str(pinged["id"])}

    def api_key(self) -> str:
        """The id of an API key that was made just now, the only good one."""
        path = "/v1/admin/keys"
        headers = self.headers_for(path)
        for known in self._get(path, {}):
            self._client.delete(f"{path}/{known['id']}", headers=headers)
        made = self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()
        return str(made["key"]["id"])

    def stranger(self) -> str:
        """The id of somebody who joined just now."""
        return str(self.post("/v1/auth/device", {"device_id": uuid4().hex})["user"]["id"])

    def fence(self) -> str:
        """The id of a geofence that staff made just now."""
        path = "/v1/admin/fences"
        made = self._client.post(path, json=self.body(path), headers=self.headers_for(path)).raise_for_status().json()
        return str(made["id"])

    def flag(self) -> str:
        """The key of a flag that staff made just now, which measures."""
        path = "/v1/admin/flags"
        made = self._client.post(path, json=self.body(path), headers=self.headers_for(path)).raise_for_status().json()
        return str(made["key"])

    def chisel(self, *, worn: bool) -> str:
        """The id of a tool that the player was given just now; a worn one was collected with."""
        tool_id = str(self._granted({"tools": ["chisel"]})["tools"][0]["id"])
        if worn:
            headers = self.headers | {"Idempotency-Key": uuid4().hex}
            self._client.post(f"/v1/game/tools/{tool_id}/equip", json={}, headers=headers).raise_for_status()
            self._stand()
            self._collect()
        return tool_id

    def cookie(self) -> str:
        """The name of an item that the player was given just now."""
        return str(self._granted({"items": {"cookie": 1}})["items"][0]["id"])

    def quest(self, *, met: bool) -> str:
        """The id of a quest that staff assigned to the player just now; a met one was collected for."""
        path, name = "/v1/game/quests", f"q{uuid4().hex[:16]}"
        made = {"title": "Collect", "objectives": [{"kind": "collect", "count": 1}]}
        body = {"id": name, "quest": made, "players": [self.id]}
        self._client.post(path, json=body, headers=self.headers_for(path)).raise_for_status()
        until_s = monotonic() + _SEALED_S
        while met and not self._get(f"{path}/{name}/history", {})[0]["met"]:
            if monotonic() > until_s:
                raise TimeoutError("a quest was not counted")
            self._stand()
            self._collect()
            sleep(0.1)
        return name

    def share(self) -> str:
        """The id of a share that the player gave just now."""
        path = "/v1/location/share"
        headers = self.headers | {"Idempotency-Key": uuid4().hex}
        return str(self._client.post(path, json=self.body(path), headers=headers).raise_for_status().json()["id"])

    def avatar(self) -> str:
        """The file of a picture that the player shows since just now."""
        sent = self._client.post(
            "/v1/users/avatar", content=PICTURE, headers=self.headers | {"Content-Type": PICTURE_TYPE}
        )
        return str(sent.raise_for_status().json()["urls"]["64"]).rpartition("/")[2]

    def live_somewhere(self) -> None:
        """Tells a home."""
        path = "/v1/location/home"
        self._client.put(path, json=self.body(path), headers=self.headers).raise_for_status()

    def _granted(self, what: dict[str, Any]) -> dict[str, Any]:
        path = "/v1/game/items"
        headers = self.headers_for(path) | {"Idempotency-Key": uuid4().hex}
        reply = self._client.post(path, json={"to": self.id} | what, headers=headers).raise_for_status().json()
        obtained: dict[str, Any] = reply["obtained"]
        return obtained

    def truths(self) -> dict[str, Any]:
        """Values by the names of the parameters that take them."""
        coin, place = self._stand()
        self.post("/v1/auth/device", {"device_id": self._name})
        other = next(each for each in self._get("/v1/auth/sessions", {}) if not each["current"])
        names = {"id": coin, "name": "founders", "session_id": other["id"], "Idempotency-Key": self._name}
        names |= {"player": self.id, "player_id": self.id, "q": self._friend[:4]}
        names["query"] = "{ __typename }"
        names |= {"bbox": "14.49,46.04,14.52,46.06", "step": ["events.auth.login", "events.collectible.collected"]}
        return place | VIEW | names | {"radius_m": 500} | {"number": 0, "from": 0, "to": 0, "transfer": self._transfer}

    def _stand(self) -> tuple[str, dict[str, Any]]:
        """Goes to a collectible; its id, and where it is."""
        coin = self._get("/v1/game/collectibles/nearby", LJUBLJANA | {"radius_m": 1_500, "limit": 1})[0]
        place = {"lat": coin["lat"], "lng": coin["lng"]}
        self.post("/v1/location/update", place | {"accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()})
        return coin["id"], place

    def _sealed(self) -> str:
        """The id of a transfer that is in the public log: a coin is taken, and the block waited for."""
        coin, _ = self._stand()
        key = {"Idempotency-Key": uuid4().hex}
        self._client.post(
            f"/v1/game/collectibles/{coin}/collect", json={}, headers=self.headers | key
        ).raise_for_status()
        transfer = str(self._get("/v1/tokens/history", {"limit": 1})[0]["id"])
        until_s = monotonic() + _SEALED_S
        while self._client.get("/v1/ledger/proof", params={"transfer": transfer}).status_code != HTTPStatus.OK:
            if monotonic() > until_s:
                raise TimeoutError("a transfer was not sealed")
            sleep(0.01)
        return transfer

    def _get(self, path: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        reply = self._client.get(path, params=query, headers=self.headers | {"Overworld-Key": self._key})
        items: list[dict[str, Any]] = reply.raise_for_status().json()["items"]
        return items

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a path answers the player who sends this."""
        answer: dict[str, Any] = self._client.post(path, json=body, headers=self.headers).raise_for_status().json()
        return answer


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

    def usual(self) -> None:
        """What is asked every day, for two players and then again: a twin, which names the `ETag` that it was given."""
        for _ in range(2):
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
        is_long = reply.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE  # which refuses a wrong body too
        sent_with = {"session": self._session, "base_url": self._http, "headers": headers}
        try:
            case.validate_response(
                reply,
                headers=headers,
                transport_kwargs=sent_with,
                excluded_checks=[positive_data_acceptance, *[negative_data_rejection] * is_long],
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
