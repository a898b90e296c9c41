"""Whatever is sent over HTTP gets an answer of the declared kind: the one problem shape, and never a bug."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct

from tests.system.target import Intruder, Target, faults, under_attack
from tests.thinned import rounds, thinned

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: http"),
]

AT_ONCE = 16
SEED = 2026
SQUARE = {"type": "Polygon", "coordinates": [[[14.5, 46.0], [14.51, 46.0], [14.51, 46.01], [14.5, 46.01]]]}
JSON = "application/json"

JUNK_BODIES = {
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "array of objects": b"[{}]",
    "number": b"0",
    "text": b'""',
    "unended": b"{",
    "crossed": b"{]",
    "no value": b'{"a":}',
    "trailing comma": b'{"a":1,}',
    "two objects": b"{}{}",
    "single quotes": b"{'a':1}",
    "comment": b"// none\n{}",
    "not JSON": b"NaN",
    "byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b"\xff\xfe",
    "not UTF-8 inside": b'{"email":"\xff"}',
    "surrogate in UTF-8": b'{"email":"\xed\xa0\x80@example.org"}',
    "lone surrogate": b'{"email":"\\ud800@example.org"}',
    "lone surrogate as a name": b'{"\\ud800":1}',
    "U+0000": b'{"email":"a\\u0000@example.org"}',
    "U+0000 after a backslash": b'{"email":"a\\\\\\u0000@example.org"}',
    "zero byte": b"\x00",
    "deep array": b"[" * 30_000,
    "deep object": b'{"a":' * 10_000,
    "long name": b'{"' + b"a" * 60_000 + b'":1}',
    "blanks": b" " * 60_000,
    "form": b"email=a%40example.org&password=12345678",
}
JUNK_VALUES = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"[]", b"{}", b"[1]", b'{"a":1}', b'""', b'"x"', b'"1"', b'"NaN"'),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"-0.0", b"91", b"-91", b"181", b"-181", b"01", b"+1"),
    *(b"9" * 5_000, b"1" + b"0" * 400, b'"' + b"x" * 5_000 + b'"', b'"\\ud800"', b'"\\u0000"', b'"\\x"', b'"\xff"'),
    *(b'"\\u202e"', '"\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"'.encode(), b'"0001-01-01T00:00:00+14:00"'),
    *(b'"9999-12-31T23:59:59-12:00"', b'"2026-02-30T00:00:00Z"', b'"2026-06-01T12:00:00"'),
)
WRONG_TYPES = (b"[]", b"{}", b'{"a":1}')
JUNK_QUERY = (
    *("", "x", "nan", "inf", "-inf", "1e400", "-1e400", "-0.0", "91", "-91", "181", "-181", "0", "-1", "1.5", "201"),
    *(
        "1_0",
        "0x10",
        "\N{ARABIC-INDIC DIGIT FOUR}",
        "true",
        "null",
        "[1]",
        "\0",
        "a\0",
        "'; SELECT 1 --",
        "=",
        "%",
        "////",
    ),
    *(
        "0001-01-01",
        "9999-12-31",
        "9" * 400,
        "x" * 4_000,
        "kA",
        "gA",
        "k8s",
        "kst_-AAAAAAAAKA",
        "kdkkY2ZhZmQ4YWE",
        "AAAA",
        "\N{SNOWMAN}",
    ),
)
JUNK_KEYS = (b"", b"a" * 256, b"a b", "\N{SNOWMAN}".encode(), b"\x01", b"a\x7f", b"\xff")
JUNK_TYPES = (
    b"",
    b"text/plain",
    b"multipart/form-data; boundary=x",
    b"application/x-www-form-urlencoded",
    b"*/*",
    b"\xff",
)
PLACING = (
    *(f"/v1/game/{noun}{rest}" for noun in ("collectibles", "coins") for rest in ("", "/{id}")),
    "/v1/game/items",
)
ANSWER = {
    "flow": "x" * 43,
    "state": "x" * 43,
    "code": "of-a-provider",
    "iss": "https://id.example",
    "id_token": "of-an-app",
    "openid": {"openid.mode": "cancel"},
}
WALLET = {"message": "play.example wants you to sign in", "signature": f"0x{'0' * 130}"}
QUEST = {
    "title": "A quest",
    "text": "of many",
    "type": "story",
    "difficulty": 2,
    "objectives": [{"kind": "visit", "text": "go", "place": {"lat": 46.05, "lng": 14.5, "radius_m": 50}, "count": 1}],
    "requires": {"level": 2, "quests": [], "membership": "founder", "zone": {"cell": "477b0c9"}},
    "starts": "assigned",
    "repeats": "weekly",
    "shared": False,
    "opens_at": "2026-06-01T12:00:00Z",
    "closes_at": "2126-06-01T12:00:00Z",
    "within_s": 3600,
    "rewards": {"tokens": {"coin": "1"}, "experience": 1, "items": {}, "tools": [], "badges": []},
}
WEBHOOK = {
    "url": "https://example.org/hook",
    "topics": ["events.level.reached"],
    "fence_ids": ["gate"],
    "description": "a shop",
    "active": False,
}
FLAG = {
    "description": "a better map",
    "enabled": True,
    "variants": [{"name": "off", "value": False, "weight": 1}, {"name": "on", "value": True, "weight": 1}],
    "default": "off",
    "rules": [{"when": [{"attribute": "level", "op": "at_least", "values": [5]}], "rollout_pct": 10}],
    "salt": "",
    "experiment": {"control": "off", "primary": {"name": "collections"}, "effect_sd": 0.1, "alpha": 0.05},
}
DOCUMENT = {"query": "query a { __typename }", "operationName": "a", "variables": {}, "extensions": {}}
# GeoJSON may hold members that it does not name: RFC 7946, section 6.1.
FOREIGN = {
    "/v1/admin/fences/import",
    "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/{flag}",
    "/graphql", "/graphql/stream",
}  # fmt: skip
CREDENTIAL = {"id": "AAAA", "rawId": "AAAA", "type": "public-key"}
MADE = CREDENTIAL | {"response": {"clientDataJSON": "e30", "attestationObject": "oA", "transports": ["internal"]}}
SIGNED = CREDENTIAL | {
    "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA", "userHandle": "AA"}
}
MISSING = (
    "tool_id",
    "session_id",
    "webhook_id",
    "delivery_id",
    "fence_id",
    "player",
    "key_id",
    "user_id",
    "player_id",
    "passkey_id",
)
LISTS = {"players", "fence_ids", "rules", "events"}
OBJECTS = {"settings", "openid", "attributes", "context", "properties"}  # of names that nobody lists
OBJECTS |= {"variables", "extensions"}
NEEDED = {"email", "password", "device_id", "refresh_token", "lat", "accuracy_m", "timestamp", "to", "amount", "code"}
NEEDED |= {"query"}
# Needed elsewhere; here one of several proofs, or of those alone who have a password.
SPARED = {
    "/v1/auth/email": {"password"},
    "/v1/auth/social/{provider}": {"code"},
    "/v1/auth/link/{way}": {"code", "device_id"},
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


class Operation(Struct, frozen=True):
    """One operation of the server's own description."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def has_body(self) -> bool:
        """Whether it reads JSON."""
        return JSON in self.described.get("requestBody", {}).get("content", {})

    @property
    def raw_types(self) -> list[str]:
        """The media types of a body that is no JSON."""
        return [each for each in self.described.get("requestBody", {}).get("content", {}) if each != JSON]

    def names(self, place: str) -> list[str]:
        """The parameters in a place: query or path."""
        return [each["name"] for each in self.described.get("parameters", ()) if each["in"] == place]

    @property
    def is_placing(self) -> bool:
        """Whether only staff may do it; the attack then has the developer key."""
        return (
            self.path.startswith(("/v1/admin/", "/v1/analytics/", "/v1/flags/bulk"))
            or self.path in PLACING
            or (self.path, self.method) == ("/v1/game/quests", "POST")
        )

    def url(self) -> str:
        """An address with something in its path that is not there, but for the last way in, which stays."""
        known = 10**9 if self.path.startswith("/v1/live/") else "A" * 32
        missing = {name: uuid4() for name in MISSING}
        named = {"item_id": "nothing", "name": "nobody", "provider": "nobody", "way": "device"}
        named |= {"key": "nothing", "flag": "nothing"}
        return self.path.format(id=known, number=10**9, **named, **missing)


class Attack:
    """Sends requests and keeps what was wrong with the answers."""

    def __init__(self, target: Target, intruder: Intruder) -> None:
        self.target = target
        self.intruder = intruder
        self.answered = 0
        self._wrong: list[str] = []
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def send(self, operation: Operation, why: str, **request: Any) -> httpx.Response:
        """One request with a token and a key; the answer must be one that the operation declares."""
        headers = {"Content-Type": JSON, "Idempotency-Key": uuid4().hex} | self.intruder.headers
        headers |= {"Overworld-Key": self.target.server.key} if operation.is_placing else {}
        headers |= request.pop("headers", {})
        async with self._turns:
            reply = await self.target.http.request(operation.method, operation.url(), headers=headers, **request)
        found = faults(reply)
        if str(reply.status_code) not in operation.described["responses"]:
            found.append(f"{reply.status_code} is not declared")
        self._wrong += [f"{operation.method} {operation.path}: {why}: {each}: {reply.text[:300]}" for each in found]
        self.answered += 1
        return reply

    async def all(self, requests: Iterable[Any]) -> list[httpx.Response]:
        """The answers to all requests; nothing was wrong with any of them."""
        replies: list[httpx.Response] = await asyncio.gather(*requests)
        assert replies, "nothing was sent"
        assert self._wrong == []
        return replies


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    async with under_attack(tmp_path_factory.mktemp("http")) as target:
        yield target


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operations(target: Target) -> list[Operation]:
    paths = (await target.document())["paths"]
    return [Operation(method.upper(), path, each) for path, item in paths.items() for method, each in item.items()]


@pytest_asyncio.fixture(loop_scope="module")
async def attack(target: Target) -> Attack:
    return Attack(target, await target.player())


def example(path: str) -> dict[str, Any]:
    """A body that the operation takes, with every field it knows. Raises: KeyError for a route that is new here."""
    name = uuid4().hex[:16]
    fix = {"lat": 46.05, "lng": 14.5, "accuracy_m": 5, "timestamp": "2026-06-01T12:00:00Z", "mock": False}
    bodies: dict[str, dict[str, Any]] = {
        "/v1/admin/events/dead-letters/replay": {
            "topic": "events.quest.completed",
            "consumer": "quests",
            "event_ids": [str(uuid4())],
        },
        "/graphql": DOCUMENT,
        "/graphql/stream": DOCUMENT,
        "/v1/events": {"event": name, "properties": {"level": 3}},
        "/v1/events/batch": {"events": [{"event": name}], "sent_at": "2026-06-01T12:00:00Z"},
        "/v1/admin/keys": {"name": name, "scopes": ["game.read"], "life_s": 3_600},
        "/v1/admin/keys/{key_id}/rotate": {"overlap_s": 60},
        "/v1/admin/users/{user_id}/suspend": {"why": "bots"},
        "/v1/admin/users/{user_id}/restore": {"why": "a mistake"},
        "/v1/admin/users/{user_id}/role": {"role": "moderator"},
        "/v1/admin/users/{user_id}/notes": {"text": "look again"},
        "/v1/admin/webhooks": WEBHOOK,
        "/v1/admin/webhooks/{webhook_id}": WEBHOOK,
        "/v1/admin/webhooks/{webhook_id}/rotate": {"overlap_s": 60},
        "/v1/auth/register": {"email": f"{name}@example.org", "username": name, "password": "a password"},
        "/v1/auth/login": {"email": "nobody@example.org", "password": "a password"},
        "/v1/auth/device": {"device_id": f"device-{name}", "username": name},
        "/v1/auth/social/{provider}/begin": {"redirect_uri": "https://play.example/back"},
        "/v1/auth/social/{provider}": ANSWER | {"username": name},
        "/v1/auth/wallet": WALLET | {"username": name},
        "/v1/auth/link/{way}/begin": {"redirect_uri": "https://play.example/back"},
        "/v1/auth/link/{way}": ANSWER | WALLET | {"device_id": f"device-{name}"},
        "/v1/auth/refresh": {"refresh_token": "x" * 43},
        "/v1/auth/logout": {"all": False},
        "/v1/auth/password": {"current_password": "a password", "password": "another password"},
        "/v1/auth/password/forgot": {"email": f"{name}@example.org"},
        "/v1/auth/password/reset": {"token": "x" * 43, "password": "another password"},
        "/v1/auth/email": {"email": f"{name}@example.org", "password": "a password"},
        "/v1/auth/email/confirm": {"token": "x" * 43},
        "/v1/auth/passkey/register/begin": {},
        "/v1/auth/passkey/register/finish": {"ceremony": "x" * 43, "credential": MADE, "name": "Phone"},
        "/v1/auth/passkey/login/begin": {},
        "/v1/auth/passkey/login/finish": {"ceremony": "x" * 43, "credential": SIGNED},
        "/v1/auth/totp": {},
        "/v1/auth/totp/confirm": {"code": "123456"},
        "/v1/auth/totp/verify": {"code": "123456"},
        "/v1/auth/totp/recovery": {"code": "123456"},
        "/v1/auth/totp/remove": {"code": "123456"},
        "/v1/location/update": fix | {"altitude_m": 300, "speed_m_s": 1, "heading_deg": 90},
        "/v1/location/visibility": {"visible": True},
        "/v1/users/me/standing/appeal": {"text": "I ride a train to work"},
        "/v1/users/me": {
            "locale": "sl",
            "settings": {"volume": 0.5},
            "privacy": {"findable": True, "progress": True, "badges": True, "memberships": True},
        },
        "/v1/admin/trust/{player}/decide": {
            "decision": "set",
            "note": "We are looking.",
            "gate": "reduced",
            "until": "2036-06-01T12:00:00Z",
        },
        "/v1/location/home": {"lat": 46.05, "lng": 14.5, "radius_m": 200},
        "/v1/location/share": {"to": "nobody", "sight": "live", "expires_in_s": 3_600},
        "/v1/admin/fences": {"name": name, "geometry": SQUARE, "dwell_s": 60},
        "/v1/admin/fences/{fence_id}": {"name": name, "geometry": SQUARE, "dwell_s": 60},
        "/v1/admin/fences/import": {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "geometry": SQUARE, "properties": {"name": name}}],
        },
        "/v1/admin/flags": FLAG | {"key": name},
        "/v1/admin/flags/{key}": FLAG,
        "/v1/flags": {"flags": ["better-map"], "attributes": {"country": "SI"}, "expose": True},
        "/v1/flags/bulk": {"flags": ["better-map"], "players": [{"player_id": str(uuid4())}], "expose": True},
        "/ofrep/v1/evaluate/flags": {"context": {"country": "SI"}},
        "/ofrep/v1/evaluate/flags/{flag}": {"context": {"country": "SI"}},
        "/v1/tokens/transfer": {"to": "nobody", "currency": "coin", "amount": "1", "note": "hello"},
        "/v1/memberships/{name}/apply": {},
        "/v1/genesis/apply": {},
        "/v1/game/sync": queue(),
        "/v1/game/collectibles/{id}/collect": {},
        "/v1/game/coins/{id}/collect": {},
        "/v1/game/collectibles": {"items": [placement()]},
        "/v1/game/coins": {"items": [placement()]},
        "/v1/game/quests": {"id": f"q{name}", "quest": QUEST, "players": [str(uuid4())]},
        "/v1/game/quests/{id}/start": {},
        "/v1/game/quests/{id}/complete": {},
        "/v1/game/items": {"to": "nobody", "items": {"cookie": 1}, "tools": ["chisel"], "badges": ["baker"]},
        "/v1/game/items/{item_id}/use": {},
        "/v1/game/tools/{tool_id}/equip": {},
        "/v1/game/tools/{tool_id}/upgrade": {"level": 2},
        "/v1/game/tools/{tool_id}/repair": {},
    }
    return bodies[path.replace("/game/pickaxe/", "/game/tools/")]


def queue() -> dict[str, Any]:
    """One action without a network, with every field it knows."""
    now = datetime.now(UTC).isoformat()
    action = {
        "request_id": uuid4().hex,
        "action": "collect",
        "target": "A" * 32,
        "at": now,
        "monotonic_ms": 1_000,
        "lat": 46.05,
        "lng": 14.5,
        "boot": "1",
        "data": {},
    }
    return {"device": "phone", "boot": "1", "sent_at": now, "sent_monotonic_ms": 2_000, "actions": [action]}


def placement() -> dict[str, Any]:
    """One collectible that can be placed, with every field it knows."""
    now = datetime.now(UTC)
    return {
        "type": "gold",
        "lat": -46.05,
        "lng": 14.5,
        "opens_at": now.isoformat(),
        "closes_at": (now + timedelta(hours=1)).isoformat(),
        "value": "5",
        "currency": "coin",
        "experience": 1,
        "mode": "personal",
        "payer_id": str(uuid4()),
    }


def with_value(body: dict[str, Any], field: str, value: bytes) -> bytes:
    """The body as JSON, with other bytes in the place of a field's value."""
    return json.dumps(body | {field: "@"}).encode().replace(b'"@"', value)


def takes_a_body(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations that read a body, but for signing out: that would end the attack."""
    return (each for each in operations if each.has_body and each.path != "/v1/auth/logout")


async def test_no_body_of_any_kind_is_a_bug(attack, operations):
    bodies = JUNK_BODIES | {"object": b"{}", "largest": b" " * 65_536, "too large": b" " * 65_537}
    sent = thinned(((each, *body) for each in takes_a_body(operations) for body in bodies.items()), one_in=7)
    replies = await attack.all(attack.send(each, name, content=body) for each, name, body in sent)
    # Who applies to a club or begins with a passkey needs to say nothing; who cannot pay, or is no staff, is told so.
    assert {reply.status_code for reply in replies} <= {200, 400, 403, 404, 409, 413}


async def test_no_raw_body_of_any_kind_is_a_bug(attack, operations):
    replies = await attack.all(
        attack.send(each, name, content=body, headers={"Content-Type": media_type})
        for each in operations
        for media_type in each.raw_types
        for name, body in JUNK_BODIES.items()
    )
    assert {reply.status_code for reply in replies} == {400}


async def test_no_value_of_any_field_is_a_bug(attack, operations):
    fields = [(each, field) for each in takes_a_body(operations) for field in example(each.path)]
    await attack.all(
        attack.send(each, f"{field} = {value[:40]!r}", content=with_value(example(each.path), field, value))
        for (each, field), value in thinned(product(fields, JUNK_VALUES), one_in=11)
    )


async def test_no_value_of_any_field_of_a_placement_is_a_bug(attack, operations):
    """What is sound all the same is placed; a list that is empty or too long is not."""
    placing = [each for each in operations if each.path in PLACING and each.method == "POST"]
    bodies = {
        f"{field} = {value[:40]!r}": b'{"items":[%b]}' % with_value(placement(), field, value)
        for field in placement()
        for value in (*JUNK_VALUES, *WRONG_TYPES)
    }
    sent = thinned(((each, *body) for each in placing for body in bodies.items()), one_in=5)
    replies = await attack.all(attack.send(each, why, content=body) for each, why, body in sent)
    assert {reply.status_code for reply in replies} == {201, 400}
    one = json.dumps(placement())
    many = [f'{{"items":[{",".join([one] * count)}]}}'.encode() for count in (0, 257, 400)]
    replies = await attack.all(attack.send(each, "many", content=body) for each in placing for body in many)
    assert {reply.status_code for reply in replies} == {400, 413}


async def test_wrong_types_missing_and_unknown_fields_are_refused(attack, operations):
    def bodies(path: str) -> Iterator[bytes]:
        whole = example(path)
        if path not in FOREIGN:
            yield json.dumps(whole | {"unknown": 1}).encode()
        for field in whole:
            wrong = WRONG_TYPES[1:] if field in LISTS else WRONG_TYPES[:1] if field in OBJECTS else WRONG_TYPES
            yield from (with_value(whole, field, value) for value in wrong)
        for field in (set(whole) & NEEDED) - SPARED.get(path, set()):
            yield json.dumps({name: value for name, value in whole.items() if name != field}).encode()

    replies = await attack.all(
        attack.send(each, "wrong", content=body) for each in takes_a_body(operations) for body in bodies(each.path)
    )
    assert {reply.status_code for reply in replies} == {400}


async def test_the_last_of_two_equal_names_counts_and_breaks_nothing(attack, operations):
    def twice(body: dict[str, Any], field: str) -> bytes:
        return json.dumps(body).encode()[:-1] + b"," + json.dumps({field: body[field]}).encode()[1:]

    await attack.all(
        attack.send(each, f"{field} twice", content=twice(example(each.path), field))
        for each in takes_a_body(operations)
        for field in example(each.path)
    )


async def test_bodies_made_at_random_are_no_bugs(attack, operations):
    """Fields of all routes with values of all kinds, nested and mixed; the same in every run."""
    chance = random.Random(SEED)
    fields = sorted({field for each in takes_a_body(operations) for field in example(each.path)})

    def made(depth: int = 0) -> Any:
        kind = chance.randrange(9 if depth < 3 else 7)
        if kind == 7:
            return [made(depth + 1) for _ in range(chance.randrange(4))]
        if kind == 8:
            return {chance.choice(fields): made(depth + 1) for _ in range(chance.randrange(5))}
        plain = (None, True, chance.uniform(-1e9, 1e9), chance.randrange(-(2**70), 2**70), chance.random() * 180, "")
        return (
            plain[kind]
            if kind < 6
            else "".join(chr(chance.choice((0x20, 0x41, 0xE9, 0x2028, 0x1F600))) for _ in range(20))
        )

    def body(path: str) -> dict[str, Any]:
        return example(path) | {field: made() for field in chance.sample(fields, chance.randrange(1, 4))}

    await attack.all(
        attack.send(each, "random", content=json.dumps(body(each.path)).encode())
        for each in takes_a_body(operations)
        for _ in range(rounds(6, whole=60))
    )


async def test_no_query_is_a_bug(attack, operations):
    where = {"lat": "46.05", "lng": "14.5"}

    def queries(operation: Operation) -> Iterator[list[tuple[str, str]]]:
        names = operation.names("query")
        usual = {name: value for name, value in where.items() if name in names}
        for name in names:
            yield from ([*(usual | {name: value}).items()] for value in JUNK_QUERY)
            yield [*usual.items(), (name, "1"), (name, "1")]

    sent = ((each, query) for each in operations if each.method == "GET" for query in queries(each))
    await attack.all(attack.send(each, str(query)[:120], params=query) for each, query in thinned(sent, one_in=11))


async def test_unknown_and_repeated_parameters_are_refused(attack, operations):
    replies = await attack.all(attack.send(each, "unknown", params={"unknown": "1"}) for each in operations)
    assert {reply.status_code for reply in replies} == {400}
    nearby = [each for each in operations if "lat" in each.names("query")]
    twice = [("lat", "1"), ("lat", "2"), ("lng", "1")]
    replies = await attack.all(attack.send(each, "twice", params=twice) for each in nearby)
    assert [reply.json()["errors"][0]["path"] for reply in replies] == ["query.lat"] * len(nearby)


@pytest.mark.parametrize(
    "query", [b"%", b"%zz", b"%ff", b"&&&", b"=", b"a=%00", b"lat=%00", b"&" * 4_000, b"a=1&" * 65]
)
async def test_no_encoding_of_a_query_is_a_bug(attack, operations, query):
    for each in thinned(operations, one_in=4):
        reply = await attack.target.http.request(
            each.method, httpx.URL(each.url()).copy_with(query=query), headers=attack.intruder.headers
        )
        assert faults(reply) == [], (each.path, reply.text)


@pytest.mark.parametrize(
    "part", ["%00", "%ff", "%2e%2e%2f", "%", "%zz", "a%2Fb", "\N{SNOWMAN}", "x" * 2_000, "*", ";a=b", "%F0%9F%98%80"]
)
async def test_no_part_of_a_path_is_a_bug(target, part):
    intruder = await target.player()
    for path in (f"/v1/game/coins/{part}/collect", f"/v1/auth/sessions/{part}", f"/{part}", f"/v1/{part}"):
        for method in ("GET", "POST", "DELETE"):
            reply = await target.http.request(method, path, headers=intruder.headers | {"Idempotency-Key": "k"})
            assert faults(reply) == [], (method, path, reply.text)
            assert reply.status_code in {400, 404, 405}


async def test_every_method_is_answered(attack, operations):
    allowed: dict[str, set[str]] = {}
    for each in operations:
        allowed.setdefault(each.path, {"OPTIONS"}).update({each.method} | ({"HEAD"} if each.method == "GET" else set()))
    one_each = {each.path: each for each in operations}
    for path, each in thinned(one_each.items(), one_in=3):
        for method in set(METHODS) - allowed[path]:
            reply = await attack.target.http.request(method, each.url(), headers=attack.intruder.headers)
            assert faults(reply) == []
            assert reply.status_code == 405
            assert set(reply.headers["Allow"].split(", ")) == allowed[path]
        reply = await attack.target.http.request("OPTIONS", each.url())
        assert (reply.status_code, reply.content) == (204, b"")


async def test_head_says_what_get_says_without_the_body(attack, operations):
    for each in (each for each in operations if each.method == "GET"):
        for headers in (None, attack.intruder.headers):
            get, head = [
                await attack.target.http.request(method, each.url(), headers=headers) for method in ("GET", "HEAD")
            ]
            assert (head.status_code, head.content) == (get.status_code, b"")
            assert head.headers["Content-Type"] == get.headers["Content-Type"]


async def test_no_idempotency_key_is_a_bug_and_bad_ones_are_refused(attack, operations):
    keyed = [each for each in operations if "Idempotency-Key" in each.names("header")]
    replies = await attack.all(
        attack.send(each, repr(key), json={}, headers={"Idempotency-Key": key}) for each in keyed for key in JUNK_KEYS
    )
    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {
        (400, "http.bad_request"),
        (400, "http.malformed"),
    }
    longest = await attack.all(
        attack.send(each, "longest", json={}, headers={"Idempotency-Key": f"{i:a>255}"}) for i, each in enumerate(keyed)
    )
    missing = {f"gameplay.{code}" for code in ("not_found", "no_such_item", "no_such_quest", "no_such_tool")}
    assert {reply.json()["code"] for reply in longest} == {
        *missing,
        "accounts.no_such_membership",
        "accounts.price_not_held",
        "http.bad_request",
    }


async def test_bodies_of_other_types_are_refused(attack, operations):
    replies = await attack.all(
        attack.send(each, repr(kind), json=example(each.path), headers={"Content-Type": kind})
        for each, kind in thinned(product(takes_a_body(operations), JUNK_TYPES), one_in=5)
    )
    assert {reply.status_code for reply in replies} == {415}


async def test_without_a_token_nothing_but_the_way_in_is_open(attack, operations):
    for each in operations:
        reply = await attack.target.http.request(each.method, each.url(), headers={"Idempotency-Key": "k"})
        assert faults(reply) == []
        by_key_alone = each.path == "/v1/game/reload"  # the developer key opens it without an account
        assert (reply.status_code == 401) == (bool(each.described["security"]) or by_key_alone), each.path
