"""Oversized and deeply nested bodies, over every route that takes one, cost nothing and break nothing."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import psutil
import pytest

from overworld.domains.accounts.types import Role
from tests.security.stage import Operation, Stage
from tests.system.target import faults
from tests.system.test_bad_input_http import example

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

DEEP = {
    "arrays": b"[" * 32_000,
    "closed arrays": b"[" * 30_000 + b"]" * 30_000,
    "objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "mixed": b'[{"a":' * 8_000,
}
CPU_MAX_S = 10.0


def address_of(operation: Operation) -> str:
    ids = dict.fromkeys(operation.names("path"), "00000000-0000-7000-8000-000000000000")
    return operation.path.format(**ids)


def takes_a_body(stage: Stage) -> list[Operation]:
    return [each for each in stage.operations if "requestBody" in each.described]


@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
async def test_a_nested_body_is_refused_by_every_route(stage, body):
    admin = await stage.staff(Role.ADMIN)
    for each in takes_a_body(stage):
        kind = next(iter(each.described["requestBody"]["content"]))
        reply = await admin.ask(each.method, address_of(each), content=body, headers={"Content-Type": kind})
        assert reply.status_code in {400, 413}, (each.label, reply.text)
        assert faults(reply) == []


async def test_a_field_that_takes_anything_takes_no_depth_without_end(stage):
    """Settings are free; what is nested in them is kept by the database and written out again."""
    person = await stage.player()
    mine = await person.get("/v1/users/me")
    for depth in (50, 500, 1_500, 5_000):
        nested = '{"a":' * depth + "1" + "}" * depth
        head = json.dumps({"locale": None, "privacy": mine["privacy"]})[:-1]
        body = f'{head},"settings":{nested}}}'.encode()
        reply = await person.ask("PUT", "/v1/users/me", content=body, headers={"Content-Type": "application/json"})
        assert faults(reply) == [], (depth, reply.text[:300])
        assert reply.status_code in {200, 400}
        assert (await person.ask("GET", "/v1/users/me")).status_code == 200


async def test_a_body_beyond_its_bound_is_refused_by_every_route_before_it_is_read(stage):
    """The answer comes to its announcement; not a byte of it is sent."""
    admin, where = await stage.staff(Role.ADMIN), urlsplit(stage.server.http)
    for each in takes_a_body(stage):
        kind = next(iter(each.described["requestBody"]["content"]))
        head = [f"{each.method} {address_of(each)} HTTP/1.1", "Host: x", f"Content-Type: {kind}", "Idempotency-Key: k"]
        head += [f"Content-Length: {2**26}", *(f"{name}: {value}" for name, value in admin.headers.items())]
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write("\r\n".join([*head, "", ""]).encode())
        assert (await reader.read(64)).split(b" ")[1] == b"413", each.label
        writer.close()


async def test_a_length_that_is_announced_and_never_sent_holds_no_memory(stage):
    where = urlsplit(stage.server.http)
    before = psutil.Process(stage.server.family[0].pid).memory_info().rss
    lines = [await asyncio.open_connection(where.hostname, where.port) for _ in range(50)]
    for _, writer in lines:
        writer.write(b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 1000000000\r\n\r\n{")
    answers = await asyncio.gather(*(reader.read(32) for reader, _ in lines))
    assert {each.split(b" ")[1] for each in answers} == {b"413"}
    for _, writer in lines:
        writer.close()
    assert psutil.Process(stage.server.family[0].pid).memory_info().rss - before < 2**25


async def test_a_body_that_says_it_is_packed_is_not_unpacked(stage):
    """A bomb of gzip needs somebody who unpacks it."""
    reply = await (await stage.player()).ask(
        "POST",
        "/v1/auth/login",
        content=b"\x1f\x8b" + bytes(1_000),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert reply.status_code in {400, 415}


async def test_values_that_grow_when_they_are_compared_or_kept_cost_nothing(stage):
    """Texts that normalisation makes 18 times as long, and numbers of thousands of digits, on every route."""
    admin = await stage.staff(Role.ADMIN)
    server = psutil.Process(stage.server.family[0].pid)
    before = sum(server.cpu_times()[:2])
    grown = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 3_000
    for each in (each for each in takes_a_body(stage) if each.has_body):
        body = example(each.path)
        for field in body:
            for value in (json.dumps(grown).encode(), b"9" * 20_000, b"1e99999"):
                sent = json.dumps(body | {field: "@"}).encode().replace(b'"@"', value)
                reply = await admin.ask(
                    each.method, address_of(each), content=sent, headers={"Content-Type": "application/json"}
                )
                assert faults(reply) == [], (each.label, field, reply.text[:300])
    assert sum(server.cpu_times()[:2]) - before < CPU_MAX_S
