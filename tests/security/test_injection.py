"""Header injection and log injection: nothing that somebody sends begins a header, a mail's header or a log line."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from bench.prove import ways_in
from tests.security.stage import PASSWORD, Person, Stage
from tests.system.target import faults

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

ENDS = {
    "CR LF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    "NUL": "\0",
    "NEL": "\x85",
    "line separator": "\N{LINE SEPARATOR}",
    "vertical tab": "\v",
    "form feed": "\f",
    "folded": "\r\n ",
}
MARK = "injected-by-an-attack"
FORGED_LINE = '{"level":"error","event":"forged"}'
HEADERS = (
    *(b"Idempotency-Key", b"X-Request-Id", b"traceparent", b"tracestate", b"User-Agent", b"X-Forwarded-For"),
    *(b"Origin", b"Authorization", b"Overworld-Key", b"If-None-Match", b"Content-Type"),
)


async def raw(stage: Stage, head: bytes) -> bytes:
    """The answer to bytes that no well-behaved client sends; empty when the server hung up."""
    where = urlsplit(stage.server.http)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(head)
    await writer.drain()
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def marks_of_log(stage: Stage) -> list[str]:
    return [line for line in stage.target.log().splitlines() if line.startswith((MARK, FORGED_LINE))]


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
@pytest.mark.parametrize("name", HEADERS)
async def test_no_request_header_comes_back_as_a_header_of_the_answer(stage, name, end):
    person = await stage.player()
    value = f"x{end}{MARK}: yes{end}Set-Cookie: {MARK}=1".encode()
    own = [line for line in (f"Authorization: {person.headers['Authorization']}",) if name != b"Authorization"]
    head = b"POST /v1/game/quests/none/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n"
    head += "".join(f"{line}\r\n" for line in own).encode()
    answer = await raw(stage, head + name + b": " + value + b"\r\n\r\n{}")
    heads = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie" not in heads
    assert MARK.encode() not in heads
    assert answer == b"" or answer.split(b" ", 2)[1][:1] == b"4", answer
    assert marks_of_log(stage) == []


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
async def test_no_address_for_mail_begins_a_header_of_a_mail(stage, end):
    """Neither is it taken by any route, nor does a mail go anywhere else."""
    victim = f"{MARK}-{uuid4().hex[:8]}@example.org"
    email, person = await stage.registered()
    wrong = (f"a{end}Bcc: {victim}", f"a@example.org{end}Bcc: {victim}", f"{end}{victim}", f"a@b.example{end}")
    bodies = [
        *(("POST", "/v1/auth/password/forgot", {"email": each}) for each in wrong),
        *(("PUT", "/v1/auth/email", {"email": each, "password": PASSWORD}) for each in wrong),
        *(
            ("POST", "/v1/auth/register", {"email": each, "username": f"u{uuid4().hex[:9]}", "password": PASSWORD})
            for each in wrong
        ),
    ]
    for method, path, body in bodies:
        reply = await person.ask(method, path, json=body)
        assert faults(reply) == [], reply.text
        assert reply.status_code in {400, 429}, (path, body)
    await stage.mailed(email, "confirm your e-mail address")
    assert victim not in stage.mails()


async def test_an_address_that_names_several_gets_no_mail(stage):
    person = await stage.player()
    for email in (
        "a@example.org,other@x.example",
        "a@example.org;other@x.example",
        "A <other@x.example>",
        "a other@x.example",
    ):
        reply = await stage.http.post(
            "/v1/auth/password/forgot", json={"email": email}, headers={"X-Forwarded-For": stage.address()}
        )
        assert faults(reply) == []
        assert (await person.ask("PUT", "/v1/auth/email", json={"email": email})).status_code in {204, 400}
    assert "other@x.example" not in stage.mails()


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
async def test_no_username_holds_what_breaks_a_line(stage, end):
    name = f"u{uuid4().hex[:8]}{end}{MARK}"
    body = {"device_id": f"device-{uuid4()}", "username": name}
    stage.learn(body["device_id"])
    reply = await stage.http.post("/v1/auth/device", json=body, headers={"X-Forwarded-For": stage.address()})
    assert reply.status_code == 400
    assert reply.json()["code"] in {"accounts.bad_username", "http.bad_request"}


@pytest.mark.parametrize(
    "uri",
    [
        f"{ways_in.BACK}\r\nSet-Cookie: a=b",
        f"{ways_in.BACK}%0d%0aSet-Cookie:%20a=b",
        f"{ways_in.BACK}/../evil",
        f"{ways_in.BACK}?next=https://evil.example",
        f"{ways_in.BACK}#x",
        "https://play.example.evil.example/back",
        "https://play.example@evil.example/back",
        "https://evil.example/back",
        "http://play.example/back",
        "//play.example/back",
        "javascript:alert(1)",
        "HTTPS://PLAY.EXAMPLE/back",
    ],
)
async def test_nobody_is_sent_back_to_a_page_that_is_not_listed(stage, uri):
    person = await stage.player()
    for path in ("/v1/auth/social/steam/begin", "/v1/auth/link/steam/begin"):
        reply = await person.ask("POST", path, json={"redirect_uri": uri})
        assert reply.status_code == 400, reply.text
        assert "location" not in reply.headers


async def lines_of(stage: Stage, person: Person, text: str) -> list[str]:
    """The log lines of requests that bring a text wherever one may stand."""
    before = len(stage.target.log())
    quoted = text.encode("utf-8", "surrogatepass")
    await stage.http.get("/v1/none", params={"q": text}, headers=person.headers)
    await stage.http.get(f"/v1/users/{'%2e'.join(f'%{byte:02x}' for byte in quoted)}", headers=person.headers)
    await person.ask("POST", "/v1/users/me/standing/appeal", json={"text": text})
    await person.ask("POST", "/v1/tokens/transfer", json={"to": text[:64], "currency": text[:30], "amount": "1"})
    await person.ask("GET", "/v1/users/search", params={"q": text[:50]})
    shown = "".join(each for each in text if " " <= each <= "~").strip()
    await person.ask("GET", "/v1/users/me", headers={"User-Agent": shown or "none"})
    await stage.http.post("/v1/auth/login", json={"email": text[:200], "password": text})
    return stage.target.log()[before:].splitlines()


@pytest.mark.parametrize(
    "text",
    [
        f"a\n{FORGED_LINE}\n",
        f'a"}}\r\n{FORGED_LINE}\r\n{{"b":"',
        "\x1b[2J\x1b[31mred\x1b]0;title\x07",
        "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\N{NEXT LINE}a",
        "\\n\\u000a%0a%0d%00",
        "${jndi:ldap://127.0.0.1/a} %s %n {0} {event}",
        "\N{RIGHT-TO-LEFT OVERRIDE}desrever",
    ],
)
async def test_every_line_of_the_log_is_one_object_whatever_is_sent(stage, text):
    person = await stage.player()
    lines = await lines_of(stage, person, text)
    requests = [json.loads(line) for line in lines if line.startswith("{")]
    assert len([each for each in requests if each.get("event") == "request"]) >= 5
    assert [line for line in lines if not line.startswith("{")] == []
    assert all("forged" not in each.get("event", "") for each in requests)
    assert "\x1b" not in "".join(lines)


async def test_the_names_that_clients_choose_are_no_labels_of_metrics(stage):
    """Else anybody could fill the memory of who keeps them, or write lines of their own."""
    for i in range(20):
        await stage.http.request(f"X{MARK}{i}".upper(), f"/v1/{MARK}/{i}")
    metrics = (await stage.http.get(f"{stage.server.operations}/metrics")).text
    assert MARK not in metrics
    assert MARK.upper() not in metrics
